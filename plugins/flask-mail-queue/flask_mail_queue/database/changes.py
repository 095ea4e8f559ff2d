"""Changes of rows and mailers by a person, or by what a service reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, case, delete, insert, update
from sqlalchemy.engine import Connection

from .contents import WHOLE
from .files import wipe_unused
from .returning import updated, updated_ids
from .schema import ALL_MAILERS, State, Tables, is_in, now
from .upkeep import ended_as


def retry(
    connection: Connection, tables: Tables, ids: Sequence[int], *, may_arrive_twice: bool = False
) -> set[int]:
    """Queue rows again that were not sent, and return their ids.

    :param may_arrive_twice: also those whose outcome is unknown.
    """
    states = [State.REFUSED, State.FAILED, State.CANCELLED, State.EXPIRED]
    if may_arrive_twice:
        states.append(State.UNKNOWN)
    queue = tables.queue
    # It is given up and expires as if it were new. `claims` never decreases.
    again = update(queue).values(
        state=State.QUEUED.value,
        owner=None,
        error="",
        attempts=0,
        losses=0,
        created_at=now(),
        due_at=now(),
        expires_at=None,
        finished_at=None,
        repeat_until=None,
        peer_id=None,
        reported=None,
        # A worker that was taken for dead must not record a late outcome any more.
        claims=queue.c.claims + 1,
    )
    which = and_(
        queue.c.id.in_(ids),
        queue.c.state.in_([each.value for each in states]),
        queue.c.record.is_not(None),
    )
    return updated_ids(connection, again, which)


def settle(
    connection: Connection,
    tables: Tables,
    number: int,
    state: State,
    remains: Any = None,
    *,
    response: str | None = None,
) -> bool:
    """Set the outcome of a row whose outcome is unknown, also if it would be sent again.

    :param remains: the content that stays; ``WHOLE``: all of it.
    :param response: the reply of the peer, if it is known now.
    """
    queue = tables.queue
    record = queue.c.record if remains == WHOLE else remains
    # What was deleted meanwhile, such as by `flask mail queue forget`, does not come back.
    record = None if record is None else case((queue.c.record.is_not(None), record))
    is_unknown = is_in(queue.c.state, State.UNKNOWN) | (
        is_in(queue.c.state, State.QUEUED) & queue.c.repeat_until.is_not(None)
    )
    settled = (
        update(queue)
        .where(queue.c.id == number, is_unknown)
        .values(
            state=state.value,
            owner=None,
            record=record,
            files=queue.c.files if remains == WHOLE else None,
            finished_at=now(),
            repeat_until=None,
            response=queue.c.response if response is None else response,
        )
    )
    is_done = connection.execute(settled).rowcount == 1
    if is_done:
        wipe_unused(connection, tables)
    return is_done


def cancel(connection: Connection, tables: Tables, ids: Sequence[int]) -> dict[int, str]:
    """Cancel rows that no worker has claimed, and return their states by id.

    One that would be sent again, and may have been accepted, is unknown.
    """
    queue = tables.queue
    cancelled = update(queue).values(state=ended_as(tables, State.CANCELLED), finished_at=now())
    which = queue.c.id.in_(ids) & (queue.c.state == State.QUEUED.value)
    rows = updated(connection, cancelled, which, queue.c.id, queue.c.state)
    return {row.id: row.state for row in rows}


def pause(connection: Connection, tables: Tables, mailer: str = ALL_MAILERS) -> None:
    """Let no worker begin to send the mail of a mailer."""
    resume(connection, tables, mailer)
    connection.execute(insert(tables.pause).values(mailer=mailer, since=now()))


def resume(connection: Connection, tables: Tables, mailer: str | None = None) -> bool:
    """Let workers send the mail of a mailer again, or of all; return True if it was paused."""
    ended = delete(tables.pause)
    if mailer is not None:
        ended = ended.where(tables.pause.c.mailer == mailer)
    return connection.execute(ended).rowcount > 0
