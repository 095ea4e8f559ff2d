"""A message's fields -> the octets of an internet message (RFC 5322, RFC 2045-2049). Pure.

Tolerant: whatever the fields hold, the result is one well-formed message. What must not be sent is
refused beforehand, by :mod:`flask_mail.checks`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, formatdate
from typing import TYPE_CHECKING

from .addresses import Address, tolerant_address
from .errors import MessageError
from .headers import (
    CRLF,
    LONGEST_LINE,
    UTF_8,
    charset_of,
    check_content_type,
    check_folded,
    check_header_name,
    check_token,
    clean,
    mailboxes,
    parameter,
    structured,
    unstructured,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from email.charset import Charset

    from .message import Attachment, Message

# Headers that describe the structure of the message, which is ours to describe; and those that
# would show blind copies to everybody (RFC 5322 section 3.6.3).
OURS = frozenset(
    {
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "content-disposition",
        "bcc",
        "resent-bcc",
    }
)

_LINE_END = re.compile("\r\n|\r|\n")
# Text that may travel as it is: tabs, line ends, the ESC of ISO-2022, printable ASCII.
_SEVEN_BIT = re.compile(rb"(?:[\t\x1b -~]{0,%d}\r\n)*[\t\x1b -~]{0,%d}" % ((LONGEST_LINE,) * 2))
_LF = re.compile(b"(?<!\r)\n")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class _Part:
    """Header fields, each without its CRLF, and the octets that follow them."""

    fields: list[str]
    body: bytes


def render(message: Message, *, ascii_attachments: bool = False) -> bytes:
    """Return the message as CRLF-terminated header lines, an empty line and the body.

    :param ascii_attachments: write attachment names in ASCII, dropping what has no equivalent.
    """
    charset = _charset(message.charset)
    content = _content(message, charset, ascii_attachments)
    fields = [*_header(message, charset), "MIME-Version: 1.0", *content.fields]
    return b"".join((_join_fields(fields), b"\r\n", content.body))


def date_header(date: object) -> str:
    """Return a ``Date:`` value in local time for seconds since the epoch, or for a datetime.

    ``None`` is now. A datetime without a time zone is local time.

    :raises MessageError: where `date` is no moment, or is out of range (RFC 5322 section 3.3).
    """
    try:
        if isinstance(date, datetime):
            return format_datetime(date if date.tzinfo else date.astimezone())
        return formatdate(None if date is None else float(date), localtime=True)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise MessageError(
            f"The date {date!r:.60} is not one: give seconds since the epoch or a datetime."
        ) from error


def attachment_name(filename: object, ascii_only: bool) -> str:
    """Return a file name that fits a header; in ASCII when `ascii_only`."""
    name = str(filename)
    if ascii_only:
        name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
        name = _SPACES.sub(" ", name).strip()
    return clean(name)


def _header(message: Message, charset: Charset) -> list[str]:
    own = {
        clean(name).lower(): (clean(name), clean(value))
        for name, value in (message.extra_headers or {}).items()
    }
    fields: list[str] = []

    def add(name: str, field: str | None) -> None:
        # A header that the user writes takes the place of ours (RFC 5322 section 3.6: at most one).
        replaced = own.pop(name.lower(), None)
        if replaced is not None:
            fields.append(unstructured(name, replaced[1], charset))
        elif field is not None:
            fields.append(field)

    subject = message.subject
    add("Subject", unstructured("Subject", _subject(subject), charset) if subject else None)
    add("From", _mailbox_field("From", [message.sender], charset))
    add("To", _mailbox_field("To", _listed(message.recipients), charset))
    add("Date", f"Date: {_date(message.date)}")
    add("Message-ID", f"Message-ID: {clean(message.msgId)}")
    add("Cc", _mailbox_field("Cc", _listed(message.cc), charset))
    add("Reply-To", _mailbox_field("Reply-To", _several(message.reply_to), charset))
    for lowered, (name, value) in own.items():
        if lowered not in OURS and _passes(check_header_name, name):
            fields.append(unstructured(name, value, charset))
    return fields


def _content(message: Message, charset: Charset, ascii_attachments: bool) -> _Part:
    text = _text_part(message.body, "text/plain", charset)
    if message.alts:
        alternatives = [
            _text_part(
                content, _checked(check_content_type, f"text/{subtype}", "text/plain"), charset
            )
            for subtype, content in message.alts.items()
        ]
        text = _multipart("alternative", [text, *alternatives], message.boundary)
    if not message.attachments:
        return text
    attached = [_attached_part(each, ascii_attachments) for each in message.attachments]
    return _multipart("mixed", [text, *attached], message.boundary)


def _multipart(subtype: str, parts: list[_Part], seed: str) -> _Part:
    # Derived from random octets of this message, so nobody can have written it into a part; and
    # fixed, so that the message has the same octets each time (RFC 2046 section 5.1.1).
    digest = hashlib.sha256(f"{seed}/{subtype}".encode()).hexdigest()[:32]
    boundary = f"=_{digest}"
    chunks = []
    for part in parts:
        chunks += [f"--{boundary}\r\n".encode(), _join_fields(part.fields), b"\r\n", part.body]
        chunks.append(b"\r\n")
    chunks.append(f"--{boundary}--\r\n".encode())
    field = structured("Content-Type", f"multipart/{subtype}", [f'boundary="{boundary}"'])
    return _Part([field], b"".join(chunks))


def _text_part(text: object, content_type: str, charset: Charset) -> _Part:
    body = _LINE_END.sub(CRLF, "" if text is None else str(text))
    label = charset.get_output_charset() or "us-ascii"
    try:
        octets = body.encode(charset.output_codec or "us-ascii")
    except UnicodeEncodeError:
        # "surrogatepass" never runs for a message that is sent: checks refuse lone surrogates.
        label, octets = "utf-8", body.encode("utf-8", "surrogatepass")
    encoding, octets = _transfer_encoded(octets)
    field = structured("Content-Type", content_type, [f'charset="{label}"'])
    return _Part([field, f"Content-Transfer-Encoding: {encoding}"], octets)


def _transfer_encoded(octets: bytes) -> tuple[str, bytes]:
    """Choose 7bit where that is legal, else quoted-printable or base64, whichever is shorter."""
    if _SEVEN_BIT.fullmatch(octets):
        return "7bit", octets
    encoded = _base64(octets)
    # Three octets for each that is escaped: only where few are can quoted-printable be shorter.
    quoted = binascii.b2a_qp(octets, istext=True)
    quoted = _LF.sub(b"\r\n", quoted)  # soft breaks follow the first line end, if there is one
    return ("quoted-printable", quoted) if len(quoted) <= len(encoded) else ("base64", encoded)


def _base64(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", b"\r\n").removesuffix(b"\r\n")


def _attached_part(attachment: Attachment, ascii_only: bool) -> _Part:
    content_type = _checked(check_content_type, attachment.content_type, "application/octet-stream")
    data = attachment.data
    parameters: list[str] = []
    if isinstance(data, str):
        octets = data.encode("utf-8", "surrogatepass")
        if content_type.startswith("text/") and "charset=" not in content_type.lower():
            parameters.append('charset="utf-8"')
    else:
        octets = bytes(data)
    encoding = "base64"
    if content_type.lower().startswith("message/") and _SEVEN_BIT.fullmatch(octets):
        encoding = "7bit"  # RFC 2046 section 5.2.1 forbids base64 here
    else:
        octets = _base64(octets)
    disposition: list[str] = []
    if attachment.filename is not None:
        disposition = parameter("filename", attachment_name(attachment.filename, ascii_only))
    fields = [
        structured("Content-Type", content_type, parameters),
        f"Content-Transfer-Encoding: {encoding}",
        structured(
            "Content-Disposition",
            _checked(check_token, attachment.disposition, "attachment"),
            disposition,
        ),
    ]
    for written, value in attachment.headers.items():
        name = clean(written)
        if name.lower() not in OURS and _passes(check_header_name, name):
            fields.append(unstructured(name, clean(value)))
    return _Part(fields, octets)


# What follows reads fields that may hold anything.


def _mailbox_field(name: str, values: Iterable[object], charset: Charset) -> str | None:
    seen: dict[str, Address] = {}
    for value in values:
        if value:
            address = tolerant_address(value)
            seen.setdefault(address.addr_spec, address)
    return mailboxes(name, seen.values(), charset) if seen else None


def _listed(values: object) -> list[object]:
    # A bare string where a list belongs is one address here, and an error when it is sent.
    return [values] if isinstance(values, (str, bytes)) else list(values or [])  # type: ignore[call-overload]


def _several(value: object) -> list[object]:
    """Read a field that is one address (a str or a pair) or a list of them."""
    return value if isinstance(value, list) else [value]


def _subject(value: object) -> str:
    try:
        return check_folded(value, "subject")
    except MessageError:
        return clean(value)


def _charset(name: object) -> Charset:
    return charset_of(name) if name and _passes(charset_of, name) else UTF_8


def _date(value: object) -> str:
    return date_header(value if _passes(date_header, value) else None)


def _checked(check: Callable[[object, str], str], value: object, default: str) -> str:
    try:
        return check(value, "")
    except MessageError:
        return default


def _passes(check: Callable[[object], object], value: object) -> bool:
    try:
        check(value)
    except MessageError:
        return False
    return True


def _join_fields(fields: list[str]) -> bytes:
    return "".join(f"{field}\r\n" for field in fields).encode("utf-8")
