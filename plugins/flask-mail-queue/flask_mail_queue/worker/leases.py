"""The leases of workers, and the release of what dead ones have left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import case, delete, exists, insert, select, update
from sqlalchemy.engine import Connection

from ..database.returning import locked, updated
from ..database.schema import HELD, SECOND, State, Tables, is_in, now

MOST_LOSSES: Final = 10
"""Workers that died while they had claimed a row, until it has failed."""


class LeaseLost(Exception):
    """Another worker took this one for dead."""


class Leases:
    """The statements about the lease of one worker, and those of dead ones.

    :param owner: a random name, which no other worker has had.
    :param seconds: the time after which the worker is taken for dead.
    """

    def __init__(self, tables: Tables, owner: str, seconds: float) -> None:
        self._queue, self._worker = tables.queue, tables.worker
        self._owner = owner
        self._lease = round(seconds * SECOND)

    def register(self, connection: Connection, host: str, pid: int) -> None:
        """Begin the lease of this worker, also if a commit of the same call is in doubt."""
        connection.execute(delete(self._worker).where(self._worker.c.owner == self._owner))
        values = {"owner": self._owner, "host": host[:255], "pid": pid}
        connection.execute(insert(self._worker).values(until=now() + self._lease, **values))

    def renew(self, connection: Connection) -> None:
        """Renew the lease.

        :raises LeaseLost: another worker has ended it.
        """
        mine = self._worker.c.owner == self._owner
        renewed = update(self._worker).where(mine).values(until=now() + self._lease)
        if connection.execute(renewed).rowcount != 1:
            raise LeaseLost

    def unregister(self, connection: Connection) -> None:
        """End the lease, unless rows are being sent: another worker will settle those."""
        queue = self._queue
        held = select(queue.c.id).where(queue.c.owner == self._owner, is_in(queue.c.state, *HELD))
        if connection.execute(held.limit(1)).first() is None:
            connection.execute(delete(self._worker).where(self._worker.c.owner == self._owner))

    def reap(self, connection: Connection) -> list[int]:
        """Release the rows of dead workers, and return the ids of those that are not tried again.

        Those that may have been sent are unknown, unless the peer recognizes their keys. A row that
        was with too many workers that died has failed, as it may be what kills them.
        """
        worker, queue = self._worker, self._queue
        dead = (
            select(worker.c.owner)
            .where(worker.c.until < now(), worker.c.owner != self._owner)
            .with_for_update(skip_locked=True)
        )
        owners = list(connection.scalars(dead))
        if not owners:
            return []
        # What a suspended worker has locked in a transaction waits for the next sweep.
        again = (queue.c.repeat_until > now()).label("again")
        held = select(queue.c.id, queue.c.state, again).where(
            queue.c.owner.in_(owners), is_in(queue.c.state, *HELD)
        )
        rows = locked(connection, held, queue.c.id)
        repeated = [row.id for row in rows if row.state == State.SENDING.value and row.again]
        found = self._release(connection, _ids(rows, State.CLAIMED) + repeated)
        sending = [each for each in _ids(rows, State.SENDING) if each not in repeated]
        if sending:
            connection.execute(
                update(queue)
                .where(queue.c.id.in_(sending))
                .values(
                    state=State.UNKNOWN.value,
                    error="WorkerLost",
                    attempts=queue.c.attempts + 1,
                    finished_at=now(),
                    repeat_until=None,
                )
            )
        left = exists().where(queue.c.owner == worker.c.owner, is_in(queue.c.state, *HELD))
        connection.execute(delete(worker).where(worker.c.owner.in_(owners), ~left))
        return found + sending

    def _release(self, connection: Connection, ids: list[int]) -> list[int]:
        """Release rows, and return the ids of those that are not tried again."""
        if not ids:
            return []
        queue = self._queue
        lost = queue.c.losses + 1
        is_poison = lost >= MOST_LOSSES
        failed = case(
            (queue.c.repeat_until.is_(None), State.FAILED.value), else_=State.UNKNOWN.value
        )
        released = (
            update(queue)
            # In this order: MariaDB computes a value from those that were set before it.
            .ordered_values(
                (queue.c.state, case((is_poison, failed), else_=State.QUEUED.value)),
                (queue.c.error, case((is_poison, "Poison"), else_=queue.c.error)),
                (queue.c.finished_at, case((is_poison, now()), else_=None)),
                (queue.c.losses, lost),
                (queue.c.owner, None),
            )
        )
        rows = updated(connection, released, queue.c.id.in_(ids), queue.c.id, queue.c.state)
        return _ids(rows, State.FAILED) + _ids(rows, State.UNKNOWN)


def _ids(rows: Sequence[Any], state: State) -> list[int]:
    return [row.id for row in rows if row.state == state.value]
