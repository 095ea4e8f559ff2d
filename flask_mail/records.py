"""A message as JSON, for queues and databases, and back.

A record is data and nothing else: reading one imports nothing and runs nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from .attachment import Attachment
from .copies import frozen
from .errors import MessageError
from .files import FileData
from .outgoing import Envelope
from .texts import describe

VERSION = 1

# What a field of a message must be in a record; None is what most of them are by default.
_TEXT = (str,)
_LIST = (list,)
_TABLE = (dict,)
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "subject": _TEXT,
    "recipients": _LIST,
    "cc": _LIST,
    "bcc": _LIST,
    "sender": (*_TEXT, *_LIST),
    "reply_to": (*_TEXT, *_LIST),
    "body": _TEXT,
    "alts": _LIST,
    "charset": _TEXT,
    "extra_headers": _LIST,
    "mail_options": _LIST,
    "rcpt_options": _LIST,
    "date": (int, float, *_TABLE),
    "msgId": _TEXT,
    "attachments": _LIST,
    "envelope": _TABLE,
    "further": _TABLE,
    "token": _TEXT,
    "rendered_at": (int, float),
}
# What a message stores under another name.
_STORED = {"token": "_token", "rendered_at": "_first_rendered"}
_ATTACHMENT = {"filename", "content_type", "disposition", "headers", "text", "base64", "file"}
_FILE = {"path", "size", "mtime_ns", "digest"}


def to_record(message: object, *, files: bool) -> dict[str, Any]:
    """Return `message` in types that JSON has.

    :param files: whether files that were attached by their paths stay where they are; otherwise
        their content is part of the record.
    :raises MessageError: it holds what JSON cannot say, or a file that is gone or has changed.
    """
    record: dict[str, Any] = {"version": VERSION}
    further: dict[str, Any] = {}
    for name, value in vars(message).items():
        field = next((each for each, stored in _STORED.items() if stored == name), name)
        if field in _FIELDS:
            record[field] = _to_json(field, value, files)
        else:
            further[name] = _json(value, name)
    if further:
        record["further"] = further
    return record


def fill(message: object, record: object, *, files: bool) -> None:
    """Give an empty `message` the fields that are in `record`.

    :param files: whether the record may name files to attach.
    :raises MessageError: it is no record, or one of another version.
    """
    if not isinstance(record, Mapping) or "version" not in record:
        raise MessageError("This is no record of a message: it has no version.")
    if record["version"] != VERSION or isinstance(record["version"], bool):
        raise MessageError(
            f"The record has version {describe(record['version'])}, and this Flask-Mail reads"
            f" version {VERSION}: read it with the version of Flask-Mail that wrote it."
        )
    for field, value in record.items():
        if field == "version":
            continue
        if field not in _FIELDS:
            raise MessageError(f"The record holds {describe(field)}, which is no field of one.")
        if value is not None and (not isinstance(value, _FIELDS[field]) or isinstance(value, bool)):
            raise MessageError(f"The record's {field!r} is a {type(value).__name__}.")
        _restore(message, field, value, files)


def _to_json(field: str, value: Any, files: bool) -> Any:
    match field:
        case "attachments":
            return [_attachment_record(each, files) for each in value]
        case "alts" | "extra_headers" if isinstance(value, Mapping):
            # Pairs: their order counts, and not every database keeps that of a JSON object.
            return [[_plain(name, field), _plain(each, field)] for name, each in value.items()]
        case "date" if isinstance(value, datetime):
            return {"datetime": value.isoformat()}
        case "envelope" if isinstance(value, Envelope):
            return {
                "sender": value.sender,
                "recipients": list(value.recipients),
                "mail_options": list(value.mail_options),
                "rcpt_options": list(value.rcpt_options),
            }
    return _plain(value, field)


def _restore(message: object, field: str, value: Any, files: bool) -> None:
    fields = vars(message)
    if field == "further":
        for name, each in value.items():
            # JSON has no functions, so this would only break the message.
            is_method = callable(getattr(type(message), name, None))
            if is_method or name in _FIELDS or name in _STORED.values():
                raise MessageError(f"The record's 'further' holds {describe(name)}.")
            fields[name] = each
        return
    restored = list(value) if isinstance(value, list) else value
    if value is not None:
        match field:
            case "attachments":
                restored = [_attachment(each, files) for each in value]
            case "alts" | "extra_headers":
                restored = dict(_pairs(value, field))
            case "recipients" | "cc" | "bcc":
                restored = [tuple(each) if isinstance(each, list) else each for each in value]
            case "date" if isinstance(value, dict):
                restored = _read(datetime.fromisoformat, value.get("datetime"), "date")
            case "envelope":
                restored = _envelope(value)
    fields[_STORED.get(field, field)] = restored


def _attachment_record(attachment: Any, files: bool) -> dict[str, Any]:
    if not isinstance(attachment, Attachment):
        raise MessageError(f"The attachment {describe(attachment)} is no Attachment.")
    record: dict[str, Any] = {
        "filename": _plain(attachment.filename, "filename"),
        "content_type": _plain(attachment.content_type, "content_type"),
        "disposition": _plain(attachment.disposition, "disposition"),
        "headers": [
            [_plain(name, "headers"), _plain(value, "headers")]
            for name, value in attachment.headers.items()
        ],
    }
    data = attachment.data
    if isinstance(data, FileData) and files:
        data.check()
        record["file"] = {
            "path": data.path,
            "size": data.size,
            "mtime_ns": data.mtime_ns,
            "digest": data.digest,
        }
    elif isinstance(data, (bytes, bytearray, memoryview, FileData)):
        record["base64"] = base64.b64encode(bytes(data)).decode("ascii")
    else:
        record["text"] = _plain(data, "data")
    return record


def _attachment(record: Any, files: bool) -> Attachment:
    if not isinstance(record, dict) or record.keys() - _ATTACHMENT:
        raise MessageError("The record's 'attachments' hold what is no attachment.")
    data: Any
    if "file" in record:
        data = _file(record["file"], files)
    elif "base64" in record:
        data = _read(_from_base64, record["base64"], "base64")
    else:
        data = record.get("text")
    headers = dict(_pairs(record.get("headers") or [], "headers"))
    attachment = Attachment(data="" if data is None else data)
    for name in ("filename", "content_type", "disposition"):
        value = record.get(name)
        if value is not None and not isinstance(value, str):
            raise MessageError(f"The record's {name!r} is a {type(value).__name__}.")
        setattr(attachment, name, value)
    attachment.data = data
    attachment.headers = headers
    return attachment


def _file(record: Any, files: bool) -> FileData:
    if not files:
        raise MessageError(
            "The record names a file to attach. Whoever wrote it chose which: give files=True if"
            " that was your own program, or make records with their content, by to_dict()."
        )
    if (
        not isinstance(record, dict)
        or record.keys() != _FILE
        or not all(isinstance(record[each], str) for each in ("path", "digest"))
        or not all(type(record[each]) is int for each in ("size", "mtime_ns"))
    ):
        raise MessageError("The record's 'file' is not what to_dict() writes.")
    data = FileData(**record)
    data.check()
    return data


def _envelope(record: dict[str, Any]) -> Envelope:
    lists = ("recipients", "mail_options", "rcpt_options")
    if (
        record.keys() != {"sender", *lists}
        or not isinstance(record["sender"], str)
        or not all(isinstance(record[each], list) for each in lists)
    ):
        raise MessageError("The record's 'envelope' is not what to_dict() writes.")
    return Envelope(record["sender"], *(tuple(map(str, record[each])) for each in lists))


def _pairs(value: Any, field: str) -> list[tuple[str, Any]]:
    if not all(
        isinstance(each, list) and len(each) == 2 and isinstance(each[0], str) for each in value
    ):
        raise MessageError(f"The record's {field!r} are no pairs of a name and a value.")
    return [(name, each) for name, each in value]


def _read(reader: Callable[[Any], Any], value: object, field: str) -> Any:
    try:
        return reader(value)
    except (TypeError, ValueError) as error:
        raise MessageError(f"The record's {field!r} cannot be read: {error}.") from None


def _from_base64(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(error) from None


def _plain(value: Any, field: str) -> Any:
    """Return `value` in types that JSON has; lazy strings as their words."""
    return _json(frozen(value), field)


def _json(value: Any, field: str) -> Any:
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_json(each, field) for each in value]
    if isinstance(value, dict) and all(type(name) is str for name in value):
        return {name: _json(each, field) for name, each in value.items()}
    raise MessageError(
        f"{field} holds {describe(value)}, of type {type(value).__name__}, which JSON cannot say:"
        " pickle the message instead, or leave it out."
    )
