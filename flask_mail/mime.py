"""A message's fields -> the octets of an internet message (RFC 5322, RFC 2045-2049). Pure.

Tolerant: whatever the fields hold, the result is one well-formed message. What must not be sent is
refused beforehand, by :mod:`flask_mail.checks`.
"""

from __future__ import annotations

import hashlib
import re
import time
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, formatdate
from typing import TYPE_CHECKING, Any, TypeVar

from .addresses import Address, tolerant_address
from .errors import MessageError
from .headers import (
    CRLF,
    UTF_8,
    as_text,
    ascii_form,
    charset_of,
    check_content_type,
    check_disposition,
    check_folded,
    check_header_name,
    clean,
    given_parameters,
    mailboxes,
    parameter,
    parse_mailboxes,
    structured,
    unstructured,
    verbatim,
)
from .texts import decode_words, describe
from .words import SEVEN_BIT, encode_base64, encode_text, transfer_encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.charset import Charset

    from .attachment import Attachment
    from .message import Message

T = TypeVar("T")

# Headers that describe the structure of the message, which is ours to describe; and those that
# would show blind copies to everybody (RFC 5322 section 3.6.3).
OURS = frozenset(
    {
        "bcc",
        "content-disposition",
        "content-transfer-encoding",
        "content-type",
        "mime-version",
        "resent-bcc",
    }
)
# Headers that hold addresses: a reader looks for those outside of encoded-words only.
OF_ADDRESSES = frozenset(
    {"from", "reply-to", "sender", "to", "cc"}
    | {"resent-from", "resent-sender", "resent-to", "resent-cc"}
    | {"disposition-notification-to", "return-receipt-to", "errors-to"}
)
# The headers that RFC 5322 section 3.6 allows once and that we do not write ourselves.
_ONCE = frozenset({"sender", "in-reply-to", "references"})

_LINE_END = re.compile("\r\n|\r|\n")
_OCTETS_LINE_END = re.compile(b"\r\n|\r|\n")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class _Part:
    """Header fields, each without its CRLF, and the octets that follow them."""

    fields: list[str]
    body: bytes


def render(message: Message, *, ascii_attachments: bool = False, now: float | None = None) -> bytes:
    """Return the message as CRLF-terminated header lines, an empty line and the body.

    :param ascii_attachments: write attachment names in ASCII, dropping what has no equivalent.
    :param now: the date of a message that has none, in seconds since the epoch.
    """
    charset = (message.charset and _tolerate(charset_of, message.charset)) or UTF_8
    content = _content(message, charset, ascii_attachments)
    fields = [*_header(message, charset, now), "MIME-Version: 1.0", *content.fields]
    return b"".join((_join_fields(fields), b"\r\n", content.body))


def date_header(date: object) -> str:
    """Return a ``Date:`` value for seconds since the epoch, in local time, or for a datetime.

    A datetime without a time zone is local time.

    :raises MessageError: where `date` is no moment, or is before 1900 (RFC 5322 section 3.3) or
        after 9999.
    """
    try:
        if isinstance(date, datetime):
            moment = date if date.utcoffset() is not None else date.astimezone()
            written, year = format_datetime(moment), moment.year
        else:
            seconds = date.__float__()  # type: ignore[attr-defined]  # float() reads strings too
            written, year = formatdate(seconds, localtime=True), time.localtime(seconds).tm_year
        if year < 1900:
            raise ValueError(year)
    except (AttributeError, TypeError, ValueError, OverflowError, OSError) as error:
        raise MessageError(
            f"The date {describe(date)} cannot be used: give a datetime or seconds since the epoch,"
            " from 1900 on."
        ) from error
    return written


def attachment_name(filename: object, ascii_only: bool) -> str:
    """Return a file name that fits a header; in ASCII when `ascii_only`."""
    name = decode_words(clean(filename))
    if ascii_only:
        name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
        name = _SPACES.sub(" ", name).strip()
    return clean(name)


def addresses_in(value: object) -> list[object]:
    """Return the items of a field that is a list of addresses, one (name, address) pair or one str.

    Pairs that travelled as JSON are lists.
    """
    if isinstance(value, (list, tuple)):
        pair = isinstance(value, tuple) or (len(value) == 2 and "@" not in as_text(value[0]))
        return [value] if pair else list(value)
    return [value] if value else []


def _header(message: Message, charset: Charset, now: float | None) -> list[str]:
    subject = _tolerate(check_folded, message.subject, "") or clean(message.subject)
    date = None if message.date is None else _tolerate(date_header, message.date)
    ours = {
        "Subject": unstructured("Subject", subject, charset) if subject else None,
        "From": _mailbox_field("From", [message.sender], charset),
        "To": _mailbox_field("To", _listed(message.recipients), charset),
        "Date": f"Date: {date or date_header(time.time() if now is None else now)}",
        "Message-ID": unstructured("Message-ID", clean(message.msgId)),
        "Cc": _mailbox_field("Cc", _listed(message.cc), charset),
        "Reply-To": _mailbox_field("Reply-To", addresses_in(message.reply_to), charset),
    }
    extra = _allowed(message.extra_headers)
    last = {name.lower(): value for name, value in extra}
    # A header that the user writes takes the place of ours (RFC 5322 section 3.6: at most one).
    fields = [
        _extra_field(name, last[name.lower()], charset) if name.lower() in last else field
        for name, field in ours.items()
    ]
    written = {name.lower() for name in ours}
    for name, value in extra:
        lowered = name.lower()
        if lowered not in written:
            single = lowered in _ONCE
            fields.append(_extra_field(name, last[lowered] if single else value, charset))
            if single:
                written.add(lowered)
    return [field for field in fields if field is not None]


