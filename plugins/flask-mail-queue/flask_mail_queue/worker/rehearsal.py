"""A rehearsal of all statements of a worker, which leaves nothing behind."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy.engine import Connection

from ..backend import QueueBackend
from ..database import files, queries, upkeep
from ..database.records import LONGEST
from ..database.schema import State
from ..feedback import events, suppression_list
from .claims import Result
from .leases import Leases
from .protocol import Protocol

_MAILER = "rehearsal"


def rehearse(connection: Connection, queues: Sequence[QueueBackend]) -> None:
    """Run all statements on rows that are rolled back.

    A worker that could mark messages, but not record their outcomes, would make some of them
    unknown at each start.

    :raises SQLAlchemyError: a table or column does not exist.
    """
    store = queues[0].store
    # Random: workers that start at the same time would wait for each other.
    owner = secrets.token_hex(16)
    leases = Leases(store.tables, owner, 60)
    protocol = Protocol(store.tables, owner)
    transaction = connection.begin()
    try:
        leases.register(connection, "", 0)
        leases.renew(connection)
        for state in (State.SENT, State.QUEUED):
            number, _ = store.insertion.one(connection, _row())
            rows = protocol.claim(connection, _MAILER, 1, only=number)
            protocol.exchange(connection, [], rows, again=True)
            protocol.exchange(connection, [Result(rows[0], state)], [], again=True)
            protocol.give_back(connection, rows)
        protocol.release(connection)
        leases.reap(connection)
        upkeep.expire(connection, store.tables)
        files.wipe_unused(connection, store.tables, [_MAILER])
        files.piece_of(connection, store.tables, _MAILER, 0)
        suppression_list.find(connection, store.tables, ["ann@example.com"])
        events.settle_earlier(connection, queues)
        events.forget_old(connection, store.tables)
        queries.mailers_due(connection, store.tables)
        queries.backlog(connection, store.tables)
        upkeep.purge_sent(connection, store.tables, [_MAILER])
        upkeep.purge(connection, store.tables, LONGEST, mailer=_MAILER)
        leases.unregister(connection)
    finally:
        transaction.rollback()


def _row() -> dict[str, object]:
    return {
        "mailer": _MAILER,
        "priority": 0,
        "given_at": None,
        "delay": 0,
        "lifetime": None,
        "key": None,
        "message_id": "<rehearsal>",
        "recipients": 0,
        "size": 0,
        "record": b"{}",
        "files": None,
        "trace": None,
    }
