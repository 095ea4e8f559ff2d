"""An internet message -> the fields of a `Message`: the way back of :mod:`flask_mail.mime`.

For messages of any origin: whatever they hold, the best reading of it, in bounded time and depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import Message as Parsed
from email.utils import collapse_rfc2231_value, parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .addresses import parse_address
from .attachment import Attachment
from .copies import sender_text
from .errors import MessageError
from .headers import clean, given_parameters, list_items
from .mime import OF_ADDRESSES
from .parts import OURS, tolerated

if TYPE_CHECKING:
    from .addresses import Address

    Part: TypeAlias = Parsed[Any, Any]

T = TypeVar("T")

_DEEPEST = 20
_MOST_PARTS = 1000
_LONGEST_LIST = 100_000
"""Characters of an address header: more is not read."""

_FOLD = re.compile(r"\r?\n(?=[ \t])")
_LINE_END = re.compile("\r\n|\r|\n")
_GROUP = re.compile(r'[^"<>@:,]*:')
# Headers of attached messages stay as they are.
_AS_IT_IS = policy.compat32.clone(mangle_from_=False, max_line_length=None, linesep="\r\n")

_FIELDS = frozenset(
    {"subject", "from", "to", "cc", "bcc", "reply-to", "date", "message-id", "mime-version"}
)
# Those of a content type that say how it was written, which is ours to say.
_WRITING = frozenset({"name", "boundary"})


class Reading:
    """What is found in one message."""

    def __init__(self) -> None:
        self.body: str | None = None
        self.alts: dict[str, str] = {}
        self.attachments: list[Attachment] = []
        self.charsets: set[str] = set()
        self._parts = 0

    def read(self, part: Part, depth: int = 0, *, is_alternative: bool = False) -> None:
        """Take a part, with those that it has."""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise MessageError(f"The message has more than {_MOST_PARTS} parts.")
        kind = part.get_content_type()
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            if depth >= _DEEPEST:
                raise MessageError(f"The message has parts in parts, {_DEEPEST} deep and more.")
            each: Any
            for each in payload:
                self.read(each, depth + 1, is_alternative=kind == "multipart/alternative")
        elif kind == "text/plain" and self.body is None and not _is_file(part):
            self.body = self._text(part)
        elif kind == "text/html" and "html" not in self.alts and not _is_file(part):
            self.alts["html"] = self._text(part)
        elif is_alternative and kind.startswith("text/") and not _is_file(part):
            self.alts[_content_type(part, {"charset"}).removeprefix("text/")] = self._text(part)
        else:
            self.attachments.append(_attachment(part))

    def _text(self, part: Part) -> str:
        octets = _octets(part)
        charset = _safely(part.get_content_charset, None) or "utf-8"
        try:
            text = octets.decode(charset)
        except (LookupError, ValueError):
            text = octets.decode("utf-8", "replace")
        else:
            self.charsets.add(charset)
        return _LINE_END.sub("\n", text)


def fields_of(content: bytes) -> dict[str, Any]:
    """Return the fields of a message, by the names that they have in `Message`.

    :raises MessageError: it is nested too deeply, or has too many parts.
    """
    try:
        parsed = message_from_bytes(content)
        reading = Reading()
        reading.read(parsed)
    except RecursionError:
        raise MessageError("The message is nested too deeply to be read.") from None
    headers = [(name, _raw(value)) for name, value in parsed.raw_items()]
    first: dict[str, str] = {}
    for name, value in headers:
        first.setdefault(name.lower(), value)
    reply_to = [_pair(each) for each in _mailboxes(first.get("reply-to"))]
    fields: dict[str, Any] = {
        "subject": _text(_decoded(first.get("subject", ""))),
        "sender": next((sender_text(_pair(each)) for each in _mailboxes(first.get("from"))), None),
        "reply_to": reply_to[0] if len(reply_to) == 1 else reply_to or None,
        "date": _date(first.get("date")),
        "body": reading.body,
        "alts": reading.alts,
        "attachments": reading.attachments,
        "extra_headers": _further(headers),
    }
    for field, name in (("recipients", "to"), ("cc", "cc"), ("bcc", "bcc")):
        fields[field] = [_pair(each) for each in _mailboxes(first.get(name))]
    if message_id := _text(first.get("message-id", "")):
        fields["msgId"] = message_id
    charsets = reading.charsets - {"us-ascii"}
    if len(charsets) == 1 and charsets != {"utf-8"}:
        fields["charset"] = charsets.pop()
    return fields


def _further(headers: list[tuple[str, str]]) -> dict[str, str] | None:
    further: dict[str, str] = {}
    seen = set(_FIELDS | OURS)
    for name, value in headers:
        lowered = name.lower()
        if lowered not in seen:
            seen.add(lowered)
            further[name] = _text(value if lowered in OF_ADDRESSES else _decoded(value))
    return further or None


def _attachment(part: Part) -> Attachment:
    attachment = Attachment(data=_octets(part))
    name = _name(part)
    attachment.filename = None if name is None else clean(name)
    attachment.content_type = _content_type(part, set())
    attachment.disposition = _safely(part.get_content_disposition, None) or "attachment"
    attachment.headers = {
        name: _text(_decoded(_raw(value)))
        for name, value in part.raw_items()
        if name.lower() not in OURS
    }
    return attachment


def _octets(part: Part) -> bytes:
    payload: Any = part.get_payload()
    if isinstance(payload, list):  # a message, or several
        return b"".join(map(_as_it_is, payload))
    octets: Any = _safely(lambda: part.get_payload(decode=True), None)
    return octets or b""


def _as_it_is(part: Part) -> bytes:
    return _safely(lambda: part.as_bytes(policy=_AS_IT_IS), b"")


def _is_file(part: Part) -> bool:
    disposition = _safely(part.get_content_disposition, None)
    return disposition == "attachment" or _name(part) is not None


def _name(part: Part) -> str | None:
    name = _parameter(part, "filename", "content-disposition")
    return _parameter(part, "name") if name is None else name


def _content_type(part: Part, without: set[str]) -> str:
    given = dict.fromkeys(each[0].lower() for each in _parameters(part, "content-type")[1:])
    parameters = {
        name: clean(_parameter(part, name) or "")
        for name in given
        if name not in _WRITING | without
    }
    return "; ".join([part.get_content_type(), *given_parameters(parameters)])


def _parameter(part: Part, name: str, header: str = "content-type") -> str | None:
    values = [value for key, value in _parameters(part, header)[1:] if key.lower() == name]
    # As RFC 2231 has it, before the ASCII form that old readers get.
    values.sort(key=lambda value: not isinstance(value, tuple))
    if not values:
        return None
    return _decoded(_safely(lambda: collapse_rfc2231_value(values[0]), str(values[0])))


def _parameters(part: Part, header: str) -> list[tuple[str, Any]]:
    return _safely(lambda: part.get_params([], header), None) or [("", "")]


def _mailboxes(value: str | None) -> Iterator[Address]:
    """Read the mailboxes of an address header, as far as they are some."""
    text = _FOLD.sub("", value or "")[:_LONGEST_LIST]
    for item in list_items(text):
        shown = clean(item).strip()
        # A group (RFC 5322 section 3.4) is its members.
        for each in (shown, _GROUP.sub("", shown, count=1).rstrip("; ")):
            address = tolerated(parse_address, each, "address")
            if address is not None:
                yield address
                break


def _pair(address: Address) -> str | tuple[str, str]:
    name = clean(_decoded(address.name))
    return (name, address.addr_spec) if name else address.addr_spec


def _date(value: str | None) -> datetime | None:
    date = value and _safely(lambda: parsedate_to_datetime(_FOLD.sub("", value)), None)
    if not date:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=timezone.utc)


def _text(value: str) -> str:
    return clean(_FOLD.sub("", value).replace("\t", " ")).strip()


def _raw(value: object) -> str:
    """Return a header as text: the parser leaves octets that are not ASCII as surrogates."""
    return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _decoded(value: str) -> str:
    text = _FOLD.sub("", value)
    if "=?" not in text:
        return text
    return _safely(lambda: str(make_header(decode_header(text))), text)


def _safely(read: Callable[[], T], otherwise: T) -> T:
    """Return what `read` does; the standard library's parser fails on some input."""
    try:
        return read()
    except Exception:  # noqa: BLE001
        return otherwise
