"""Events of mail services: the rows and addresses that they concern."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress as ignoring
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.engine import Connection

from flask_mail import DeliveryEvent, EventKind, MailError

from ..backend import QueueBackend
from ..database import changes
from ..database.contents import Contents
from ..database.records import without_addresses
from ..database.schema import SECOND, State, Tables, is_in, now
from ..queues import contents_of
from . import suppression_list
from .suppression_list import Reason

_REMEMBERED: Final = 7 * 86400
_MAX_NAME: Final = 64
_MAX_TEXT: Final = 998
_MAX_ADDRESS: Final = 320
# What can only happen to a message that the service has accepted.
_ACCEPTED: Final = frozenset(
    {
        *(EventKind.DELIVERED, EventKind.DELAYED, EventKind.BOUNCED),
        *(EventKind.COMPLAINED, EventKind.UNSUBSCRIBED),
    }
)


def is_new(connection: Connection, tables: Tables, event: DeliveryEvent) -> bool:
    """Remember the id of an event; return False if it came before, within seven days."""
    table = tables.event
    about = f"{event.mailer}\n{event.id}".encode("utf-8", "backslashreplace")
    key = sha256(about).hexdigest()
    if connection.execute(select(table.c.id).where(table.c.id == key)).first() is not None:
        return False
    # If another process inserts it now, this fails, and the service sends the event again.
    values = {"id": key, "mailer": event.mailer[:_MAX_NAME], "kind": event.kind.value}
    connection.execute(insert(table).values(at=now(), **values))
    return True


def forget_old(connection: Connection, tables: Tables) -> None:
    """Delete the ids of events after seven days."""
    table = tables.event
    connection.execute(delete(table).where(table.c.at < now() - _REMEMBERED * SECOND))


def settle(
    connection: Connection, queues: Sequence[QueueBackend], event: DeliveryEvent
) -> tuple[int, State] | None:
    """Note an event in the row of its message, and end that if its outcome was unknown.

    Return its id and its state if it was ended.
    """
    tables = queues[0].store.tables
    row = _row_of(connection, tables, event)
    if row is None or event.kind is EventKind.OTHER:
        return None
    queue = tables.queue
    # Not if the row was not sent: another message has the same Message-ID.
    may_be_sent = or_(
        ~is_in(queue.c.state, State.QUEUED, State.CLAIMED), queue.c.repeat_until.is_not(None)
    )
    # What settles nothing does not replace what may settle it later.
    if row.reported is None or _state_of(event.kind, row.recipients) is not None:
        noted = update(queue).where(queue.c.id == row.id, may_be_sent)
        connection.execute(noted.values(reported=event.kind.value))
    text = event.response or event.reason
    return _ended(connection, tables, row, contents_of(queues, row.mailer), event.kind, text)


def settle_earlier(
    connection: Connection, queues: Sequence[QueueBackend]
) -> list[tuple[int, State]]:
    """End the rows of unknown outcome whose event came before, and return them as `settle` does.

    The worker that sent such a message has died, or got no reply, after the event.
    """
    tables = queues[0].store.tables
    queue = tables.queue
    settles = (queue.c.reported != EventKind.REFUSED.value) | (queue.c.recipients == 1)
    noted = queue.c.reported.is_not(None)
    found = _rows(queue).where(is_in(queue.c.state, State.UNKNOWN), noted, settles)
    ended = []
    for row in connection.execute(found.limit(500)).all():
        contents, kind = contents_of(queues, row.mailer), EventKind(row.reported)
        ended.append(_ended(connection, tables, row, contents, kind, ""))
    return [each for each in ended if each is not None]


def suppress(connection: Connection, tables: Tables, event: DeliveryEvent) -> None:
    """Add the recipient of an event to the suppression list, if it should get no more mail."""
    reason = {
        EventKind.BOUNCED: Reason.BOUNCE if event.permanent else None,
        EventKind.COMPLAINED: Reason.COMPLAINT,
        EventKind.UNSUBSCRIBED: Reason.UNSUBSCRIBED,
    }.get(event.kind)
    if reason is not None and _is_text(event.recipient, _MAX_ADDRESS):
        source = event.mailer[:_MAX_NAME]
        suppression_list.add(connection, tables, event.recipient, reason, source=source)


def _ended(
    connection: Connection,
    tables: Tables,
    row: Any,
    contents: Contents,
    kind: EventKind,
    text: str,
) -> tuple[int, State] | None:
    state = _state_of(kind, row.recipients)
    if state is None:
        return None
    mail = None
    with ignoring(ValueError, MailError):  # its content was deleted, or cannot be read
        mail = contents.mail_of(row.record)
    is_done = changes.settle(
        connection,
        tables,
        row.id,
        state,
        contents.remains_of(row.record, state),
        response=without_addresses(f"{kind.value}: {text}".rstrip(": "), mail),
    )
    return (row.id, state) if is_done else None


def _state_of(kind: EventKind, recipients: int) -> State | None:
    if kind is EventKind.REFUSED:
        # Of several, the service may have refused one, or all of them.
        return State.REFUSED if recipients == 1 else None
    return State.SENT if kind in _ACCEPTED else None


def _row_of(connection: Connection, tables: Tables, event: DeliveryEvent) -> Any:
    """Return the row of an event; ``None`` if there is none, or it may be that of several rows."""
    queue = tables.queue
    for column, name in ((queue.c.peer_id, event.peer_id), (queue.c.message_id, event.message_id)):
        if _is_text(name, _MAX_TEXT):
            rows = connection.execute(_rows(queue).where(column == name).limit(2)).all()
            if len(rows) == 1:
                return rows[0]
    return None


def _rows(queue: Any) -> Any:
    return select(
        *(queue.c.id, queue.c.mailer, queue.c.recipients, queue.c.record, queue.c.reported)
    )


def _is_text(value: str, most: int) -> bool:
    """Return True for text that every database can store."""
    return 0 < len(value) <= most and value.isprintable()
