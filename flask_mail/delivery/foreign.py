"""Messages of a program's own classes, with the attributes that 0.10 required."""

from __future__ import annotations

import time
from typing import Any, Final

from ..errors import BadHeaderError, MessageError
from ..message.message import Message
from .envelope import envelope_of
from .outgoing import Outgoing, canonical

_ASKED: Final = ("send_to", "sender", "has_bad_headers", "as_bytes")


class _Fields(Message):
    """The fields of a foreign message that make its envelope."""

    send_to: Any = None


def outgoing_of(
    message: Any, envelope_from: str | tuple[str, str] | None = None, mailer: str = ""
) -> Outgoing:
    """Return :meth:`Outgoing.of` a message that is not a :class:`Message`.

    :raises MessageError: the message is invalid, or not a message.
    """
    missing = [name for name in _ASKED if not hasattr(message, name)]
    if missing:
        raise MessageError(
            f"{type(message).__name__} is not a message: it has no {', '.join(missing)}. Send a"
            " flask_mail.Message."
        )
    fields = _Fields(sender=message.sender)
    for name in ("recipients", "cc", "bcc", "mail_options", "rcpt_options"):
        setattr(fields, name, getattr(message, name, None))
    fields.send_to = set(message.send_to)
    if message.sender and message.has_bad_headers():
        raise BadHeaderError("has_bad_headers() of this message says that a header is bad.")
    envelope = envelope_of(fields, envelope_from)
    if getattr(message, "date", 0) is None:
        message.date = time.time()
    content = canonical(message.as_bytes())
    shown = _shown(content, fields)
    return Outgoing(envelope, content, shown.msgId, shown, mailer=mailer)


def _shown(content: bytes, fields: Message) -> Message:
    """Return a foreign message as backends and the outbox show it, parsed from its content."""
    try:
        shown = Message.from_bytes(content)
    except MessageError:  # parts nested too deeply
        shown = Message()
    for name in ("sender", "recipients", "cc", "bcc"):
        setattr(shown, name, getattr(fields, name))
    return shown
