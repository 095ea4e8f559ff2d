"""Outgoing messages as JSON, for queues."""

from __future__ import annotations

import base64
from itertools import zip_longest
from typing import Any, Final

from ..errors import MessageError
from ..message.attachment_records import Load, Store, loaded
from ..message.exact import is_exact
from ..message.fields import frozen
from ..message.json_values import VERSION, checked, octets_of, values_of
from ..message.message import Message
from ..message.serialize import ENVELOPE, envelope_of
from ..mime.checks import check_text
from ..mime.content import Base64, Content
from ..receipt import Refusal
from ..util.files import DataSource
from . import envelope
from .outgoing import Outgoing, canonical

_FIELDS: Final[dict[str, Any]] = {
    "envelope": ENVELOPE,
    "message_id": str,
    "mailer": str,
    "withheld": {str: [int, str, str]},
    "routed_by": [[str, str]],
    "message": dict,
    "content": (str, [(str, {"stored": str})]),
}
_OPTIONAL: Final = {"content", "routed_by"}


class _Stored:
    """Data that was stored apart from a record, by its name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._data: dict[str, bytes | DataSource] = {}

    def store(self, data: bytes | DataSource) -> str | None:
        name = self._store(data)
        if name is not None:
            self._data[name] = data
        return name

    def load(self, name: str) -> bytes | DataSource:
        return self._data[name]


def to_record(mail: Outgoing, *, files: bool, store: Store | None = None) -> dict[str, Any]:
    """Return the record of :meth:`Outgoing.to_dict`."""
    given = {name: getattr(mail.envelope, name) for name in ENVELOPE}
    stored = None if store is None else _Stored(store)
    written = {} if stored is None else {"store": stored.store}
    record: dict[str, Any] = {
        "version": VERSION,
        "envelope": checked(given, ENVELOPE, "envelope"),
        "message_id": mail.message_id,
        "mailer": mail.mailer,
        "withheld": checked(frozen(mail.withheld), _FIELDS["withheld"], "withheld"),
        "message": mail.message.to_dict(files=files, **written),
    }
    if mail.routed_by:
        record["routed_by"] = sorted(map(list, mail.routed_by))
    message = mail.message
    if not is_exact(message):
        load = None if stored is None else stored.load
        message = Message.from_dict(record["message"], files=files, load=load)
    if not _are_equal(mail.with_octets(message.content_to_send()), mail):
        record["content"] = _content_record(mail, store)
    return record


def _are_equal(one: Outgoing, other: Outgoing) -> bool:
    # Equal pieces need not be encoded.
    pieces = getattr(one.octets, "pieces", None)
    if pieces is not None and pieces == getattr(other.octets, "pieces", None):
        return True
    return all(block == given for block, given in zip_longest(one.blocks(), other.blocks()))


def _content_record(mail: Outgoing, store: Store | None) -> Any:
    octets = mail.octets
    if store is None or not isinstance(octets, Content):
        return _base64(mail.content)
    return [_piece_record(each, store) for each in octets.pieces]


def _piece_record(piece: bytes | Base64, store: Store) -> Any:
    name = None if isinstance(piece, bytes) else store(piece.data)
    return _base64(bytes(piece)) if name is None else {"stored": name}


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def read_record(record: object, *, files: bool, load: Load | None = None) -> dict[str, Any]:
    """Return the arguments of :class:`Outgoing`; see :meth:`Outgoing.from_dict`."""
    parts = values_of(record, _FIELDS)
    if missing := _FIELDS.keys() - parts.keys() - _OPTIONAL:
        raise MessageError(f"The record of an Outgoing needs the field {min(missing)!r}.")
    check_text(parts["message_id"], "message ID")
    message = parts["message"] = Message.from_dict(parts["message"], files=files, load=load)
    if "content" in parts:
        parts["content"] = _read_content(parts["content"], load)
    else:
        parts["content"] = message.content_to_send()
    parts["envelope"] = envelope.checked(envelope_of(parts["envelope"]))
    parts["withheld"] = {name: Refusal(*each) for name, each in parts["withheld"].items()}
    parts["routed_by"] = frozenset(map(tuple, parts.get("routed_by", ())))
    return parts


def _read_content(content: Any, load: Load | None) -> bytes | Content:
    if isinstance(content, str):
        return canonical(octets_of(content))
    return Content(_read_piece(each, load) for each in content)


def _read_piece(piece: Any, load: Load | None) -> bytes | Base64:
    if isinstance(piece, str):
        return canonical(octets_of(piece))
    return Base64(loaded(piece["stored"], load))
