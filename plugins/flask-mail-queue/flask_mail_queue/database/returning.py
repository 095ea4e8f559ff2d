"""Statements that lock rows, or return what they changed, also on databases with less of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, Select, Update, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement

from . import mariadb

_SPARE: Final = 10


def locked(
    connection: Connection, query: Select[Any], key: Column[Any], most: int | None = None
) -> Sequence[Any]:
    """Return rows of a query that no other transaction has locked, and lock them.

    :param key: the first column of the primary key.
    :param most: their number.
    """
    if connection.dialect.name not in mariadb.NAMES:
        return connection.execute(query.limit(most).with_for_update(skip_locked=True)).all()
    # It would lock all rows that it sorts, and entries of the index by which it finds them: others
    # would wait for these. So rows are chosen without a lock. Other workers may choose them too:
    # there are some to spare.
    chosen = query.with_only_columns(key).limit(most and most * _SPARE)
    found = list(connection.scalars(chosen))
    step = most or len(found) or 1
    for first in range(0, len(found), step):
        these = _by_key(query.where(key.in_(found[first : first + step])), key)
        if rows := connection.execute(these.with_for_update(skip_locked=True)).all():
            return rows
    return []


def _by_key(query: Select[Any], key: Column[Any]) -> Select[Any]:
    for dialect in mariadb.NAMES:
        query = query.with_hint(key.table, "FORCE INDEX (PRIMARY)", dialect)
    return query


def updated(
    connection: Connection,
    changes: Update,
    condition: ColumnElement[bool],
    *columns: ColumnElement[Any],
    skip_locked: bool = False,
) -> Sequence[Any]:
    """Update rows of a table with a column `id`, and return columns of those that were changed.

    The columns have their new values.

    :param changes: the statement without a condition.
    :param condition: names the ids, unless `skip_locked` is set.
    :param skip_locked: leave out rows for which MariaDB would wait.
    """
    if connection.dialect.update_returning:
        return connection.execute(changes.where(condition).returning(*columns)).all()
    number: Any = changes.table.c.id
    wanted = select(number).where(condition)
    if skip_locked:
        rows = locked(connection, wanted, number)
    else:
        rows = connection.execute(_by_key(wanted, number).with_for_update()).all()
    if not rows:
        return []
    # Without the condition: what it is about may have changed, except for these rows.
    these = number.in_([row.id for row in rows])
    connection.execute(changes.where(these))
    return connection.execute(select(*columns).where(these)).all()


def updated_ids(
    connection: Connection,
    changes: Update,
    condition: ColumnElement[bool],
    *,
    skip_locked: bool = False,
) -> set[int]:
    """Update rows, and return the ids of those that were changed."""
    number: Any = changes.table.c.id
    rows = updated(connection, changes, condition, number, skip_locked=skip_locked)
    return {row.id for row in rows}
