"""``python -m benchmarks.readme``: write README's tables on speed anew, from RESULTS.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
README = HERE.parent / "README.md"

OURS, OLD = "Flask-Mail 1.0", "Flask-Mail 0.10.0"
PIPELINING, FIRST = f"{OURS}, PIPELINING only", f"{OURS}, first send"
EIGHT = f"{OURS}, 8 connections"
SINGLE, LOGIN = "One message, plain", "One message, STARTTLS and login"
SERVERS = "Batches to servers that offer less, 20 ms"
LARGE, IMPORT = "Large attachments", "Import time"
HEADING = "| | Flask-Mail 1.0 | 0.10 |\n| --- | --- | --- |\n"
_FACTOR = re.compile(r" \([\d.]+x\)")


class Row(NamedTuple):
    """A row of README, and the place of its figures in RESULTS.md."""

    text: str
    section: str
    column: str
    label: str = OURS
    figure: int = 0
    """Index of the figure, for cells with several."""


TABLES = (
    (
        Row("`mail.send`, over a pooled connection", SINGLE, "20 ms"),
        Row("the same with STARTTLS and login", LOGIN, "20 ms"),
        Row("the first `mail.send` of an app", SINGLE, "20 ms", FIRST),
        Row("the same with STARTTLS and login", LOGIN, "20 ms", FIRST),
        Row("a batch", "A batch", "20 ms"),
        Row("a batch, PIPELINING only", "A batch", "20 ms", PIPELINING),
        Row("the same with 8 connections", SERVERS, "PIPELINING only", EIGHT),
        Row("a batch, neither PIPELINING nor CHUNKING", SERVERS, "neither"),
        Row("the same with 8 connections", SERVERS, "neither", EIGHT),
        Row("a batch, 50 ms to accept each message", SERVERS, "CHUNKING, 50 ms a message"),
        Row("the same with 8 connections", SERVERS, "CHUNKING, 50 ms a message", EIGHT),
    ),
    (
        Row("building a message with text and HTML", "Making a message", "text + HTML"),
        Row("sending a 25 MiB attachment", LARGE, "25 MiB, smtp-sink"),
        Row("extra memory used for it", LARGE, "25 MiB, smtp-sink", figure=1),
        Row("importing it", IMPORT, "import"),
        Row("`Mail(app)` and a message in a test", "An app per test", "an app per test"),
    ),
)


def cells(results: str) -> dict[tuple[str, str, str], str]:
    """Return the cells of RESULTS.md by section, column and label."""
    found = {}
    for section in re.split(r"^## ", results, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        for label, *values in rows[1:]:
            for column, value in zip(rows[0][1:], values, strict=True):
                found[title, column, label] = value
    return found


def shown(cell: str, figure: int, *, has_unit: bool) -> str:
    """Return a figure of RESULTS.md as README shows it: without the factor against 0.10."""
    text = _FACTOR.sub("", cell).split(", ")[figure]
    if " = " in text:
        trips = text.partition(" = ")[2].removesuffix(" rt")
        return f"{trips} round trips" if has_unit else trips
    if text.endswith("/s"):
        rate = text.removesuffix("/s")
        return f"{rate} messages a second" if has_unit else rate
    return text


def rows(table: tuple[Row, ...], results: str) -> Iterator[str]:
    """Yield the rows of a table; those that were not measured are left out."""
    found = cells(results)
    for row in table:
        own = found.get((row.section, row.column, row.label), "")
        old = found.get((row.section, row.column, OLD), "")
        if own[:1].isdigit() and old[:1].isdigit():
            ours = shown(own, row.figure, has_unit=True)
            yield f"| {row.text} | {ours} | {shown(old, row.figure, has_unit=False)} |\n"


def updated(readme: str, results: str) -> str:
    """Return README with its tables as RESULTS.md has the figures."""
    parts = re.split(rf"{re.escape(HEADING)}(?:\|.*\n)*", readme)
    if len(parts) != len(TABLES) + 1:
        raise ValueError(f"README.md needs {len(TABLES)} tables that begin with\n\n{HEADING}")
    tables = [HEADING + "".join(rows(table, results)) for table in TABLES]
    return parts[0] + "".join(table + after for table, after in zip(tables, parts[1:], strict=True))


def write() -> None:
    """Write README.md anew."""
    README.write_text(updated(README.read_text(), RESULTS.read_text()))


if __name__ == "__main__":
    sys.exit(write())
