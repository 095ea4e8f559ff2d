"""The table of suppressed addresses, which get no mail."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Table, bindparam, case, delete, insert, or_, select, update
from sqlalchemy.engine import Connection

from flask_mail import MailError, sanitize_address

from ..database.schema import SECOND, Tables, now

ALL_LISTS: Final = "*"
"""The scope of an entry that applies to all mail, not only to that of one mailing list."""
_AT_ONCE: Final = 500
_MAX_SCOPE: Final = 255


class Reason(str, Enum):
    """Reason of an entry."""

    BOUNCE = "bounce"
    """A permanent bounce."""
    COMPLAINT = "complaint"
    """The recipient marked a message as spam."""
    UNSUBSCRIBED = "unsubscribed"
    """The recipient left a mailing list, or all of them. Essential mail is sent nevertheless."""
    MANUAL = "manual"
    """Added by a command."""

    __str__ = str.__str__


_TEXTS: Final = {Reason.BOUNCE: "hard bounce", Reason.MANUAL: "added by hand"}


@dataclass(frozen=True)
class Entry:
    """An entry of the suppression list."""

    address: str
    scope: str
    reason: Reason
    since: float
    """Seconds since 1970."""
    until: float | None
    source: str

    def applies(self, list_name: str | None, *, essential: bool) -> bool:
        """Return True if a message of a mailing list, or of none, must not be sent to it."""
        if self.scope not in (ALL_LISTS, scope_of(list_name or ALL_LISTS)):
            return False
        return not (essential and self.reason is Reason.UNSUBSCRIBED)

    def __str__(self) -> str:
        day = datetime.fromtimestamp(self.since, timezone.utc).date().isoformat()
        return f"{_TEXTS.get(self.reason, self.reason.value)} on {day}"


def key_of(address: str) -> str:
    """Return an address as the list has it, whose domain is ASCII, in lowercase.

    Local parts differ in case nowhere in practice, and services report them in lowercase.
    """
    with suppress(MailError, UnicodeError):  # a service may report what is not an address
        address = sanitize_address(address)
    return address.rpartition("<")[2].rstrip(">").strip().lower()


def scope_of(list_name: str) -> str:
    """Return the name of a mailing list as the table has it."""
    return list_name[:_MAX_SCOPE]


def find(connection: Connection, tables: Tables, addresses: Collection[str]) -> list[Entry]:
    """Return the current entries of addresses, as :func:`key_of` returns them."""
    wanted = sorted(addresses)
    found: list[Entry] = []
    for first in range(0, len(wanted), _AT_ONCE):
        given = {"addresses": wanted[first : first + _AT_ONCE]}
        found += map(_entry, connection.execute(_current_of(tables.suppression), given))
    return found


@lru_cache(maxsize=8)  # it is run for each message
def _current_of(table: Table) -> Any:
    is_wanted = table.c.address.in_(bindparam("addresses", expanding=True))
    return select(table).where(is_wanted, _is_current(table))


def add(
    connection: Connection,
    tables: Tables,
    address: str,
    reason: Reason,
    *,
    scope: str = ALL_LISTS,
    source: str = "",
    lifetime: float | None = None,
) -> None:
    """Add an address, or renew its entry.

    :param scope: the mailing list to whose mail it applies.
    :param source: the mailer, command or page that it comes from.
    :param lifetime: seconds after which it ends.
    """
    table = tables.suppression
    key = {"address": key_of(address), "scope": scope_of(scope), "reason": reason.value}
    until = None if lifetime is None else now() + round(lifetime * SECOND)
    same = [table.c[name] == value for name, value in key.items()]
    since = case((_is_current(table), table.c.since), else_=now())
    # In this order: MariaDB computes a value from those that were set before it.
    renewed = (
        update(table)
        .where(*same)
        .ordered_values((table.c.since, since), (table.c.until, until), (table.c.source, source))
    )
    if not connection.execute(renewed).rowcount:
        values = {**key, "source": source}
        connection.execute(insert(table).values(since=now(), until=until, **values))


def remove(connection: Connection, tables: Tables, address: str, scope: str | None = None) -> int:
    """Delete the entries of an address, and return their number.

    :param scope: only those of this mailing list.
    """
    table = tables.suppression
    gone = delete(table).where(table.c.address == key_of(address))
    if scope is not None:
        gone = gone.where(table.c.scope == scope_of(scope))
    return connection.execute(gone).rowcount


def listed(
    connection: Connection,
    tables: Tables,
    *,
    address: str | None = None,
    scope: str | None = None,
    reason: str | None = None,
    most: int,
) -> list[Entry]:
    """Return current entries, the newest first."""
    table = tables.suppression
    found = select(table).where(_is_current(table))
    if address is not None:
        found = found.where(table.c.address == key_of(address))
    if scope is not None:
        found = found.where(table.c.scope == scope_of(scope))
    if reason is not None:
        found = found.where(table.c.reason == reason)
    found = found.order_by(table.c.since.desc(), table.c.address).limit(most)
    return list(map(_entry, connection.execute(found)))


def _is_current(table: Any) -> Any:
    return or_(table.c.until.is_(None), table.c.until > now())


def _entry(row: Any) -> Entry:
    until = None if row.until is None else row.until / SECOND
    return Entry(row.address, row.scope, Reason(row.reason), row.since / SECOND, until, row.source)
