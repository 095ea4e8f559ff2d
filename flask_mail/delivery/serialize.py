"""Outgoing messages as JSON, for queues."""

from __future__ import annotations

import base64
from itertools import zip_longest
from typing import Any, Final

from ..errors import MessageError
from ..message.exact import is_exact
from ..message.fields import frozen
from ..message.message import Message
from ..message.serialize import ENVELOPE, VERSION, checked, envelope_of, octets_of, values_of
from ..mime.checks import check_text
from ..receipt import Refusal
from . import envelope
from .outgoing import Outgoing, canonical

_FIELDS: Final[dict[str, Any]] = {
    "envelope": ENVELOPE,
    "message_id": str,
    "mailer": str,
    "withheld": {str: [int, str, str]},
    "message": dict,
    "content": str,
}


def to_record(mail: Outgoing, *, files: bool) -> dict[str, Any]:
    """Return the record of :meth:`Outgoing.to_dict`."""
    given = {name: getattr(mail.envelope, name) for name in ENVELOPE}
    record: dict[str, Any] = {
        "version": VERSION,
        "envelope": checked(given, ENVELOPE, "envelope"),
        "message_id": mail.message_id,
        "mailer": mail.mailer,
        "withheld": checked(frozen(mail.withheld), _FIELDS["withheld"], "withheld"),
        "message": mail.message.to_dict(files=files),
    }
    message = mail.message
    if not is_exact(message):
        message = Message.from_dict(record["message"], files=files)
    again = mail.with_octets(message.content_to_send())
    if any(one != other for one, other in zip_longest(again.blocks(), mail.blocks())):
        record["content"] = base64.b64encode(mail.content).decode()
    return record


def read_record(record: object, *, files: bool) -> dict[str, Any]:
    """Return the arguments of :class:`Outgoing`; see :meth:`Outgoing.from_dict`."""
    parts = values_of(record, _FIELDS)
    if missing := _FIELDS.keys() - parts.keys() - {"content"}:
        raise MessageError(f"The record of an Outgoing needs the field {min(missing)!r}.")
    check_text(parts["message_id"], "message ID")
    message = parts["message"] = Message.from_dict(parts["message"], files=files)
    if "content" in parts:
        parts["content"] = canonical(octets_of(parts["content"]))
    else:
        parts["content"] = message.content_to_send()
    parts["envelope"] = envelope.checked(envelope_of(parts["envelope"]))
    parts["withheld"] = {name: Refusal(*each) for name, each in parts["withheld"].items()}
    return parts
