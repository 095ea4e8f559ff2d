"""Expiry and deletion of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import and_, case, delete, select, true, update
from sqlalchemy.engine import Connection

from .files import wipe_unused
from .returning import locked, updated_ids
from .schema import FINISHED, SECOND, State, Tables, is_in, now

_AT_ONCE: Final = 500
_REFUSED_CONTENT: Final = 7 * 86400
# A worker whose commit is in doubt usually finds the row again.
_SENT: Final = 60


def expire(connection: Connection, tables: Tables) -> list[int]:
    """End rows that are past their `expires`, and return their ids."""
    queue = tables.queue
    state = ended_as(tables, State.EXPIRED)
    ended = update(queue).values(state=state, error="Expired", finished_at=now())
    which = is_in(queue.c.state, State.QUEUED) & (queue.c.expires_at <= now())
    # The uncommitted rows of others are among those that MariaDB looks at.
    return list(updated_ids(connection, ended, which, skip_locked=True))


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
    refused = and_(
        is_in(queue.c.state, State.REFUSED),
        queue.c.finished_at < now() - _REFUSED_CONTENT * SECOND,
        queue.c.record.is_not(None),
        queue.c.mailer.not_in(keep),
        of_mailer,
    )
    wiped = update(queue).values(record=None, files=None)
    updated_ids(connection, wiped, refused, skip_locked=True)
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
    # Locked, as a person may queue one of them. Never wait for a worker that was suspended in a
    # transaction.
    found = locked(connection, select(queue.c.id).where(which, old), queue.c.id, _AT_ONCE)
    ids = [row.id for row in found]
    if not ids:
        return 0
    connection.execute(delete(tables.attempt).where(tables.attempt.c.queue_id.in_(ids)))
    return connection.execute(delete(queue).where(queue.c.id.in_(ids))).rowcount
