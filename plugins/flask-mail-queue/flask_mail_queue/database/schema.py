"""The tables of the queue."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from . import mariadb

SECOND: Final = 1_000_000
"""Times are stored in microseconds since 1970, by the clock of the database."""

# SQLite makes ids of no other type by itself.
_Id = BigInteger().with_variant(Integer, "sqlite")
# A BLOB of MariaDB has 64 KiB at most.
_Content = LargeBinary().with_variant(mysql.LONGBLOB(), *mariadb.NAMES)
# MariaDB compares text without regard to case, accents and spaces at the end by default.
_EXACT: Final[dict[str, Any]] = {
    f"{dialect}_{option}": value
    for dialect in mariadb.NAMES
    for option, value in (
        ("engine", "InnoDB"),
        ("charset", "utf8mb4"),
        ("collate", "utf8mb4_nopad_bin"),
    )
}
# Of the keys of an index, which have 3,072 octets at most there.
_LENGTH: Final[dict[str, Any]] = {f"{dialect}_length": 255 for dialect in mariadb.NAMES}


class State(str, Enum):
    """State of a row."""

    QUEUED = "queued"
    """Due now or later."""
    CLAIMED = "claimed"
    """A worker has reserved it, and has not begun to send it."""
    SENDING = "sending"
    """A worker may have given it to the mailer."""
    SENT = "sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """It may have been accepted: only a person may send it again."""
    FAILED = "failed"
    """Not sent, and not tried any more."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    __str__ = str.__str__


SUPPRESSION: Final = "mail_suppression"
"""The name of the table of suppressed addresses, which the queues of a database share."""
ALL_MAILERS: Final = ""
"""Stands for all mailers in the table of those that are paused."""
HELD: Final = (State.CLAIMED, State.SENDING)
FINISHED: Final = tuple(each for each in State if each not in (State.QUEUED, *HELD))


def is_in(column: Any, *states: State) -> Any:
    """Return the condition that a column has one of these states."""
    # Literals, so that partial indexes are used whatever the parameters are.
    values: list[Any] = [literal_column(f"'{each.value}'") for each in states]
    return column == values[0] if len(values) == 1 else column.in_(values)


class now(FunctionElement[int]):  # noqa: N801 (named as a function of SQL)
    """The time of the database, in microseconds."""

    type = BigInteger()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_of_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"


@compiles(now, "postgresql")
def _now_of_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    # Not clock_timestamp(), which changes within a statement, so that no index can be used.
    return "CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS BIGINT)"


@compiles(now, "mariadb")
@compiles(now, "mysql")
def _now_of_mariadb(element: Any, compiler: Any, **kwargs: Any) -> str:
    # Not UNIX_TIMESTAMP(NOW(6)), which repeats an hour when the summer of the time zone ends.
    return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"


class Tables:
    """The tables of one queue in `metadata`.

    :param name: the name of the table of messages, with which the others begin.
    """

    def __init__(self, metadata: MetaData, name: str = "mail_queue") -> None:
        self.name = name
        if name not in metadata.tables:
            _define(metadata, name)
        if SUPPRESSION not in metadata.tables:
            _define_suppression(metadata)
        self.queue = metadata.tables[name]
        self.worker = metadata.tables[f"{name}_worker"]
        self.attempt = metadata.tables[f"{name}_try"]
        self.pause = metadata.tables[f"{name}_pause"]
        self.event = metadata.tables[f"{name}_event"]
        self.file = metadata.tables[f"{name}_file"]
        self.suppression = metadata.tables[SUPPRESSION]

    @property
    def all(self) -> list[Table]:
        return [
            *(self.queue, self.worker, self.attempt, self.pause),
            *(self.event, self.file, self.suppression),
        ]


