"""Serialization of messages as JSON, for queues and databases.

A record is plain data: loading one imports nothing and runs nothing. Records are checked when they
are written as well, so that the writer gets the error.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from numbers import Number
from typing import Any, Final

from ..errors import MessageError
from ..mime.dates import date_header
from ..mime.parts import tolerated
from ..mime.render import addresses_in
from ..receipt import Envelope
from ..util.files import FileData
from ..util.text import describe
from .attachment import Attachment
from .fields import Delivered, by_backend, frozen
from .serialize_values import check, further_of, json_of, pairs_of

VERSION: Final = 1

# Schemas for check().
_NONE: Final = type(None)
_TEXT: Final[Any] = (str, int, float, bool, _NONE)  # numbers are sent as their digits
_NAME: Final[Any] = (str, _NONE)
_PAIRS: Final[Any] = [[str, _TEXT]]  # not every database keeps the order of a JSON object
_MAILBOX: Final[Any] = [_NAME, str]
_ADDRESSES: Final[Any] = [(str, _MAILBOX)]
_LISTS: Final = ("recipients", "mail_options", "rcpt_options")
_ENVELOPE: Final[Any] = {"sender": str, **{name: [str] for name in _LISTS}}
_FILE: Final[Any] = {"path": str, "size": int, "mtime_ns": int, "digest": str}
_FIELDS: Final[dict[str, Any]] = {
    "subject": _TEXT,
    "body": _TEXT,
    "charset": _NAME,
    "msgId": str,
    "token": str,
    "rendered_at": (int, float),
    "date": (int, float, dict, _NONE),
    "sender": (str, _MAILBOX, _NONE),
    "reply_to": (str, _ADDRESSES, _NONE),
    "extra_headers": (_PAIRS, _NONE),
    "unsubscribe": _NAME,
    "envelope": (_ENVELOPE, _NONE),
    "further": dict,
    **dict.fromkeys(("recipients", "cc", "bcc"), (_ADDRESSES, _NONE)),
    **dict.fromkeys(("alts", "metadata"), (_PAIRS, _NONE)),
    **dict.fromkeys(("mail_options", "rcpt_options"), ([str], dict, _NONE)),
    "tags": ([str], _NONE),
    "attachments": ([dict], _NONE),
    "options": (dict, _NONE),
}
_TEXTS: Final = ("filename", "content_type", "disposition")
_OWN: Final = frozenset({*_TEXTS, "headers", "data"})
_CONTENTS: Final[dict[str, Any]] = {"text": _TEXT, "base64": str, "file": _FILE}
_ATTACHMENT: Final[dict[str, Any]] = {
    **dict.fromkeys(_TEXTS, _NAME),
    **_CONTENTS,
    "headers": _PAIRS,
    "further": dict,
}
# A subclass may have attributes of the other name.
_STORED: Final = {"token": "_token", "rendered_at": "_first_rendered"}
_NAMES: Final = {field: _STORED.get(field, field) for field in _FIELDS if field != "further"}
_ATTRIBUTES: Final = {name: field for field, name in _NAMES.items()}
_MAPPINGS: Final = ("alts", "extra_headers", "metadata")
_NULLABLE: Final = frozenset(
    {
        "subject",
        "body",
        "charset",
        "date",
        "sender",
        "reply_to",
        "extra_headers",
        "envelope",
        "unsubscribe",
    }
)


def to_record(message: object, *, files: bool) -> dict[str, Any]:
    """Return `message` as JSON types.

    :param files: store the paths of files that were attached by path, not their content.
    :raises MessageError: a value has no JSON type, or a file is missing or has changed.
    """
    record: dict[str, Any] = {"version": VERSION}
    further: dict[str, Any] = {}
    try:
        for name, value in vars(message).items():
            if field := _ATTRIBUTES.get(name):
                record[field] = _written(field, value, files)
                _check_field(field, record[field])
            elif not isinstance(value, Delivered):  # loading the record renders it again
                further[name] = value
    except RecursionError:
        raise MessageError(
            "The message contains a list that is nested too deeply, or in itself."
        ) from None
    if further:
        record["further"] = further_of(further, type(message), _ATTRIBUTES)
    return record


def fill(message: object, record: object, *, files: bool) -> None:
    """Set the fields of an empty `message` from `record`.

    :param files: allow the record to name files to attach.
    :raises MessageError: the record is invalid or of another version.
    """
    if not isinstance(record, Mapping) or "version" not in record:
        raise MessageError('This is not a message record: "version" is missing.')
    if record["version"] != VERSION or isinstance(record["version"], bool):
        raise MessageError(
            f"The record has version {describe(record['version'])}, but this Flask-Mail reads"
            f" version {VERSION}: use the version of Flask-Mail that wrote it."
        )
    for field, value in record.items():
        if field == "version":
            continue
        if field not in _FIELDS:
            raise MessageError(f"The record contains an unknown field, {describe(field)}.")
        _check_field(field, value)
        if field == "further":
            vars(message).update(further_of(value, type(message), _ATTRIBUTES))
        else:
            plain = json_of(value, f"The record's {field!r}")
            vars(message)[_NAMES[field]] = _read(field, plain, files)


def _written(field: str, value: Any, files: bool) -> Any:
    match value:
        case list() | tuple() if field == "attachments":
            return [_attachment_record(each, files) for each in value]
        case Mapping() if field in _MAPPINGS:
            return pairs_of(value, field)
        case list() | tuple() if field == "reply_to":
            value = addresses_in(value)  # JSON has no tuples: a pair would look like two addresses
        case datetime() if (
            field == "date"
        ):  # the fold is that of the hour that repeats when clocks are put back
            return {"datetime": value.isoformat(), **({"fold": 1} if value.fold else {})}
        case Envelope():
            value = {name: getattr(value, name) for name in _ENVELOPE}
    return json_of(frozen(value), field)


def _read(field: str, value: Any, files: bool) -> Any:
    match value:
        case None if field not in _NULLABLE:
            value = []
        case list() if field == "sender":
            return tuple(value)
        case dict() if field == "date":
            return _moment(value)
        case dict() if field == "envelope":
            return Envelope(value["sender"], *(tuple(value[name]) for name in _LISTS))
    if value is None:
        return None
    if field in _MAPPINGS:
        return dict(value)
    if field == "attachments":
        return [_attachment(each, files) for each in value]
    if field == "options":
        return by_backend(value)
    if isinstance(value, list):
        return [tuple(each) if isinstance(each, list) else each for each in value]
    return value


def _moment(value: dict[str, Any]) -> datetime:
    try:
        if value.keys() - {"datetime", "fold"}:
            raise ValueError("it has keys other than 'datetime' and 'fold'")
        moment = datetime.fromisoformat(value.get("datetime", ""))
        return moment.replace(fold=1) if value.get("fold") == 1 else moment
    except (TypeError, ValueError) as error:
        raise MessageError(f"The record's 'date' cannot be read: {error}.") from None


def _attachment_record(attachment: Any, files: bool) -> dict[str, Any]:
    if not isinstance(attachment, Attachment):
        raise MessageError(f"The attachment {describe(attachment)} is not an Attachment.")
    values = {name: frozen(getattr(attachment, name)) for name in _TEXTS}
    record = {
        name: str(value) if isinstance(value, Number) else json_of(value, name)
        for name, value in values.items()
    }
    given: Any = attachment.headers
    check(given, (Mapping, _NONE), "headers")
    record["headers"] = pairs_of(given or {}, "headers")
    if further := {name: each for name, each in vars(attachment).items() if name not in _OWN}:
        record["further"] = json_of(further, "attachment")
    data: Any = attachment.data
    if isinstance(data, FileData) and files:
        data.check()
        record["file"] = {name: getattr(data, name) for name in _FILE}
    elif isinstance(data, (bytes, bytearray, memoryview, FileData)):
        record["base64"] = base64.b64encode(bytes(data)).decode("ascii")
    else:
        record["text"] = json_of(frozen(data), "data")
    _check_attachment(record)
    return record


def _attachment(record: dict[str, Any], files: bool) -> Attachment:
    """Read an attachment; missing keys have the defaults of `Attachment`."""
    _check_attachment(record)
    data: Any = record.get("text")
    if "file" in record:
        data = _file(record["file"], files)
    elif "base64" in record:
        try:
            data = base64.b64decode(record["base64"], validate=True)
        except ValueError as error:
            raise MessageError(f"The record's 'base64' cannot be read: {error}.") from None
    attachment = Attachment(
        record.get("filename") or None,
        record.get("content_type") or ("text/plain" if data is None else None),
        "" if data is None else data if isinstance(data, (str, bytes)) else b"",
        record.get("disposition"),
        dict(record.get("headers", [])),
    )
    vars(attachment).update({name: record[name] for name in _TEXTS if name in record})
    vars(attachment).update(further_of(record.get("further", {}), Attachment, _OWN))
    attachment.data = data
    return attachment


def _file(record: dict[str, Any], files: bool) -> FileData:
    if not files:
        raise MessageError(
            "The record names a file to attach. Pass files=True if you trust its author, or write"
            " records without files=True, which contain the content."
        )
    data = FileData(**record)
    try:
        data.check()
    except MessageError:
        raise
    except ValueError as error:  # NUL, or a name that cannot be encoded
        shown = describe(data.path)
        raise MessageError(f"The record's 'path' {shown} cannot be read: {error}.") from None
    return data


def _check_field(field: str, value: Any) -> None:
    check(value, _FIELDS[field], field)
    if field == "date" and isinstance(value, dict):
        _moment(value)
    if field == "rendered_at" and tolerated(date_header, value) is None:
        raise MessageError(f"The record's {field!r} is not a date: {describe(value)}.")


def _check_attachment(record: dict[str, Any]) -> None:
    if unknown := record.keys() - _ATTACHMENT.keys():
        key = describe(min(unknown, key=str))
        raise MessageError(f"An attachment of the record has an unknown key, {key}.")
    if len(record.keys() & _CONTENTS.keys()) != 1:
        raise MessageError("An attachment of the record needs one of 'text', 'base64' and 'file'.")
    for name, value in record.items():
        check(value, _ATTACHMENT[name], name)