def _extra_field(name: str, value: str, charset: Charset) -> str:
    # Spaces around a value mean nothing; encoded, they would spoil one that has a syntax.
    text = value.strip(" ") if value.isascii() else value
    written = None
    if name.lower() in OF_ADDRESSES:
        if text.isascii():
            written = verbatim(name, text)
        elif addresses := _tolerate(parse_mailboxes, text, name):
            written = mailboxes(name, addresses, charset)
    return written or unstructured(name, text, charset)


def _content(message: Message, charset: Charset, ascii_attachments: bool) -> _Part:
    text = _text_part(message.body, ("text/plain", {}), charset)
    alternatives = [
        _text_part(
            content,
            _tolerate(check_content_type, f"text/{subtype}", "") or ("text/plain", {}),
            charset,
        )
        for subtype, content in _items(message.alts)
    ]
    if alternatives:
        text = _multipart("alternative", [text, *alternatives], message)
    attached = [
        _attached_part(each, ascii_attachments)
        for each in _listed(message.attachments)
        if hasattr(each, "content_type")
    ]
    return _multipart("mixed", [text, *attached], message) if attached else text


def _multipart(subtype: str, parts: list[_Part], message: Message) -> _Part:
    # Fixed for a message, so that it has the same octets each time, and in none of its parts, also
    # where they hold this message or come from somebody who knows its ID (RFC 2046 section 5.1.1).
    delimiter = _delimiter(f"{clean(message.msgId)}/{subtype}".encode())
    while any(delimiter in part.body for part in parts):
        delimiter = _delimiter(delimiter)
    chunks = []
    for part in parts:
        chunks += [delimiter, b"\r\n", _join_fields(part.fields), b"\r\n", part.body, b"\r\n"]
    chunks += [delimiter, b"--\r\n"]
    boundary = f'boundary="{delimiter[2:].decode()}"'
    return _Part([structured("Content-Type", f"multipart/{subtype}", [boundary])], b"".join(chunks))


def _delimiter(seed: bytes) -> bytes:
    return b"--=_" + hashlib.sha256(seed).hexdigest()[:32].encode()


def _text_part(text: object, content_type: tuple[str, dict[str, str]], charset: Charset) -> _Part:
    octets, label = encode_text(_LINE_END.sub(CRLF, as_text(text)), charset)
    main, parameters = content_type
    parameters.pop("charset", None)
    encoding, octets = transfer_encode(octets, label)
    field = structured("Content-Type", main, [*given_parameters(parameters), f'charset="{label}"'])
    return _Part([field, f"Content-Transfer-Encoding: {encoding}"], octets)


def _attached_part(attachment: Attachment, ascii_only: bool) -> _Part:
    main, parameters = _tolerate(check_content_type, attachment.content_type, "") or (
        "application/octet-stream",
        {},
    )
    disposition, further = _tolerate(check_disposition, attachment.disposition, "") or (
        "attachment",
        {},
    )
    named: list[str] = []
    if attachment.filename is not None:
        name = attachment_name(attachment.filename, ascii_only)
        further.pop("filename", None)
        named = parameter("filename", name)
        if named[0].startswith("filename*"):
            # Not filename= in the same header: some readers, Python's among them, prefer it.
            parameters.setdefault("name", ascii_form(name))
    encoding, octets = _attached_octets(attachment.data, main.lower(), parameters)
    return _Part(
        [
            structured("Content-Type", main, given_parameters(parameters)),
            f"Content-Transfer-Encoding: {encoding}",
            structured("Content-Disposition", disposition, [*named, *given_parameters(further)]),
            *(unstructured(name, value) for name, value in _allowed(attachment.headers)),
        ],
        octets,
    )


def _attached_octets(data: object, kind: str, parameters: dict[str, str]) -> tuple[str, bytes]:
    """Encode `data`; where that is text, `parameters` will tell how."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        octets = bytes(data)
    else:
        codec = parameters.get("charset", "utf-8")
        try:
            octets = as_text(data).encode(codec)
        except (LookupError, UnicodeError):
            octets, codec = as_text(data).encode("utf-8", "replace"), "utf-8"
        if kind.startswith("text/"):
            parameters["charset"] = codec
    if kind.startswith("message/"):
        # RFC 2046 section 5.2.1 forbids base64; a message is text, whatever its line ends are.
        lines = _OCTETS_LINE_END.sub(b"\r\n", octets)
        if SEVEN_BIT.fullmatch(lines):
            return "7bit", lines
    return "base64", encode_base64(octets)


# What follows reads fields that may hold anything.


def _mailbox_field(name: str, values: Iterable[object], charset: Charset) -> str | None:
    seen: dict[tuple[str, str], Address] = {}
    for value in values:
        address = tolerant_address(value)
        seen.setdefault((address.local, address.domain.lower()), address)
    seen.pop(("", ""), None)
    return mailboxes(name, seen.values(), charset) if seen else None


def _listed(values: object) -> Iterable[Any]:
    # A bare string where a list belongs is one address here, and an error when it is sent.
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes, Mapping)):
        return values
    return [values]


def _items(mapping: object) -> Iterable[tuple[object, object]]:
    return mapping.items() if isinstance(mapping, Mapping) else ()


def _allowed(headers: object) -> list[tuple[str, str]]:
    return [
        (name, clean(value))
        for name, value in ((clean(name), value) for name, value in _items(headers))
        if name.lower() not in OURS and _tolerate(check_header_name, name, "") is not None
    ]


def _tolerate(check: Callable[..., T], value: object, *field: str) -> T | None:
    try:
        return check(value, *field)
    except MessageError:
        return None


def _join_fields(fields: list[str]) -> bytes:
    return "".join(f"{field}\r\n" for field in fields).encode("utf-8")
