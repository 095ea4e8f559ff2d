"""The tables on speed in README show what the benchmarks have measured."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT)
    from benchmarks.readme import HEADING, updated

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")


def test_readme_shows_the_measured_speed() -> None:
    assert updated(README, RESULTS) == README, "Run `python -m benchmarks.readme`."


SECTION = """\
## A batch

Text.

|                   | 0 ms          | 20 ms        |
|-------------------|---------------|--------------|
| Flask-Mail 1.0    | 823/s (1.99x) | 1,913/s (80x) |
| Flask-Mail 0.10.0 | 413/s (1.00x) | 11/s (1.00x) |

## Large attachments

|                   | 25 MiB, smtp-sink                   |
|-------------------|-------------------------------------|
| Flask-Mail 1.0    | 100.6 ms (11.2x), 0.0 MiB (12496x)  |
| Flask-Mail 0.10.0 | 1,129 ms (1.00x), 195.2 MiB (1.00x) |

## One message, plain

|                   | 20 ms                      |
|-------------------|----------------------------|
| Flask-Mail 1.0    | failed                     |
| Flask-Mail 0.10.0 | 170.1 ms = 8.50 rt (1.00x) |

## One message, STARTTLS and login

|                   | 20 ms                     |
|-------------------|---------------------------|
| Flask-Mail 1.0    | 22.9 ms = 1.14 rt (12.1x) |
| Flask-Mail 0.10.0 | 276.8 ms = 13.84 rt (1.00x) |
"""


def test_tables_have_the_figures_without_their_factors() -> None:
    assert updated(f"Before\n\n{HEADING}| old | 1 | 2 |\n\nBetween\n{HEADING}After", SECTION) == (
        f"Before\n\n{HEADING}"
        "| the same with STARTTLS and login | 1.14 round trips | 13.84 |\n"
        "| a batch | 1,913 messages a second | 11 |\n"
        f"\nBetween\n{HEADING}"
        "| sending a 25 MiB attachment | 100.6 ms | 1,129 ms |\n"
        "| extra memory used for it | 0.0 MiB | 195.2 MiB |\n"
        "After"
    )


def test_readme_without_the_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="README.md needs 2 tables"):
        updated("# Flask-Mail\n", SECTION)