def _define(metadata: MetaData, name: str) -> None:
    # Columns of later versions are nullable or have a default of the server: `Store.create` adds
    # them to tables that have rows.
    queue = Table(
        name,
        metadata,
        Column("id", _Id, primary_key=True),
        Column("mailer", String(64), nullable=False),
        Column("state", String(10), nullable=False),
        Column("priority", SmallInteger, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("due_at", BigInteger, nullable=False),
        Column("expires_at", BigInteger),
        Column("attempts", Integer, nullable=False),
        # Increases with each claim. A worker that lost a row cannot change it any more.
        Column("claims", Integer, nullable=False),
        # How often the worker that had claimed it died.
        Column("losses", Integer, nullable=False),
        Column("owner", String(40)),
        Column("key", String(255)),
        Column("message_id", String(998), nullable=False),
        Column("recipients", Integer, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("record", _Content),
        Column("response", String(500), nullable=False),
        Column("error", String(80), nullable=False),
        Column("finished_at", BigInteger),
        # The span that stored the message (W3C Trace Context), to which that of a worker is linked.
        Column("trace", String(55)),
        # Set while it may have been accepted by a peer that recognizes its key: the time until
        # which it may be sent to that peer again.
        Column("repeat_until", BigInteger),
        # The name of the peer for the message, and the kind of its last event.
        Column("peer_id", String(255)),
        Column("reported", String(12)),
        # The bundle with the large attachments, which rows of one transaction may share.
        Column("files", String(32)),
        UniqueConstraint("mailer", "key", name=f"uq_{name}_key"),
        # The id of a row that was deleted must not mean another message.
        sqlite_autoincrement=True,
        **_EXACT,
    )
    is_queued, is_held = is_in(queue.c.state, State.QUEUED), is_in(queue.c.state, *HELD)
    Index(
        f"ix_{name}_due",
        # First, as MariaDB has no partial indexes.
        queue.c.state,
        queue.c.due_at,
        queue.c.id,
        sqlite_where=is_queued,
        postgresql_where=is_queued,
    )
    Index(f"ix_{name}_owner", queue.c.owner, sqlite_where=is_held, postgresql_where=is_held)
    Index(f"ix_{name}_finished", queue.c.state, queue.c.finished_at)
    Index(f"ix_{name}_message_id", queue.c.message_id, **_LENGTH)
    Index(f"ix_{name}_peer_id", queue.c.peer_id)
    has_files = queue.c.files.is_not(None)
    Index(
        f"ix_{name}_files",
        queue.c.files,
        sqlite_where=has_files,
        postgresql_where=has_files,
    )
    # The lease is one row of the worker, not a column of its messages: renewing them would
    # deadlock with the updates of the messages.
    Table(
        f"{name}_worker",
        metadata,
        Column("owner", String(40), primary_key=True),
        Column("host", String(255), nullable=False),
        Column("pid", Integer, nullable=False),
        Column("until", BigInteger, nullable=False),
        **_EXACT,
    )
    Table(
        f"{name}_pause",
        metadata,
        Column("mailer", String(64), primary_key=True),
        Column("since", BigInteger, nullable=False),
        **_EXACT,
    )
    Table(
        f"{name}_try",
        metadata,
        Column("queue_id", _Id, ForeignKey(queue.c.id, ondelete="CASCADE"), primary_key=True),
        Column("claims", Integer, primary_key=True),
        Column("at", BigInteger, nullable=False),
        Column("outcome", String(10), nullable=False),
        Column("response", String(500), nullable=False),
        Column("error", String(80), nullable=False),
        Column("owner", String(40), nullable=False),
        **_EXACT,
    )
    # Pieces, as drivers and servers limit the size of a value, and copy it several times.
    Table(
        f"{name}_file",
        metadata,
        Column("bundle", String(32), primary_key=True),
        Column("n", Integer, primary_key=True, autoincrement=False),
        Column("data", LargeBinary(256 * 1024), nullable=False),
        **_EXACT,
    )
    # The ids of events, as services may send one several times.
    Table(
        f"{name}_event",
        metadata,
        Column("id", String(64), primary_key=True),
        Column("mailer", String(64), nullable=False),
        Column("kind", String(12), nullable=False),
        Column("at", BigInteger, nullable=False, index=True),
        **_EXACT,
    )


def _define_suppression(metadata: MetaData) -> None:
    Table(
        SUPPRESSION,
        metadata,
        # In plain: a keyed digest would be lost with its key, and mail be sent to them again.
        Column("address", String(320), primary_key=True),
        Column("scope", String(255), primary_key=True),
        Column("reason", String(12), primary_key=True),
        Column("since", BigInteger, nullable=False),
        Column("until", BigInteger),
        Column("source", String(64), nullable=False),
        **_EXACT,
    )
