"""Queries about rows, workers, events and paused mailers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.engine import Connection, RowMapping

from .schema import SECOND, State, Tables, is_in, now


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
