"""The statement that stores rows, in the dialect of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from .schema import State, Tables, now

_GIVEN: Final = (
    *("mailer", "priority", "key", "message_id", "recipients", "size", "record"),
    *("files", "trace"),
)
# By these, a key that exists already is no error: it would end a transaction of PostgreSQL.
_IGNORING: Final[Mapping[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Insertion:
    """Stores rows of :func:`records.row_of`.

    :param dialect: the name of the dialect of SQLAlchemy.
    """

    def __init__(self, tables: Tables, dialect: str) -> None:
        self._queue = tables.queue
        self._ignores = dialect in _IGNORING
        self._statement = self._made(_IGNORING.get(dialect, insert))

    def _made(self, into: Any) -> Any:
        queue = self._queue
        delay = bindparam("delay", type_=BigInteger)
        statement = into(queue).values(
            state=State.QUEUED.value,
            created_at=now(),
            # Computed by the database, whose clock is the only one that counts.
            due_at=func.coalesce(bindparam("given_at", type_=BigInteger), now() + delay),
            expires_at=now() + bindparam("lifetime", type_=BigInteger),
            attempts=0,
            claims=0,
            losses=0,
            response="",
            error="",
            **{name: bindparam(name) for name in _GIVEN},
        )
        if self._ignores:
            statement = statement.on_conflict_do_nothing(index_elements=["mailer", "key"])
        return statement.returning(queue.c.id, queue.c.message_id, queue.c.key)

    def one(self, connection: Connection, row: dict[str, Any]) -> tuple[int, bool]:
        """Store a row. Return its id and True, or the id of the row with the same key and False."""
        # No savepoint: sqlite3 would commit the transaction when it is released.
        try:
            number = connection.execute(self._statement, row).scalar()
        except IntegrityError:
            # MariaDB takes back this statement, and nothing else. INSERT IGNORE would cut values
            # that are too long.
            if self._ignores or row["key"] is None:
                raise
            number = None
        if number is not None:
            return number, True
        queue = self._queue
        same = select(queue.c.id).where(queue.c.mailer == row["mailer"], queue.c.key == row["key"])
        # Locked, since the transaction of the program may not see rows that are newer than itself.
        found = connection.execute(same if self._ignores else same.with_for_update(read=True))
        return found.scalar_one(), False

    def many(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> list[int | None]:
        """Store rows in one statement, and return their ids, in order.

        That of a row whose key exists already is ``None``.

        :raises IntegrityError: a key has been stored meanwhile. No row was stored.
        """
        new = rows if self._ignores else self._without_known(connection, rows)
        ids: dict[object, list[int]] = {}
        # A database need not return them in order, except that ids increase.
        for row in sorted(connection.execute(self._statement, new) if new else ()):
            ids.setdefault((row.message_id, row.key), []).append(row.id)
        found = (ids.get((row["message_id"], row["key"])) for row in rows)
        return [each.pop(0) if each else None for each in found]

    def _without_known(
        self, connection: Connection, rows: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return the rows whose keys neither exist nor come before in the list."""
        queue = self._queue
        named = {(row["mailer"], row["key"]) for row in rows if row["key"] is not None}
        known: set[object] = set()
        if named:
            found = select(queue.c.mailer, queue.c.key).where(
                queue.c.mailer.in_({mailer for mailer, _ in named}),
                queue.c.key.in_({key for _, key in named}),
            )
            known.update(map(tuple, connection.execute(found)))
        new = []
        for row in rows:
            name = row["mailer"], row["key"]
            if name not in known:
                new.append(row)
            if row["key"] is not None:
                known.add(name)
        return new
