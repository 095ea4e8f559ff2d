"""Serialization of messages as JSON, for queues and databases.

A record is plain data: loading one imports nothing and runs nothing. Records are checked when they
are written as well, so that the writer gets the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..errors import MessageError
from ..mime.dates import date_header
from ..mime.parts import tolerated
from ..mime.render import addresses_in
from ..receipt import Envelope
from ..util.text import describe
from .fields import Delivered, by_backend, frozen
from .serialize_attachment import attachment_of, enclosure_of
from .serialize_values import check_kind, check_list, json_of, pairs_of, table_of

VERSION = 1

_NONE = type(None)
_NUMBER = (int, float)
# The types of each field in a record. Subject and body may be numbers, as in a message.
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "subject": (str, *_NUMBER, bool, _NONE),
    "recipients": (list, _NONE),
    "cc": (list, _NONE),
    "bcc": (list, _NONE),
    "sender": (str, list, _NONE),
    "reply_to": (str, list, _NONE),
    "body": (str, *_NUMBER, bool, _NONE),
    "alts": (list, _NONE),
    "charset": (str, _NONE),
    "extra_headers": (list, _NONE),
    "mail_options": (list, dict, _NONE),
    "rcpt_options": (list, dict, _NONE),
    "date": (*_NUMBER, dict, _NONE),
    "msgId": (str,),
    "attachments": (list, _NONE),
    "tags": (list, _NONE),
    "metadata": (list, _NONE),
    "options": (dict, _NONE),
    "envelope": (dict, _NONE),
    "further": (dict,),
    "token": (str,),
    "rendered_at": _NUMBER,
}
# Fields that a message stores under another name; a subclass may have a token of its own.
_STORED = {"token": "_token", "rendered_at": "_first_rendered"}
_NAMES = {field: _STORED.get(field, field) for field in _FIELDS if field != "further"}
_ATTRIBUTES = {name: field for field, name in _NAMES.items()}
_COLLECTIONS = frozenset(
    {
        *("recipients", "cc", "bcc", "alts", "mail_options", "rcpt_options", "attachments"),
        *("tags", "metadata", "options"),
    }
)
_ENVELOPE = ("sender", "recipients", "mail_options", "rcpt_options")


def to_record(message: object, *, files: bool) -> dict[str, Any]:
    """Return `message` as JSON types.

    :param files: store the paths of files that were attached by path, not their content.
    :raises MessageError: a value has no JSON type, or a file is missing or has changed.
    """
    try:
        record: dict[str, Any] = {"version": VERSION}
        further: dict[str, Any] = {}
        for name, value in vars(message).items():
            if isinstance(value, Delivered):
                continue  # loading the record renders the fields again
            if name not in _ATTRIBUTES:
                further[name] = value
            else:
                field = _ATTRIBUTES[name]
                record[field] = _written(field, value, files)
                _check(field, record[field])
    except RecursionError:
        raise MessageError(
            "The message contains a list that is nested too deeply, or in itself."
        ) from None
    if further:
        record["further"] = table_of(further, type(message), _ATTRIBUTES)
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
        _check(field, value)
        if field == "further":
            vars(message).update(table_of(value, type(message), _ATTRIBUTES))
        else:
            vars(message)[_NAMES[field]] = _read(
                field, json_of(value, f"The record's {field!r}"), files
            )


def _written(field: str, value: Any, files: bool) -> Any:
    match field:
        case "attachments" if isinstance(value, (list, tuple)):
            return [enclosure_of(each, files=files) for each in value]
        case "alts" | "extra_headers" | "metadata" if isinstance(value, Mapping):
            return pairs_of(value, field)
        case "reply_to" if isinstance(value, (list, tuple)):
            # JSON has no tuples, so a pair would look like two addresses.
            value = addresses_in(value)
        case "date" if isinstance(value, datetime):
            # The hour that repeats when clocks are put back.
            return {"datetime": value.isoformat(), **({"fold": 1} if value.fold else {})}
        case "envelope" if isinstance(value, Envelope):
            value = {name: getattr(value, name) for name in _ENVELOPE}
    return json_of(frozen(value), field)


def _read(field: str, value: Any, files: bool) -> Any:
    if value is None:
        if field not in _COLLECTIONS:
            return None
        value = []
    match field:
        case "attachments":
            return [attachment_of(each, files=files) for each in value]
        case "alts" | "extra_headers" | "metadata":
            return dict(value)
        case "options":
            return by_backend(value)
        case "recipients" | "cc" | "bcc" | "sender" | "reply_to" if isinstance(value, list):
            if field == "sender":
                return tuple(value)
            return [tuple(each) if isinstance(each, list) else each for each in value]
        case "date" if isinstance(value, dict):
            return _moment(value)
        case "envelope":
            return Envelope(value["sender"], *(tuple(value[name]) for name in _ENVELOPE[1:]))
    return list(value) if isinstance(value, list) else value


def _check(field: str, value: Any) -> None:
    """Raise MessageError unless `value` is valid for `field`."""
    check_kind(value, _FIELDS[field], field)
    if value is None:
        return
    match field:
        case "recipients" | "cc" | "bcc" | "reply_to" if isinstance(value, list):
            for each in value:
                _check_address(each, field)
        case "sender":
            _check_address(value, field)
        case "alts" | "extra_headers" | "metadata":
            for each in value:
                check_list(each, field, (str,), (str, *_NUMBER, bool, _NONE))
        case "mail_options" | "rcpt_options" | "tags" if isinstance(value, list):
            check_list(value, field, *[(str,)] * len(value))
        case "date" if isinstance(value, dict):
            _moment(value)
        case "rendered_at":
            if tolerated(date_header, value) is None:
                raise MessageError(f"The record's {field!r} is not a date: {describe(value)}.")
        case "envelope":
            _check_envelope(value)


def _check_address(value: Any, field: str) -> None:
    if isinstance(value, list):
        check_list(value, field, (str, _NONE), (str,))
    else:
        check_kind(value, (str,), field)


def _check_envelope(value: dict[str, Any]) -> None:
    if value.keys() != set(_ENVELOPE):
        raise MessageError("The record's 'envelope' was not written by to_dict().")
    check_kind(value["sender"], (str,), "envelope")
    for name in _ENVELOPE[1:]:
        check_kind(value[name], (list,), "envelope")
        check_list(value[name], "envelope", *[(str,)] * len(value[name]))


def _moment(value: dict[str, Any]) -> datetime:
    try:
        if value.keys() - {"datetime", "fold"}:
            raise ValueError("it has keys other than 'datetime' and 'fold'")
        moment = datetime.fromisoformat(value.get("datetime", ""))
        return moment.replace(fold=1) if value.get("fold") == 1 else moment
    except (TypeError, ValueError) as error:
        raise MessageError(f"The record's 'date' cannot be read: {error}.") from None
