"""Rows that a worker has claimed, and the results of sending them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from ..database.schema import SECOND, State


@dataclass(frozen=True)
class Claimed:
    """A row that a worker has claimed."""

    id: int
    claims: int
    attempts: int
    age: float
    """Seconds since it was stored."""
    remaining: float | None
    """Seconds until it expires."""
    record: bytes | None = field(repr=False)
    trace: str | None = None
    """The span that stored it."""
    repeatable: float | None = None
    """``None`` unless it may have been accepted: the seconds for which the peer recognizes its key.
    """
    files: str | None = None
    """The bundle with its large attachments."""


@dataclass(frozen=True)
class Result:
    """The new state of a claimed row."""

    row: Claimed
    state: State
    response: str = ""
    error: str = ""
    delay: float = 0.0
    """Seconds until it is due again, if it is queued."""
    counted: bool = True
    """True if it was an attempt to send it."""
    remains: bytes | str | None = field(default=None, repr=False)
    """The content that stays in the row if it was sent; ``WHOLE``: all of it."""
    repeats: bool = False
    """True if it is queued although it may have been accepted."""
    peer_id: str | None = None
    """The name that the peer has given to the message."""


def apart(rows: Sequence[Any]) -> Sequence[Any]:
    """Return the first row alone if a worker died with it, and otherwise those before such a row.

    The others of its batch would fail together with a message that kills workers.
    """
    if rows and rows[0].losses:
        return rows[:1]
    return list(takewhile(lambda row: not row.losses, rows))


def claimed(row: Any) -> Claimed:
    """Return a row that was selected for a claim."""
    # The claim that has just been made.
    return Claimed(
        *(row.id, row.claims + 1, row.attempts, row.age / SECOND),
        *(_seconds(row.remaining), row.record, row.trace, _seconds(row.repeatable)),
        files=row.files,
    )


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / SECOND
