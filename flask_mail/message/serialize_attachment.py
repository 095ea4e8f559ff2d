"""Serialization of attachments as JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from numbers import Number
from typing import Any

from ..errors import MessageError
from ..util.files import FileData
from ..util.text import describe
from .attachment import Attachment
from .fields import frozen
from .serialize_values import check_kind, check_list, json_of, pairs_of, table_of

_NONE = type(None)
_NUMBER = (int, float, bool)
_TEXTS = ("filename", "content_type", "disposition")
_CONTENTS = ("text", "base64", "file")
_OWN = frozenset({*_TEXTS, "headers", "data"})
_KEYS = frozenset({*_TEXTS, *_CONTENTS, "headers", "further"})
_FILE: Mapping[str, tuple[type, ...]] = {
    "path": (str,),
    "size": (int,),
    "mtime_ns": (int,),
    "digest": (str,),
}


def enclosure_of(attachment: Any, *, files: bool) -> dict[str, Any]:
    """Return an attachment as JSON types.

    :param files: store the path of a file that was attached by path, not its content.
    :raises MessageError: it is not an :class:`Attachment`, a value has no JSON type, or its file is
        missing or has changed.
    """
    if not isinstance(attachment, Attachment):
        raise MessageError(f"The attachment {describe(attachment)} is not an Attachment.")
    record: dict[str, Any] = {}
    for name in _TEXTS:
        value = frozen(getattr(attachment, name))
        # A name may be a number, which is sent as its digits.
        record[name] = str(value) if isinstance(value, Number) else json_of(value, name)
        check_kind(record[name], (str, _NONE), name)
    given: Any = attachment.headers
    check_kind(given, (Mapping, _NONE), "headers")
    record["headers"] = pairs_of(given or {}, "headers")
    further = {name: value for name, value in vars(attachment).items() if name not in _OWN}
    if further:
        record["further"] = json_of(further, "attachment")
    data: Any = attachment.data
    if isinstance(data, FileData) and files:
        data.check()
        record["file"] = {name: getattr(data, name) for name in _FILE}
    elif isinstance(data, (bytes, bytearray, memoryview, FileData)):
        record["base64"] = base64.b64encode(bytes(data)).decode("ascii")
    else:
        record["text"] = json_of(frozen(data), "data")
        check_kind(record["text"], (str, *_NUMBER, _NONE), "text")
    return record


def attachment_of(record: Any, *, files: bool) -> Attachment:
    """Return the attachment that :func:`enclosure_of` serialized.

    Missing keys have the defaults of :class:`Attachment`.

    :param files: allow the record to name a file.
    :raises MessageError: the record is invalid.
    """
    check_kind(record, (dict,), "attachments")
    if unknown := record.keys() - _KEYS:
        key = describe(min(unknown, key=str))
        raise MessageError(f"An attachment of the record has an unknown key, {key}.")
    if sum(name in record for name in _CONTENTS) != 1:
        raise MessageError("An attachment of the record needs one of 'text', 'base64' and 'file'.")
    for name in _TEXTS:
        check_kind(record.get(name), (str, _NONE), name)
    headers = record.get("headers", [])
    check_kind(headers, (list,), "headers")
    for each in headers:
        check_list(each, "headers", (str,), (str, *_NUMBER, _NONE))
    further = record.get("further", {})
    check_kind(further, (dict,), "further")
    data = _content(record, files)
    attachment = Attachment(
        record.get("filename") or None,
        record.get("content_type") or ("text/plain" if data is None else None),
        "" if data is None else data if isinstance(data, (str, bytes)) else b"",
        record.get("disposition"),
        dict(headers),
    )
    vars(attachment).update({name: record[name] for name in _TEXTS if name in record})
    vars(attachment).update(table_of(further, Attachment, _OWN))
    attachment.data = data
    return attachment


def _content(record: dict[str, Any], files: bool) -> Any:
    if "file" in record:
        return _file(record["file"], files)
    if "text" in record:
        check_kind(record["text"], (str, *_NUMBER, _NONE), "text")
        return record["text"]
    check_kind(record["base64"], (str,), "base64")
    try:
        return base64.b64decode(record["base64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise MessageError(f"The record's 'base64' cannot be read: {error}.") from None


def _file(record: Any, files: bool) -> FileData:
    if not files:
        raise MessageError(
            "The record names a file to attach. Pass files=True if you trust its author, or write"
            " records without files=True, which contain the content."
        )
    check_kind(record, (dict,), "file")
    if record.keys() != _FILE.keys():
        raise MessageError("The record's 'file' was not written by to_dict().")
    for name, kinds in _FILE.items():
        check_kind(record[name], kinds, name)
    data = FileData(**record)
    try:
        data.check()
    except MessageError:
        raise
    except ValueError as error:  # NUL, or a name that cannot be encoded
        shown = describe(data.path)
        raise MessageError(f"The record's 'path' {shown} cannot be read: {error}.") from None
    return data
