"""The statements by which a worker claims, marks and records rows.

A row is changed only by the owner and the claim that have it (its *fence*), so that a worker that
was suspended, or taken for dead, changes nothing that another one has begun.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import and_, case, exists, func, insert, literal, or_, select, tuple_, update
from sqlalchemy.engine import Connection

from ..database.contents import WHOLE
from ..database.files import wipe_unused
from ..database.returning import locked, updated_ids
from ..database.schema import ALL_MAILERS, HELD, SECOND, State, Tables, is_in, now
from .claims import Claimed, Result, apart, claimed
from .leases import LeaseLost


class Protocol:
    """The statements of one worker.

    :param owner: a random name, which no other worker has had.
    """

    def __init__(self, tables: Tables, owner: str) -> None:
        self._tables = tables
        self._queue, self._worker, self._try = tables.queue, tables.worker, tables.attempt
        self._pause = tables.pause
        self._owner = owner

    def claim(
        self, connection: Connection, mailer: str, most: int, only: int | None = None
    ) -> list[Claimed]:
        """Reserve up to `most` rows that are due, and return them in order.

        :param only: the id of the only row to reserve, also if it is not due, or is paused.
        :raises LeaseLost: this worker was taken for dead, so that its rows would never be released.
        """
        worker, queue = self._worker, self._queue
        # In the order in which `reap` locks them.
        alive = select(worker.c.owner).where(worker.c.owner == self._owner)
        if connection.execute(alive.with_for_update(read=True)).first() is None:
            raise LeaseLost
        paused = exists().where(self._pause.c.mailer.in_([mailer, ALL_MAILERS]))
        wanted = (queue.c.due_at <= now()) & ~paused if only is None else queue.c.id == only
        # Two statements: PostgreSQL may run the subquery of UPDATE ... WHERE id IN (SELECT ...
        # LIMIT n FOR UPDATE SKIP LOCKED) again, and so update more than n rows.
        due = (
            select(
                *(queue.c.id, queue.c.claims, queue.c.attempts, queue.c.losses, queue.c.record),
                *(queue.c.trace, queue.c.files),
                (now() - queue.c.created_at).label("age"),
                (queue.c.expires_at - now()).label("remaining"),
                (queue.c.repeat_until - now()).label("repeatable"),
            )
            .where(
                is_in(queue.c.state, State.QUEUED),
                queue.c.mailer == mailer,
                or_(queue.c.expires_at.is_(None), queue.c.expires_at > now()),
                wanted,
            )
            .order_by(queue.c.priority, queue.c.due_at, queue.c.id)
        )
        rows = apart(locked(connection, due, queue.c.id, most))
        if rows:
            connection.execute(
                update(queue)
                .where(queue.c.id.in_([row.id for row in rows]))
                .values(state=State.CLAIMED.value, owner=self._owner, claims=queue.c.claims + 1)
            )
        return [claimed(row) for row in rows]

    def release(self, connection: Connection) -> None:
        """Release all rows that this worker has claimed, after a claim whose commit is in doubt."""
        queue = self._queue
        released = update(queue).values(state=State.QUEUED.value, owner=None)
        mine = (queue.c.owner == self._owner) & is_in(queue.c.state, State.CLAIMED)
        updated_ids(connection, released, mine, skip_locked=True)

    def exchange(
        self,
        connection: Connection,
        results: Sequence[Result],
        rows: Sequence[Claimed],
        *,
        again: bool,
        repeatable: float | None = None,
    ) -> tuple[set[int], set[int]]:
        """Record results and mark the next rows; return the ids of the recorded and the marked.

        :param again: True if a commit of the same call is in doubt.
        :param repeatable: see :meth:`mark`.
        """
        recorded = self.record(connection, results)
        if again:
            recorded |= self._found(connection, results)
        return recorded, self.mark(connection, rows, again=again, repeatable=repeatable)

    def _found(self, connection: Connection, results: Sequence[Result]) -> set[int]:
        """Return the ids of rows that have the state that was to be recorded for their claim.

        Those that do not exist any more were recorded: only finished rows are deleted.
        """
        queue = self._queue
        found = select(queue.c.id, queue.c.claims, queue.c.state).where(
            queue.c.id.in_([each.row.id for each in results])
        )
        left = {row.id: (row.claims, row.state) for row in connection.execute(found)}
        recorded = {each.row.id: (each.row.claims, each.state.value) for each in results}
        return {number for number, each in recorded.items() if left.get(number, each) == each}

    def mark(
        self,
        connection: Connection,
        rows: Sequence[Claimed],
        *,
        again: bool = False,
        repeatable: float | None = None,
    ) -> set[int]:
        """Mark rows as about to be sent, and return the ids of those that were marked.

        The others are not claimed any more, or their mailer is paused.

        :param again: True if they may have been marked by a commit that is in doubt.
        :param repeatable: seconds for which the peer recognizes the keys of these messages, from
            their first attempt; ``None`` if it does not.
        """
        if not rows:
            return set()
        queue = self._queue
        before = HELD if again else (State.CLAIMED,)
        pause = self._pause
        until: Any = None
        if repeatable is not None:
            until = func.coalesce(queue.c.repeat_until, now() + round(repeatable * SECOND))
        is_paused = exists().where(pause.c.mailer.in_([queue.c.mailer, ALL_MAILERS]))
        mine = and_(
            *(self._fence(rows), queue.c.owner == self._owner, is_in(queue.c.state, *before)),
            ~is_paused.correlate(queue),
        )
        marked = update(queue).values(state=State.SENDING.value, repeat_until=until)
        return updated_ids(connection, marked, mine)

    def record(self, connection: Connection, results: Sequence[Result]) -> set[int]:
        """Record results, and return the ids of the rows that were changed.

        A worker that was taken for dead may still turn unknown into sent, and change nothing else.
        """
        sent = [each for each in results if each.state is State.SENT]
        found = self._record_sent(connection, sent) if sent else set()
        for each in results:
            if each.state is not State.SENT:
                found |= self._record_other(connection, each)
        return found

    def _record_sent(self, connection: Connection, results: Sequence[Result]) -> set[int]:
        queue = self._queue
        was_sending = is_in(queue.c.state, State.SENDING)
        responses = {each.row.id: each.response for each in results}
        # One statement for all, which wipes their content too.
        recorded = (
            update(queue)
            # In this order: MariaDB computes a value from those that were set before it.
            .ordered_values(
                (queue.c.attempts, queue.c.attempts + case((was_sending, 1), else_=0)),
                (queue.c.state, State.SENT.value),
                (queue.c.response, case(responses, value=queue.c.id)),
                (queue.c.error, ""),
                (queue.c.record, self._remains(results)),
                (queue.c.files, self._files(results)),
                (queue.c.owner, None),
                (queue.c.finished_at, now()),
                (queue.c.repeat_until, None),
                (queue.c.peer_id, self._peer_ids(results)),
            )
        )
        mine = self._fence([each.row for each in results]) & or_(
            is_in(queue.c.state, State.SENDING), is_in(queue.c.state, State.UNKNOWN)
        )
        found = updated_ids(connection, recorded, mine)
        if bundles := {each.row.files for each in results} - {None}:
            wipe_unused(connection, self._tables, bundles)
        return found

    def _files(self, results: Sequence[Result]) -> Any:
        files = self._queue.c.files
        kept = {each.row.id: files for each in results if each.remains == WHOLE}
        return case(kept, value=self._queue.c.id) if kept else None

    def _peer_ids(self, results: Sequence[Result]) -> Any:
        given = {each.row.id: literal(each.peer_id) for each in results if each.peer_id is not None}
        return case(given, value=self._queue.c.id) if given else None

    def _remains(self, results: Sequence[Result]) -> Any:
        if all(each.remains is None for each in results):
            return None
        queue = self._queue
        kept = {
            each.row.id: queue.c.record if each.remains == WHOLE else each.remains
            for each in results
        }
        # What was deleted meanwhile, such as by `flask mail queue forget`, does not come back.
        return case((queue.c.record.is_not(None), case(kept, value=queue.c.id)))

    def _record_other(self, connection: Connection, result: Result) -> set[int]:
        queue = self._queue
        again = result.state is State.QUEUED
        values: dict[str, Any] = {
            "state": result.state.value,
            "response": result.response,
            "error": result.error[:80],
            "owner": None,
            "finished_at": None if again else now(),
        }
        if again:
            values["due_at"] = now() + round(result.delay * SECOND)
        else:
            values["peer_id"] = result.peer_id
        if not result.repeats:
            values["repeat_until"] = None
        if result.counted:
            values["attempts"] = queue.c.attempts + 1
        mine = and_(
            *(self._fence([result.row]), queue.c.owner == self._owner),
            is_in(queue.c.state, *HELD),
        )
        found = updated_ids(connection, update(queue).values(**values), mine)
        if found:
            connection.execute(
                insert(self._try).values(
                    queue_id=result.row.id,
                    claims=result.row.claims,
                    at=now(),
                    outcome=result.state.value,
                    response=result.response,
                    error=result.error[:80],
                    owner=self._owner,
                )
            )
        return found

    def give_back(self, connection: Connection, rows: Collection[Claimed]) -> None:
        """Release rows that were not given to the mailer, as if they had not been claimed."""
        if not rows:
            return
        queue = self._queue
        connection.execute(
            update(queue)
            .where(self._fence(rows), queue.c.owner == self._owner, is_in(queue.c.state, *HELD))
            .values(state=State.QUEUED.value, owner=None, repeat_until=self._repeatable(rows))
        )

    def _repeatable(self, rows: Collection[Claimed]) -> Any:
        """Return the value of `repeat_until` before the rows were marked."""
        queue = self._queue
        before = [row.id for row in rows if row.repeatable is not None]
        return case((queue.c.id.in_(before), queue.c.repeat_until)) if before else None

    def _fence(self, rows: Collection[Claimed]) -> Any:
        queue = self._queue
        claims = tuple_(queue.c.id, queue.c.claims).in_([(row.id, row.claims) for row in rows])
        # The ids too: SQLite uses no index for the pairs, and would read all rows.
        return queue.c.id.in_([row.id for row in rows]) & claims
