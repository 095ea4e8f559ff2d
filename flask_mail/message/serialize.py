"""Serialization of messages as JSON, for queues and databases.

A record is plain data: loading one imports nothing and runs nothing. Records are checked when they
are written as well, so that the writer gets the error.
"""

from __future__ import annotations

import base64
import inspect
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from numbers import Number
from typing import Any, Final

from ..errors import MessageError
from ..mime.dates import date_header
from ..mime.render import addresses_in
from ..receipt import Envelope
from ..util.files import FileData
from ..util.text import describe
from .attachment import Attachment, guess_content_type
from .fields import Delivered, frozen

VERSION: Final = 1
_DEEPEST: Final = 50
_LARGEST: Final = 2**64  # the limit of many JSON parsers; Python limits the number of digits

# Schemas of values, for _fits().
_NONE: Final = type(None)
_TEXT: Final[Any] = (str, int, float, bool, _NONE)  # numbers are sent as their digits
_NAME: Final[Any] = (str, _NONE)
_PAIRS: Final[Any] = [[str, _TEXT]]  # not every database keeps the order of a JSON object
_MAILBOX: Final[Any] = [_NAME, str]
_ADDRESSES: Final[Any] = [(str, _MAILBOX)]
_LISTS: Final = ("recipients", "mail_options", "rcpt_options")
ENVELOPE: Final[Any] = {"sender": str, **{name: [str] for name in _LISTS}}
_FIELDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("subject", "body"), _TEXT),
    **dict.fromkeys(("charset", "unsubscribe", "key"), _NAME),
    **dict.fromkeys(("msgId", "token"), str),
    "rendered_at": (int, float),
    "date": (int, float, {"datetime": str}, {"datetime": str, "fold": int}, _NONE),
    "sender": (str, _MAILBOX, _NONE),
    "reply_to": (str, _ADDRESSES, _NONE),
    **dict.fromkeys(("recipients", "cc", "bcc"), (_ADDRESSES, _NONE)),
    **dict.fromkeys(("alts", "metadata", "extra_headers"), (_PAIRS, _NONE)),
    **dict.fromkeys(("mail_options", "rcpt_options"), ([str], dict, _NONE)),
    "attachments": ([dict], _NONE),
    "envelope": (ENVELOPE, _NONE),
    "further": dict,
    "options": (dict, _NONE),
    "tags": ([str], _NONE),
}
_FILE: Final[Any] = {"path": str, "size": int, "mtime_ns": int, "digest": str}
_CONTENTS: Final[dict[str, Any]] = {"text": _TEXT, "base64": str, "file": _FILE}
_TEXTS: Final = ("filename", "content_type", "disposition")
_OWN: Final = frozenset({*_TEXTS, "headers", "data"})
_ATTACHMENT: Final[dict[str, Any]] = {
    **dict.fromkeys(_TEXTS, _NAME),
    **_CONTENTS,
    "headers": _PAIRS,
    "further": dict,
}
# A subclass may have attributes of the other name.
_STORED: Final = {"token": "_token", "rendered_at": "_first_rendered"}
_ATTRIBUTES: Final = {_STORED.get(field, field): field for field in _FIELDS if field != "further"}


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
                is_plain = type(value) in (str, _NONE) and _fits(value, _FIELDS[field])
                plain = value if is_plain else _written(field, value, files)
                record[field] = plain if is_plain else checked(plain, _FIELDS[field], field)
            elif not isinstance(value, Delivered):  # loading the record renders it again
                further[name] = value
    except RecursionError:
        raise MessageError(
            "The message contains a list that is nested too deeply, or in itself."
        ) from None
    if further:
        record["further"] = _further(further, type(message), _ATTRIBUTES)
    return record


def fill(message: object, record: object, *, files: bool) -> None:
    """Set the fields of an empty `message` from `record`.

    :param files: allow the record to name files to attach.
    :raises MessageError: the record is invalid or of another version.
    """
    for field, value in values_of(record, _FIELDS).items():
        if field == "further":
            vars(message).update(_further(value, type(message), _ATTRIBUTES))
        else:
            setattr(message, _STORED.get(field, field), _read(field, value, files))


