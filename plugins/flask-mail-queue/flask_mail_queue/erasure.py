"""Erasure of an address from the queue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select, update

from flask_mail import MailError

from .backend import QueueBackend
from .database import upkeep
from .database.files import wipe_unused
from .database.schema import FINISHED, State, is_in, now
from .queues import contents_of

_AT_ONCE: Final = 20


@dataclass
class Forgotten:
    """The ids of the rows with an address."""

    deleted: list[int] = field(default_factory=list)
    """Finished rows whose content was deleted."""
    cancelled: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    """Rows that are not finished."""
    unreadable: list[int] = field(default_factory=list)
    keys: int = 0
    """The number of keys that contained it."""


def forget(queues: Sequence[QueueBackend], address: str, *, cancel: bool = False) -> Forgotten:
    """Delete the content of finished rows that contains an address, and the keys that do.

    :param cancel: cancel rows that no worker has claimed.
    """
    found = Forgotten()
    spellings = _spellings(address)
    in_text = re.compile(rf"(?<![\w.+-])(?:{spellings})(?![\w-]|\.\w)", re.IGNORECASE)
    # Programs put an address between dashes or underscores there.
    in_key = re.compile(
        rf"(?<![^\W_])(?<![.+])(?:{spellings})(?![^\W_])(?!\.[^\W_])", re.IGNORECASE
    )
    tables = queues[0].store.tables.queue
    for row in _rows(queues, tables.c.record):
        try:
            record = contents_of(queues, row.mailer).read(row.record)
        except (ValueError, MailError):
            found.unreadable.append(row.id)
            continue
        if any(in_text.search(each) for each in _texts(record)):
            _note(found, row, _erased(queues, row, cancel=cancel))
    for row in _rows(queues, tables.c.key):
        if in_key.search(row.key):
            with queues[0].store.begin() as connection:
                connection.execute(update(tables).where(tables.c.id == row.id).values(key=None))
            found.keys += 1
    return found


def _note(found: Forgotten, row: Any, state: State | None) -> None:
    if state is None:
        found.left.append(row.id)
    elif state.value == row.state:
        found.deleted.append(row.id)
    else:
        found.cancelled.append(row.id)


def _erased(queues: Sequence[QueueBackend], row: Any, *, cancel: bool) -> State | None:
    """Delete the content of a row; return its state, or ``None`` if it is not finished."""
    tables = queues[0].store.tables
    queue = tables.queue
    state = State(row.state)
    values: dict[str, Any] = {"record": None, "files": None}
    if state is State.QUEUED and cancel:
        state = State.CANCELLED
        values.update(state=upkeep.ended_as(tables, state), finished_at=now())
    if state not in FINISHED:
        return None
    # As it was read: a worker or a person may have changed it meanwhile. What was finished may have
    # been settled, which leaves the address in it.
    before = is_in(queue.c.state, *(FINISHED if row.state == state.value else (State.QUEUED,)))
    same = (queue.c.id == row.id) & (queue.c.claims == row.claims) & before
    with queues[0].store.begin() as connection:
        is_done = connection.execute(update(queue).where(same).values(**values)).rowcount == 1
        wipe_unused(connection, tables)
    return state if is_done else None


def _rows(queues: Sequence[QueueBackend], column: Any) -> Iterator[Any]:
    """Yield the rows that have a value in a column, each page in a transaction of its own."""
    queue = queues[0].store.tables.queue
    last = 0
    while True:
        page = (
            select(queue.c.id, queue.c.mailer, queue.c.state, queue.c.claims, column)
            .where(queue.c.id > last, column.is_not(None))
            .order_by(queue.c.id)
            .limit(_AT_ONCE)
        )
        with queues[0].store.begin() as connection:
            rows = connection.execute(page).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1].id


def _texts(value: Any) -> Iterator[str]:
    """Yield all strings of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in (*value, *value.values()):
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _spellings(address: str) -> str:
    """Return a regular expression of an address, with its domain in Unicode and in ASCII."""
    local, _, domain = address.rpartition("@")
    domains = {domain}
    with suppress(UnicodeError):  # not a domain of IDNA 2003
        domains.add(domain.encode("idna").decode("ascii"))
    with suppress(UnicodeError):
        domains.add(domain.encode("ascii").decode("idna"))
    return "|".join(re.escape(f"{local}@{each}") for each in sorted(domains))
