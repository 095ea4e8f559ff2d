"""``python -m benchmarks.readme``: write README's tables on speed anew, from RESULTS.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .delivering import (
    EIGHT,
    FIRST,
    NEITHER_COLUMN,
    PIPELINING,
    PIPELINING_COLUMN,
    SLOW_COLUMN,
)
from .delivering import GROUPS as OF_DELIVERING
from .environments import OLD, OURS
from .making import APP_PER_TEST, HTML, IMPORT, LARGE_COLUMN
from .making import GROUPS as OF_MAKING

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
README = HERE.parent / "README.md"

_HEADINGS = {group.name: group.heading for group in (*OF_MAKING, *OF_DELIVERING)}
HEADING = "| | Flask-Mail 1.0 | 0.10 |\n| --- | --- | --- |\n"
_FACTOR = re.compile(r" \([\d.]+x\)")


class Row(NamedTuple):
    """A row of README, and the place of its figures in RESULTS.md."""

    text: str
    group: str
    column: str
    label: str = OURS
    figure: int = 0
    """Index of the figure, for cells with several."""


TABLES = (
    (
        Row("`mail.send`, over a pooled connection", "single", "20 ms"),
        Row("the same with STARTTLS and login", "login", "20 ms"),
        Row("the first `mail.send` of an app", "single", "20 ms", FIRST),
        Row("the same with STARTTLS and login", "login", "20 ms", FIRST),
        Row("a batch", "batch", "20 ms"),
        Row("a batch, PIPELINING only", "batch", "20 ms", PIPELINING),
        Row("the same with 8 connections", "servers", PIPELINING_COLUMN, EIGHT),
        Row("a batch, neither PIPELINING nor CHUNKING", "servers", NEITHER_COLUMN),
        Row("the same with 8 connections", "servers", NEITHER_COLUMN, EIGHT),
        Row("a batch, 50 ms to accept each message", "servers", SLOW_COLUMN),
        Row("the same with 8 connections", "servers", SLOW_COLUMN, EIGHT),
    ),
    (
        Row("building a message with text and HTML", "build", HTML),
        Row("sending a 25 MiB attachment", "attachment", LARGE_COLUMN),
        Row("extra memory used for it", "attachment", LARGE_COLUMN, figure=1),
        Row("importing it", "imports", IMPORT),
        Row("`Mail(app)` and a message in a test", "apps", APP_PER_TEST),
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
        place = _HEADINGS[row.group], row.column
        own = found.get((*place, row.label), "")
        old = found.get((*place, OLD), "")
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
