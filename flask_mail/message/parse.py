"""Parsing of internet messages into the fields of a `Message`.

For messages of any origin: malformed ones are parsed as well as possible, in bounded time and
depth.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from ..address.parser import parse_address
from ..errors import MessageError
from ..mime.charsets import decode_best
from ..mime.checks import (
    charset_of,
    check_content_type,
    check_disposition,
    check_header_name,
    clean,
)
from ..mime.dates import date_header
from ..mime.fields import given_parameters
from ..mime.flowed import unwrap
from ..mime.parser import Entity, Value, decode_text
from ..mime.parts import OURS, tolerated
from ..mime.render import OF_ADDRESSES
from ..util.text import MAX_TEXT
from .attachment import Attachment
from .fields import sender_text

_DEEPEST = 20
_MOST_PARTS = 1000
_LONGEST_LIST = 1_000_000
"""Characters of an address header: some tens of thousands of mailboxes."""
_LONGEST_DATE = 100

_META = re.compile(
    rb"<meta[^>]{1,200}charset\s*=\s*[\"']?([\w.:+-]{1,40})", re.ASCII | re.IGNORECASE
)
_LONGEST_META = 1024  # octets, as browsers look for it
# Other programs also write comments and semicolons. An unclosed quoted-string or comment ends with
# the text, so this takes linear time.
_ITEM = re.compile(r'(?:"(?:[^"\\]|\\.?)*"?|\((?:[^()\\]|\\.?)*\)?|[^",;()]|\))+')
_ROUGH_ITEM = re.compile(r"[^,;]+")
_GROUP = re.compile(r'\A[^"<>@:,]*:')  # anchored, as a search would take quadratic time

_FIELDS = frozenset(
    {"subject", "from", "to", "cc", "bcc", "reply-to", "date", "message-id", "mime-version"}
)
# Parameters of a content type that rendering writes.
_WRITING = frozenset({"name", "boundary"})


class Reading:
    """Collects the text, alternatives and attachments of one message."""

    def __init__(self) -> None:
        self.body: str | None = None
        self.alts: dict[str, str] = {}
        self.attachments: list[Attachment] = []
        self.charsets: set[str] = set()
        self._parts = 0

    def read(self, part: Entity, depth: int = 0, *, is_alternative: bool = False) -> None:
        """Add a part, and the parts in it."""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise MessageError(f"The message has more than {_MOST_PARTS} parts.")
        kind = _kind(part)
        is_text = kind.startswith("text/") and not _is_file(part)
        if kind.startswith("multipart/"):
            before = self._parts
            for each in part.parts():
                if depth >= _DEEPEST:
                    raise MessageError(f"The message has parts nested over {_DEEPEST} levels deep.")
                self.read(each, depth + 1, is_alternative=kind == "multipart/alternative")
            if self._parts == before:  # an empty multipart is kept as a file
                self.attachments.append(_attachment(part))
        elif kind == "text/plain" and self.body is None and is_text:
            self.body = self._text(part)
        elif kind == "text/html" and "html" not in self.alts and is_text:
            self.alts["html"] = self._text(part)
        elif is_alternative and is_text:
            self.alts[_content_type(part, {"charset"}).removeprefix("text/")] = self._text(part)
        else:
            self.attachments.append(_attachment(part))

    def _text(self, part: Entity) -> str:
        octets = part.octets()
        parameters = part.content_type.parameters
        charset = parameters.get("charset", "").lower()
        if octets.startswith(BOM_UTF8):
            octets, charset = octets[len(BOM_UTF8) :], "utf-8"
        elif not charset and part.content_type.main == "text/html":
            found = _META.search(octets[:_LONGEST_META])
            charset = found[1].decode() if found else ""
        self.charsets.add(charset or "utf-8")
        text = decode_best(octets, charset).replace("\r\n", "\n").replace("\r", "\n")
        if _kind(part) == "text/plain" and parameters.get("format", "").lower() == "flowed":
            return unwrap(text, delete_spaces=parameters.get("delsp", "").lower() == "yes")
        return text


def fields_of(content: object) -> dict[str, Any]:
    """Return the fields of a message, by their names in `Message`.

    :raises MessageError: it is not bytes, is nested too deeply, or has too many parts or addresses.
    """
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise MessageError(
            f"from_bytes() requires bytes, not {type(content).__name__}: open files in binary mode"
            ' ("rb").'
        )
    return fields_in(Entity.of(bytes(content)))


def fields_in(message: Entity) -> dict[str, Any]:
    """Return the same as :func:`fields_of` for a parsed message."""
    reading = Reading()
    reading.read(message)
    first: dict[str, str] = {}
    for name, value in message.fields:
        first.setdefault(name.lower(), value)
    reply_to = list(_mailboxes(first.get("reply-to")))
    fields: dict[str, Any] = {
        "subject": _text(decode_text(first.get("subject", ""))),
        "sender": next(map(sender_text, _mailboxes(first.get("from"))), None),
        "reply_to": reply_to[0] if len(reply_to) == 1 else reply_to or None,
        "date": _date(first.get("date")),
        "body": reading.body,
        "alts": reading.alts,
        "attachments": reading.attachments,
        "extra_headers": _further(message.fields, _FIELDS) or None,
    }
    for field, name in (("recipients", "to"), ("cc", "cc"), ("bcc", "bcc")):
        fields[field] = list(_mailboxes(first.get(name)))
    if message_id := _text(first.get("message-id", "")):
        fields["msgId"] = message_id
    charsets = reading.charsets - {"us-ascii"}
    # A charset without a codec cannot be written.
    if (
        len(charsets) == 1
        and charsets != {"utf-8"}
        and tolerated(charset_of, *charsets) is not None
    ):
        fields["charset"] = charsets.pop()
    return fields


def _further(headers: list[tuple[str, str]], known: frozenset[str]) -> dict[str, str]:
    further: dict[str, str] = {}
    seen = set(known | OURS)
    for name, value in headers:
        lowered = name.lower()
        # An invalid name would be an error when the message is sent again.
        if lowered not in seen and tolerated(check_header_name, name, "") is not None:
            seen.add(lowered)
            further[name] = _text(value if lowered in OF_ADDRESSES else decode_text(value))
    return further


def _attachment(part: Entity) -> Attachment:
    attachment = Attachment(data=part.octets())
    name = _name(part)
    attachment.filename = None if name is None else clean(name)
    attachment.content_type = _content_type(part, set())
    disposition = _written(part.disposition, {"filename"})
    is_one = tolerated(check_disposition, disposition, "") is not None
    attachment.disposition = disposition if is_one else "attachment"
    attachment.headers = _further(part.fields, frozenset())
    return attachment


def _is_file(part: Entity) -> bool:
    return part.disposition.main == "attachment" or _name(part) is not None


def _name(part: Entity) -> str | None:
    name = part.disposition.parameters.get("filename")
    return part.content_type.parameters.get("name") if name is None else name


def _kind(part: Entity) -> str:
    kind = part.content_type.main
    return kind if kind.count("/") == 1 else "text/plain"  # RFC 2045 section 5.2


def _content_type(part: Entity, without: set[str]) -> str:
    kind = _kind(part)
    written = _written(Value(kind, part.content_type.parameters), _WRITING | without)
    for each in (written, kind):
        if tolerated(check_content_type, each, "") is not None:
            return each
    return "application/octet-stream"


def _written(value: Value, without: set[str] | frozenset[str]) -> str:
    parameters = {
        name: clean(each) for name, each in value.parameters.items() if name not in without
    }
    return "; ".join([value.main, *given_parameters(parameters)])


def _mailboxes(value: str | None) -> Iterator[str | tuple[str, str]]:
    """Yield the mailboxes of an address header.

    Invalid ones with an @ are kept unchanged, so that sending raises instead of silently dropping
    a recipient.

    :raises MessageError: the header is too long; truncating it could invent an address.
    """
    written = _text(value or "")
    if len(written) > _LONGEST_LIST:
        raise MessageError(
            f"The message has an address header of more than {_LONGEST_LIST} characters."
        )
    for item in _ITEM.findall(written):
        if "@" not in item:
            continue
        if (found := _mailbox(item)) is not None:
            yield found
            continue
        for each in _ROUGH_ITEM.findall(item):  # the parenthesis of :-( begins no comment
            if (found := _mailbox(each)) is not None:
                yield found
            elif "@" in each:
                yield each.strip()[:MAX_TEXT]


def _mailbox(item: str) -> str | tuple[str, str] | None:
    shown = item.strip()
    # Replace a group (RFC 5322 section 3.4) by its members.
    for each in (shown, _GROUP.sub("", shown, count=1)):
        address = tolerated(parse_address, each, "address")
        if address is not None:
            # A name of encoded-words alone is already decoded; do not decode it twice.
            name = clean(decode_text(address.name) if address.name in each else address.name)
            return (name, address.addr_spec) if name else address.addr_spec
        # Words that Python decodes to controls, such as Windows-1252 labelled ISO-8859-1.
        words, _, spec = each.rpartition("<")
        if "=?" in words and "@" not in words and spec.endswith(">"):
            name = clean(decode_text(words.strip()))
            if (address := tolerated(parse_address, (name, spec[:-1]), "address")) is not None:
                return (name, address.addr_spec) if name else address.addr_spec
    return None


def _date(value: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime((value or "")[:_LONGEST_DATE])
    except Exception:  # noqa: BLE001 (the class depends on the version of Python)
        return None
    date = date if date.tzinfo is not None else date.replace(tzinfo=timezone.utc)
    return date if tolerated(date_header, date) else None


def _text(value: str) -> str:
    return clean(value.replace("\t", " "))