def values_of(record: object, schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record, which fit their schemas.

    :raises MessageError: the record is invalid or of another version.
    """
    version = record.get("version") if isinstance(record, Mapping) else None
    if not isinstance(record, Mapping) or type(version) is not int or version != VERSION:
        raise MessageError(
            f"This is not a record of version {VERSION}, the one that this Flask-Mail reads: its"
            f" version is {describe(version)}."
        )
    if unknown := record.keys() - schemas.keys() - {"version"}:
        shown = describe(min(unknown, key=str))
        raise MessageError(f"The record contains an unknown field, {shown}.")
    return {
        name: checked(value, schemas[name], name)
        for name, value in record.items()
        if name != "version"
    }


def checked(value: Any, schema: Any, field: str) -> Any:
    """Return a copy of `value` as JSON types; that of an object of any keys comes later.

    :raises MessageError: it has no JSON type, or does not fit the schema; names `field`.
    """
    plain = value if schema is dict else _json_of(value, field)
    if not _fits(plain, schema):
        raise MessageError(f"The record's {field!r} must not contain {describe(plain)}.")
    return plain


def octets_of(text: str) -> bytes:
    """Decode the base64 in a record.

    :raises MessageError: it is invalid.
    """
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise MessageError(f"The base64 in the record cannot be read: {error}.") from None


def envelope_of(plain: dict[str, Any]) -> Envelope:
    """Return the envelope of a record."""
    return Envelope(plain["sender"], *(tuple(plain[name]) for name in _LISTS))


def _json_of(value: Any, field: str, depth: int = 0) -> Any:
    if value is None or type(value) in (str, bool):
        return value
    if type(value) is int and abs(value) <= _LARGEST:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, (list, tuple)) and depth <= _DEEPEST:
        return [_json_of(each, field, depth + 1) for each in value]
    if isinstance(value, dict) and depth <= _DEEPEST and all(type(name) is str for name in value):
        return {name: _json_of(each, field, depth + 1) for name, each in value.items()}
    raise MessageError(
        f"The record's {field!r} contains {describe(value)}, of type {type(value).__name__}: pickle"
        " the message instead, or remove what is not JSON, a number of more than 64 bits, or nested"
        f" more than {_DEEPEST} levels deep."
    )


def _fits(plain: Any, schema: Any) -> bool:
    """Return True if JSON fits a schema.

    A tuple lists alternatives, ``[a]`` is a list of any length, ``[a, b]`` has these two items,
    ``{...}`` has exactly these keys, and ``{str: a}`` any keys.
    """
    if isinstance(schema, tuple):  # mostly of types, one of which it has
        return type(plain) in schema or any(_fits(plain, each) for each in schema)
    if isinstance(schema, type) or type(plain) is not type(schema):
        return type(plain) is schema
    if isinstance(schema, list):
        schemas = schema if len(schema) > 1 else schema * len(plain)
        return len(plain) == len(schemas) and all(map(_fits, plain, schemas))
    if str in schema:
        return all(_fits(each, schema[str]) for each in plain.values())
    return plain.keys() == schema.keys() and all(
        _fits(plain[each], schema[each]) for each in schema
    )


def _further(given: Mapping[Any, Any], owner: type, known: Iterable[str]) -> dict[str, Any]:
    """Return the JSON of further attributes for an `owner` whose own fields are `known`.

    :raises MessageError: an attribute would replace a field or a method.
    """
    for name in given:
        is_own = not isinstance(name, str) or name.startswith("__") or name in known
        there = None if is_own else inspect.getattr_static(owner, name, None)
        # A value from JSON cannot be called, so it must not replace a method.
        is_method = callable(there) or isinstance(there, classmethod)
        if is_own or is_method or hasattr(there, "__set__"):
            raise MessageError(f"The record's 'further' must not contain {describe(name)}.")
    return {name: _json_of(each, name) for name, each in given.items()}


def _written(field: str, value: Any, files: bool) -> Any:
    match field, value:
        case "attachments", list() | tuple():
            return [_attachment_record(each, files) for each in value]
        case "alts" | "extra_headers" | "metadata" | "headers", Mapping():
            return [[frozen(each) for each in item] for item in value.items()]
        case "reply_to", list() | tuple():  # JSON has no tuples: a pair would be two addresses
            return frozen(addresses_in(value))
        case "date", datetime():  # the fold is that of the hour that repeats in autumn
            return {"datetime": value.isoformat(), **({"fold": 1} if value.fold else {})}
        case "envelope", Envelope():
            return asdict(value)
    return frozen(value)


def _read(field: str, plain: Any, files: bool) -> Any:
    match field, plain:
        case "attachments", list():
            return [_attachment(each, files) for each in plain]
        case "extra_headers", list():
            return dict(plain)
        case "sender", list():
            return tuple(plain)
        case "date", dict():
            try:
                return datetime.fromisoformat(plain["datetime"]).replace(fold=plain.get("fold", 0))
            except ValueError as error:
                raise MessageError(f"The record's 'date' cannot be read: {error}.") from None
        case "envelope", dict():
            return envelope_of(plain)
        case "rendered_at", _:
            date_header(plain)  # raises if it is out of range
        case _, list():
            return [tuple(each) if isinstance(each, list) else each for each in plain]
    return plain


def _attachment_record(attachment: Any, files: bool) -> dict[str, Any]:
    if not isinstance(attachment, Attachment):
        raise MessageError(f"The attachment {describe(attachment)} is not an Attachment.")
    texts = {name: frozen(getattr(attachment, name)) for name in _TEXTS}
    record = {name: str(each) if isinstance(each, Number) else each for name, each in texts.items()}
    record["headers"] = _written("headers", attachment.headers or {}, files)
    if further := {name: each for name, each in vars(attachment).items() if name not in _OWN}:
        record["further"] = _further(further, Attachment, _OWN)
    data: Any = attachment.data
    if isinstance(data, FileData) and files:
        data.check()
        record["file"] = asdict(data)
    elif isinstance(data, (bytes, bytearray, memoryview, FileData)):
        record["base64"] = base64.b64encode(bytes(data)).decode("ascii")
    else:
        record["text"] = frozen(data)
    return _checked_attachment(record)


def _checked_attachment(record: dict[str, Any]) -> dict[str, Any]:
    plain = {name: checked(each, _ATTACHMENT.get(name, ()), name) for name, each in record.items()}
    if len(plain.keys() & _CONTENTS.keys()) != 1:
        raise MessageError("An attachment of the record needs one of 'text', 'base64' and 'file'.")
    return plain


def _attachment(record: dict[str, Any], files: bool) -> Attachment:
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
    attachment = object.__new__(Attachment)
    vars(attachment).update(_further(record.get("further", {}), Attachment, _OWN))
    attachment.filename = record.get("filename")
    attachment.content_type = record.get("content_type", "")
    if "content_type" not in record:
        attachment.content_type = guess_content_type(attachment.filename, data)
    attachment.disposition = record.get("disposition", "attachment")
    attachment.headers = dict(record.get("headers", ()))
    attachment.data = data
    return attachment
