"""Statements about rows that send nothing: expiry, deletion, queries, and the commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import case, delete, func, insert, or_, select, true, update
from sqlalchemy.engine import Connection, RowMapping

from .contents import WHOLE
from .files import wipe_unused
from .returning import updated, updated_ids
from .schema import ALL_MAILERS, FINISHED, SECOND, State, Tables, is_in, now

_AT_ONCE: Final = 500
_REFUSED_CONTENT: Final = 7 * 86400
# A worker whose commit is in doubt usually finds the row again.
_SENT: Final = 60


def expire(connection: Connection, tables: Tables) -> list[int]:
    """End rows that are past their `expires`, and return their ids."""
    queue = tables.queue
    state = ended_as(tables, State.EXPIRED)
    ended = (
        update(queue)
        .where(is_in(queue.c.state, State.QUEUED), queue.c.expires_at <= now())
        .values(state=state, error="Expired", finished_at=now())
    )
    # The uncommitted rows of others are among those that MariaDB looks at.
    return list(updated_ids(connection, ended, skip_locked=True))


def ended_as(tables: Tables, state: State) -> Any:
    """Return the state of a queued row that is not sent any more: unknown if it may have been."""
    queue = tables.queue
    return case((queue.c.repeat_until.is_(None), state.value), else_=State.UNKNOWN.value)


def purge(
    connection: Connection,
    tables: Tables,
    older_than: float,
    *,
    mailer: str | None = None,
    keep: Sequence[str] = (),
) -> int:
    """Delete finished rows, up to 500, and return their number.

    The content of refused messages is deleted after a week.

    :param older_than: seconds since they were finished.
    :param mailer: only rows of this mailer.
    :param keep: the mailers whose refused messages keep their content.
    """
    queue = tables.queue
    of_mailer = true() if mailer is None else queue.c.mailer == mailer
    which = is_in(queue.c.state, *FINISHED) & of_mailer
    count = _delete(connection, tables, which, older_than)
    connection.execute(
        update(queue)
        .where(
            queue.c.state == State.REFUSED.value,
            queue.c.finished_at < now() - _REFUSED_CONTENT * SECOND,
            queue.c.record.is_not(None),
            queue.c.mailer.not_in(keep),
            of_mailer,
        )
        .values(record=None, files=None)
    )
    wipe_unused(connection, tables)
    return count


def purge_sent(connection: Connection, tables: Tables, mailers: Sequence[str]) -> int:
    """Delete rows of mailers that were sent a minute ago, up to 500, and return their number."""
    queue = tables.queue
    is_gone = is_in(queue.c.state, State.SENT) & queue.c.mailer.in_(mailers)
    count = _delete(connection, tables, is_gone, _SENT)
    if count:
        wipe_unused(connection, tables)
    return count


def _delete(connection: Connection, tables: Tables, which: Any, older_than: float) -> int:
    queue = tables.queue
    old = queue.c.finished_at < now() - round(older_than * SECOND)
    ids = list(connection.scalars(select(queue.c.id).where(which, old).limit(_AT_ONCE)))
    if not ids:
        return 0
    connection.execute(delete(tables.attempt).where(tables.attempt.c.queue_id.in_(ids)))
    # Again with the state: a person may have queued one of them meanwhile.
    return connection.execute(delete(queue).where(queue.c.id.in_(ids), which)).rowcount


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
    again = (
        update(queue)
        .where(
            queue.c.id.in_(ids),
            queue.c.state.in_([each.value for each in states]),
            queue.c.record.is_not(None),
        )
        # It is given up and expires as if it were new. `claims` never decreases.
        .values(
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
    )
    return updated_ids(connection, again)


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
    cancelled = (
        update(queue)
        .where(queue.c.id.in_(ids), queue.c.state == State.QUEUED.value)
        .values(state=ended_as(tables, State.CANCELLED), finished_at=now())
    )
    rows = updated(connection, cancelled, queue.c.id, queue.c.state)
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


def paused(connection: Connection, tables: Tables) -> list[RowMapping]:
    """Return the mailers that are paused, and for how many microseconds."""
    pauses = tables.pause
    found = select(pauses.c.mailer, (now() - pauses.c.since).label("paused"))
    return list(connection.execute(found.order_by(pauses.c.mailer)).mappings())


def counts(connection: Connection, tables: Tables) -> list[RowMapping]:
    """Return the number of rows by mailer and state."""
    queue = tables.queue
    grouped = (
        select(queue.c.mailer, queue.c.state, func.count().label("count"))
        .group_by(queue.c.mailer, queue.c.state)
        .order_by(queue.c.mailer, queue.c.state)
    )
    return list(connection.execute(grouped).mappings())


def oldest_due(connection: Connection, tables: Tables) -> float | None:
    """Return the seconds for which the oldest row that is due has waited."""
    queue = tables.queue
    is_due = is_in(queue.c.state, State.QUEUED) & (queue.c.due_at <= now())
    waited = connection.scalar(select(now() - func.min(queue.c.due_at)).where(is_due))
    return None if waited is None else waited / SECOND


def backlog(connection: Connection, tables: Tables) -> dict[str, tuple[int, float]]:
    """Return for each mailer the number of rows that are due, and the age of the oldest.

    The age is in seconds since it was due.
    """
    queue = tables.queue
    is_due = is_in(queue.c.state, State.QUEUED) & (queue.c.due_at <= now())
    found = (
        select(queue.c.mailer, func.count(), now() - func.min(queue.c.due_at))
        .where(is_due)
        .group_by(queue.c.mailer)
    )
    return {name: (count, age / SECOND) for name, count, age in connection.execute(found)}


def mailers_due(connection: Connection, tables: Tables) -> list[str]:
    """Return the mailers of the rows that are due."""
    queue = tables.queue
    is_due = is_in(queue.c.state, State.QUEUED) & (queue.c.due_at <= now())
    return list(connection.scalars(select(queue.c.mailer).where(is_due).distinct()))


def workers(connection: Connection, tables: Tables) -> list[RowMapping]:
    """Return the workers, with the seconds until their lease ends."""
    worker = tables.worker
    left = (worker.c.until - now()).label("left")
    found = select(worker.c.owner, worker.c.host, worker.c.pid, left).order_by(worker.c.owner)
    return list(connection.execute(found).mappings())


def last_event(connection: Connection, tables: Tables) -> RowMapping | None:
    """Return the mailer, the kind and the age, in microseconds, of the last event of a service."""
    event = tables.event
    found = select(event.c.mailer, event.c.kind, (now() - event.c.at).label("age"))
    return connection.execute(found.order_by(event.c.at.desc()).limit(1)).mappings().first()


def listed(
    connection: Connection, tables: Tables, states: Sequence[str], since: float, most: int
) -> list[RowMapping]:
    """Return rows without their content, the newest first.

    :param since: seconds since they were created or finished.
    """
    queue = tables.queue
    shown = [each for each in queue.c if each.name != "record"]
    after = now() - round(since * SECOND)
    found = select(*shown, (now() - queue.c.created_at).label("age")).where(
        or_(queue.c.created_at >= after, queue.c.finished_at >= after)
    )
    if states:
        found = found.where(queue.c.state.in_(states))
    found = found.order_by(queue.c.id.desc()).limit(most)
    return list(connection.execute(found).mappings())


def unsent(
    connection: Connection, tables: Tables, mailer: str, states: Sequence[str], most: int
) -> list[RowMapping]:
    """Return rows of a mailer in some states without their content, the newest first."""
    queue = tables.queue
    shown = [each for each in queue.c if each.name != "record"]
    found = select(*shown, queue.c.record.is_not(None).label("has_content")).where(
        queue.c.mailer == mailer, queue.c.state.in_(states)
    )
    return list(connection.execute(found.order_by(queue.c.id.desc()).limit(most)).mappings())


def row(connection: Connection, tables: Tables, number: int) -> RowMapping | None:
    """Return a row, with its content if that was not deleted."""
    found = select(tables.queue).where(tables.queue.c.id == number)
    return connection.execute(found).mappings().first()


def attempts(connection: Connection, tables: Tables, number: int) -> list[RowMapping]:
    """Return the attempts of a row that did not end with its first success."""
    tried: Any = tables.attempt
    found = select(tried).where(tried.c.queue_id == number).order_by(tried.c.claims)
    return list(connection.execute(found).mappings())
