"""The results of the benchmarks on queues, and whether their targets were reached, as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT)
    from benchmarks import queueing
    from benchmarks.cells import QUICK, Group
    from benchmarks.report import group_table, targets

# By label; everybody else has the figures of ``OTHERS``.
OURS = {
    queueing.QUEUE_ONE: {"seconds": 0.001},
    queueing.QUEUE: {"seconds": 0.01, "growth": 2048, "doubled": 0, "lost": 0, "unknown": 4},
    queueing.TWO_WORKERS: {"seconds": 0.005},
}
OTHERS = {"seconds": 0.02, "growth": 102400, "doubled": 90, "lost": 1, "unknown": 0}
_OF_GROUPS = {
    "queue-enqueue": ["seconds"],
    "queue-dispatch": ["seconds"],
    "queue-memory": ["growth"],
    "queue-kills": ["doubled", "lost", "unknown"],
}


def measured(group: Group) -> dict[str, Any]:
    """Return results of all cells of a group."""

    def entry(label: str) -> dict[str, Any]:
        figures = OURS.get(label, OTHERS)
        return {"label": label, **{name: figures[name] for name in _OF_GROUPS[group.name]}}

    cells = [
        {"column": cell.column, "entries": [entry(each.label) for each in cell.entries]}
        for cell in group.cells(QUICK)
    ]
    return {"name": group.name, "shows": group.shows, "cells": cells}


RESULTS = {"groups": [measured(group) for group in queueing.GROUPS]}


def rows(table: str) -> dict[str, list[str]]:
    """Return the cells of a table by its first column."""
    found = [[each.strip() for each in line.strip("|").split("|")] for line in table.splitlines()]
    return {row[0]: row[1:] for row in found if row[0]}


def test_rates_and_growth_of_queues_are_shown() -> None:
    tables = [rows(group_table(each)) for each in RESULTS["groups"]]
    assert tables[0][queueing.QUEUE_ONE] == ["1,000/s", "1,000/s"]
    assert tables[1][queueing.TWO_WORKERS] == ["", "", "", "200/s", "200/s"]
    assert tables[2][queueing.QUEUE] == ["2.0 MiB", "2.0 MiB"]


def test_what_was_sent_twice_or_never_is_shown() -> None:
    table = rows(group_table(RESULTS["groups"][3]))
    assert table[queueing.QUEUE] == ["0 twice, 0 never, 4 reported as unknown"]
    assert table[queueing.POST_OFFICE] == ["90 twice, 1 never, 0 reported as unknown"]


def test_targets_of_queues_are_judged() -> None:
    found = rows(targets(RESULTS))
    assert found["workers killed: sent twice"] == ["none", "0", "reached"]
    assert found["25 MiB stored: memory above the data"][2] == "reached, 88% to spare"
    name = "PostgreSQL: mail stored in the app's transaction, against django-post_office"
    assert found[name] == ["at least 10 times", "20.0 times", "reached, 100% to spare"]
    assert found["SQLite: stored mail, 20 ms, against django-post_office"][2] == "**missed by 75%**"


def test_a_message_sent_twice_misses_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    [cell] = RESULTS["groups"][3]["cells"]
    ours = next(each for each in cell["entries"] if each["label"] == queueing.QUEUE)
    monkeypatch.setitem(ours, "doubled", 1)
    found = rows(targets(RESULTS))
    assert found["workers killed: sent twice"] == ["none", "1", "**missed**"]
