"""The rows of a queue as the inbox and the commands of Flask-Mail show them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import SQLAlchemyError

from flask_mail import MailError
from flask_mail.backends import (
    ConfigurationError,
    DeliveryEvent,
    Envelope,
    ProbeStep,
    QueuedMessage,
    StoredMessage,
)

from .database import changes, queries
from .database.contents import recipients_of
from .database.schema import FINISHED, SECOND, State
from .database.store import describe_failure

if TYPE_CHECKING:
    from .backend import QueueBackend

_MOST: Final = 200
_UNSENT: Final = [each.value for each in State if each is not State.SENT]
_LATEST: Final = 253_370_764_800  # in the year 9999


def backlog_of(queue: QueueBackend) -> list[QueuedMessage]:
    """Return the messages of a queue that were not sent, the newest first, up to 200.

    :raises ConfigurationError: the database fails, or is not set.
    """
    with _explained(), queue.store.begin() as connection:
        rows = queries.unsent(connection, queue.store.tables, queue.target, _UNSENT, _MOST)
    # Unique among the queues of an app; the identity contains a password.
    place = sha256("\0".join(queue.store.identity).encode()).hexdigest()[:12]
    return [_shown(queue, place, each) for each in rows]


def tried(queue: QueueBackend) -> ProbeStep:
    """Return a step of `flask mail check`: the tables in the database of a queue."""
    try:
        missing = queue.store.missing()
    except SQLAlchemyError as error:
        return ProbeStep("tables", "failed", f"the database fails ({describe_failure(error)})")
    if missing:
        names = ", ".join(missing)
        return ProbeStep("tables", "failed", f"{names} missing: run `flask mail queue create`")
    return ProbeStep("tables", "ok", queue.store.tables.name)


def last_events_of(queue: QueueBackend) -> list[DeliveryEvent]:
    """Return the newest event of each mailer within seven days, at the time when it came.

    :raises ConfigurationError: the database fails, or is not set.
    """
    table = queue.store.tables.event
    newest = select(table.c.mailer, func.max(table.c.at).label("at")).group_by(table.c.mailer)
    last = newest.subquery()
    is_last = (table.c.mailer == last.c.mailer) & (table.c.at == last.c.at)
    with _explained(), queue.store.reading() as connection:
        rows = connection.execute(select(table).join(last, is_last)).all()
    return [
        DeliveryEvent(row.kind, moment(row.at / SECOND), row.id, mailer=row.mailer) for row in rows
    ]


def moment(seconds: float) -> datetime:
    """Return a time of a row, which other programs may have set, as a datetime."""
    return datetime.fromtimestamp(min(max(seconds, 0), _LATEST), timezone.utc)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise ConfigurationError(
            f"The database of the queue fails ({describe_failure(error)}): does it respond, and"
            " has `flask mail queue create` been run?"
        ) from None


def _shown(queue: QueueBackend, place: str, row: RowMapping) -> QueuedMessage:
    state = State(row["state"])
    has_ended = state in FINISHED
    seconds = (row["finished_at"] if has_ended else row["due_at"]) / SECOND
    is_unknown = state is State.UNKNOWN
    can_retry = has_ended and row["has_content"]
    return QueuedMessage(
        id=f"{place}-{row['id']}",
        name=str(row["id"]),
        state=state.value,
        is_waiting=not has_ended,
        date=moment(seconds),
        read=partial(_read, queue, row["id"]),
        mailer=row["mailer"],
        attempts=row["attempts"],
        reason=": ".join(filter(None, (row["error"], row["response"]))),
        retry=partial(_retry, queue, row["id"], is_unknown) if can_retry else None,
        may_arrive_twice=is_unknown,
        cancel=partial(_cancel, queue, row["id"]) if state is State.QUEUED else None,
    )


def _read(queue: QueueBackend, number: int) -> StoredMessage | None:
    with queue.store.begin() as connection:
        row = queries.row(connection, queue.store.tables, number)
    if row is None:
        return None
    if row["record"] is None:
        return StoredMessage(b"", error="The content was deleted.", size=row["size"])
    try:
        return _message(queue, row)
    except ConfigurationError as error:
        problem = str(error)
    except (ValueError, MailError) as error:
        problem = f"The row cannot be read: {type(error).__name__}."
    return StoredMessage(b"", error=problem, size=row["size"])


def _message(queue: QueueBackend, row: Any) -> StoredMessage:
    kept = recipients_of(queue.contents.read(row["record"]))
    if kept is not None:
        envelope = Envelope("", tuple(kept))
        return StoredMessage(b"", envelope, size=row["size"], error="The content was deleted.")
    mail = queue.contents.mail_of(row["record"])
    return StoredMessage(
        mail.content, mail.envelope, mail.tags, mail.metadata, row["size"], mailer=row["mailer"]
    )


def _retry(queue: QueueBackend, number: int, may_arrive_twice: bool) -> bool:
    with queue.store.begin() as connection:
        tables = queue.store.tables
        done = changes.retry(connection, tables, [number], may_arrive_twice=may_arrive_twice)
    return bool(done)


def _cancel(queue: QueueBackend, number: int) -> bool:
    with queue.store.begin() as connection:
        return bool(changes.cancel(connection, queue.store.tables, [number]))
