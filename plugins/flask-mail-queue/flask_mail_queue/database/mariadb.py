"""Errors of MariaDB after which a transaction is not what it was."""

from __future__ import annotations

from typing import Final

NAMES: Final = ("mariadb", "mysql")
"""The names of its dialect: both are for MariaDB."""
OLDEST: Final = (10, 6)
"""The first version with SKIP LOCKED."""

_DEADLOCKS: Final = (1020, 1213)
# A wait that was too long, if innodb_rollback_on_timeout is set; a lock table that is full.
_ROLLED_BACK: Final = (*_DEADLOCKS, 1205, 1206)


def is_deadlock(error: BaseException) -> bool:
    """Return True if the database has ended a transaction so that another one can go on."""
    return _code_of(error) in _DEADLOCKS


def has_rolled_back(error: BaseException) -> bool:
    """Return True if an error may have rolled back the whole transaction.

    The next statement would silently begin another one.
    """
    return _code_of(error) in _ROLLED_BACK


def _code_of(error: BaseException) -> object:
    original = getattr(error, "orig", None) or error
    return next(iter(original.args), None)
