"""UPDATE ... RETURNING, also on databases that do not have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Update, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement


def updated(
    connection: Connection,
    statement: Update,
    *columns: ColumnElement[Any],
    skip_locked: bool = False,
) -> Sequence[Any]:
    """Update rows of a table with a column `id`, and return columns of those that were changed.

    The columns have their new values.

    :param skip_locked: leave out rows for which MariaDB would wait.
    """
    if connection.dialect.update_returning:
        return connection.execute(statement.returning(*columns)).all()
    number = statement.table.c.id
    condition: Any = statement.whereclause
    # They are locked, so that the statement changes those that were found.
    found = list(
        connection.scalars(select(number).where(condition).with_for_update(skip_locked=skip_locked))
    )
    if not found:
        return []
    connection.execute(statement.where(number.in_(found)))
    return connection.execute(select(*columns).where(number.in_(found))).all()


def updated_ids(
    connection: Connection, statement: Update, *, skip_locked: bool = False
) -> set[int]:
    """Update rows, and return the ids of those that were changed."""
    number = statement.table.c.id
    rows = updated(connection, statement, number, skip_locked=skip_locked)
    return {row.id for row in rows}
