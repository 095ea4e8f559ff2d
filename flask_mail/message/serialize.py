"""Serialization of messages as JSON, for queues and databases.

A record is plain data: loading one imports nothing and runs nothing. Records are checked when they
are written as well, so that the writer gets the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from ..errors import MessageError
from ..mime.dates import date_header
from ..mime.render import addresses_in
from ..receipt import Envelope
from .attachment_records import Load, Store, pairs_of, read_attachment, record_of
from .fields import Delivered, frozen
from .json_values import NAME, NONE, PAIRS, TEXT, VERSION, checked, fits, further_of, values_of

# Schemas of values, for fits().
_MAILBOX: Final[Any] = [NAME, str]
_ADDRESSES: Final[Any] = [(str, _MAILBOX)]
_LISTS: Final = ("recipients", "mail_options", "rcpt_options")
ENVELOPE: Final[Any] = {"sender": str, **{name: [str] for name in _LISTS}}
_FIELDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("subject", "body"), TEXT),
    **dict.fromkeys(("charset", "unsubscribe", "key"), NAME),
    **dict.fromkeys(("msgId", "token"), str),
    "rendered_at": (int, float),
    "date": (int, float, {"datetime": str}, {"datetime": str, "fold": int}, NONE),
    "sender": (str, _MAILBOX, NONE),
    "reply_to": (str, _ADDRESSES, NONE),
    **dict.fromkeys(("recipients", "cc", "bcc"), (_ADDRESSES, NONE)),
    **dict.fromkeys(("alts", "metadata", "extra_headers"), (PAIRS, NONE)),
    **dict.fromkeys(("mail_options", "rcpt_options"), ([str], dict, NONE)),
    "attachments": ([dict], NONE),
    "envelope": (ENVELOPE, NONE),
    "further": dict,
    "options": (dict, NONE),
    "tags": ([str], NONE),
}
# A subclass may have attributes of the other name.
_STORED: Final = {"token": "_token", "rendered_at": "_first_rendered"}
_ATTRIBUTES: Final = {_STORED.get(field, field): field for field in _FIELDS if field != "further"}


def to_record(message: object, *, files: bool, store: Store | None = None) -> dict[str, Any]:
    """Return `message` as JSON types.

    :param files: store the paths of files that were attached by path, not their content.
    :param store: stores the data of attachments elsewhere.
    :raises MessageError: a value has no JSON type, or a file is missing or has changed.
    """
    record: dict[str, Any] = {"version": VERSION}
    further: dict[str, Any] = {}
    try:
        for name, value in vars(message).items():
            if field := _ATTRIBUTES.get(name):
                is_plain = type(value) in (str, NONE) and fits(value, _FIELDS[field])
                plain = value if is_plain else _written(field, value, files, store)
                record[field] = plain if is_plain else checked(plain, _FIELDS[field], field)
            elif not isinstance(value, Delivered):  # loading the record renders it again
                further[name] = value
    except RecursionError:
        raise MessageError(
            "The message contains a list that is nested too deeply, or in itself."
        ) from None
    if further:
        record["further"] = further_of(further, type(message), _ATTRIBUTES)
    return record


def fill(message: object, record: object, *, files: bool, load: Load | None = None) -> None:
    """Set the fields of an empty `message` from `record`.

    :param files: allow the record to name files to attach.
    :param load: returns data that was stored elsewhere.
    :raises MessageError: the record is invalid or of another version.
    """
    for field, value in values_of(record, _FIELDS).items():
        if field == "further":
            vars(message).update(further_of(value, type(message), _ATTRIBUTES))
        else:
            setattr(message, _STORED.get(field, field), _read(field, value, files, load))


def envelope_of(plain: dict[str, Any]) -> Envelope:
    """Return the envelope of a record."""
    return Envelope(plain["sender"], *(tuple(plain[name]) for name in _LISTS))


def _written(field: str, value: Any, files: bool, store: Store | None) -> Any:
    match field, value:
        case "attachments", list() | tuple():
            return [record_of(each, files, store) for each in value]
        case "alts" | "extra_headers" | "metadata", Mapping():
            return pairs_of(value)
        case "reply_to", list() | tuple():  # JSON has no tuples: a pair would be two addresses
            return frozen(addresses_in(value))
        case "date", datetime():  # the fold is that of the hour that repeats in autumn
            return {"datetime": value.isoformat(), **({"fold": 1} if value.fold else {})}
        case "envelope", Envelope():
            return asdict(value)
    return frozen(value)


def _read(field: str, plain: Any, files: bool, load: Load | None) -> Any:
    match field, plain:
        case "attachments", list():
            return [read_attachment(each, files, load) for each in plain]
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
