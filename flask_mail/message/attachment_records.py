"""Attachments in records."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict
from numbers import Number
from typing import Any, Final, TypeAlias

from ..errors import MessageError
from ..util.files import DataSource, FileData
from ..util.text import describe
from .attachment import Attachment, guess_content_type
from .fields import frozen
from .json_values import NAME, PAIRS, TEXT, checked, further_of, octets_of

Store: TypeAlias = Callable[[bytes | DataSource], str | None]
"""Stores data apart from the record, and returns what the record contains instead, or ``None`` to
leave the data in the record."""
Load: TypeAlias = Callable[[str], bytes | DataSource]
"""Returns data that was stored apart from the record."""

_FILE: Final[Any] = {"path": str, "size": int, "mtime_ns": int, "digest": str}
_CONTENTS: Final[dict[str, Any]] = {"text": TEXT, "base64": str, "file": _FILE, "stored": str}
_TEXTS: Final = ("filename", "content_type", "disposition")
_OWN: Final = frozenset({*_TEXTS, "headers", "data"})
_ATTACHMENT: Final[dict[str, Any]] = {
    **dict.fromkeys(_TEXTS, NAME),
    **_CONTENTS,
    "headers": PAIRS,
    "further": dict,
}


def pairs_of(mapping: Mapping[Any, Any]) -> list[list[Any]]:
    """Return the items of a mapping."""
    return [[frozen(each) for each in item] for item in mapping.items()]


def record_of(attachment: Any, files: bool, store: Store | None) -> dict[str, Any]:
    """Return an attachment as JSON types; see :meth:`Message.to_dict`."""
    if not isinstance(attachment, Attachment):
        raise MessageError(f"The attachment {describe(attachment)} is not an Attachment.")
    texts = {name: frozen(getattr(attachment, name)) for name in _TEXTS}
    record = {name: str(each) if isinstance(each, Number) else each for name, each in texts.items()}
    headers: Any = attachment.headers or {}
    record["headers"] = pairs_of(headers) if isinstance(headers, Mapping) else frozen(headers)
    if further := {name: each for name, each in vars(attachment).items() if name not in _OWN}:
        record["further"] = further_of(further, Attachment, _OWN)
    data: Any = attachment.data
    if isinstance(data, (bytearray, memoryview)):
        data = bytes(data)
    is_octets = isinstance(data, (bytes, DataSource))
    if isinstance(data, FileData) and files:
        data.check()
        record["file"] = asdict(data)
    elif is_octets and store is not None and (stored := store(data)) is not None:
        record["stored"] = stored
    elif is_octets:
        record["base64"] = base64.b64encode(bytes(data)).decode("ascii")
    else:
        record["text"] = frozen(data)
    return _checked_attachment(record)


def _checked_attachment(record: dict[str, Any]) -> dict[str, Any]:
    plain = {name: checked(each, _ATTACHMENT.get(name, ()), name) for name, each in record.items()}
    if len(plain.keys() & _CONTENTS.keys()) != 1:
        raise MessageError(
            "An attachment of the record needs one of 'text', 'base64', 'file' and 'stored'."
        )
    return plain


def read_attachment(record: dict[str, Any], files: bool, load: Load | None) -> Attachment:
    """Read an attachment; missing keys have the defaults of `Attachment`."""
    record = _checked_attachment(record)
    data: Any = record.get("text")
    if "base64" in record:
        data = octets_of(record["base64"])
    elif "file" in record:
        if not files:
            raise MessageError(
                "The record names a file to attach. Pass files=True if you trust its author, or"
                " write records without files=True, which contain the content."
            )
        data = FileData(**record["file"])
        data.check()
    elif "stored" in record:
        data = loaded(record["stored"], load)
    attachment = object.__new__(Attachment)
    vars(attachment).update(further_of(record.get("further", {}), Attachment, _OWN))
    attachment.filename = record.get("filename")
    attachment.content_type = record.get("content_type", "")
    if "content_type" not in record:
        attachment.content_type = guess_content_type(attachment.filename, data)
    attachment.disposition = record.get("disposition", "attachment")
    attachment.headers = dict(record.get("headers", ()))
    attachment.data = data
    return attachment


def loaded(stored: str, load: Load | None) -> bytes | DataSource:
    """Return data that was stored apart from the record."""
    if load is None:
        raise MessageError(
            "The record names data that was stored elsewhere: pass the function `load` that reads"
            " it."
        )
    return load(stored)
