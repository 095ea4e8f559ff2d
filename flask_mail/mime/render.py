"""Rendering of a message's fields as an internet message (RFC 5322, RFC 2045-2049). Pure.

Tolerant: any fields give one well-formed message. :mod:`flask_mail.message.validation` refuses
fields that must not be sent.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Set
from functools import cached_property
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..address.parser import Address, is_pair, tolerant_address
from ..util.patterns import lazy_pattern
from .checks import UTF_8, as_text, charset_of, check_folded, clean
from .content import LARGE, Content
from .data_headers import is_data, with_folds
from .dates import date_header
from .fields import mailboxes, parse_mailboxes, unstructured, verbatim
from .parts import (
    Part,
    allowed,
    alternative_type,
    attached_part,
    content_id_in,
    items,
    joined,
    multipart,
    text_part,
    tolerated,
)

if TYPE_CHECKING:
    from email.charset import Charset

    from .protocols import RenderedAttachment, RenderedMessage

# Headers with addresses, which readers do not look for in encoded-words.
OF_ADDRESSES = frozenset(
    {"from", "reply-to", "sender", "to", "cc"}
    | {"resent-from", "resent-sender", "resent-to", "resent-cc"}
    | {"disposition-notification-to", "return-receipt-to", "errors-to"}
)
# Headers that RFC 5322 section 3.6 allows once and that only users set.
_ONCE = frozenset({"sender", "in-reply-to", "references"})
_CID = lazy_pattern(r"\bcid:([^\s\"'<>()]+)", re.IGNORECASE)


def render(
    message: RenderedMessage, *, ascii_attachments: bool = False, now: float | None = None
) -> bytes | Content:
    """Return the message as CRLF-terminated header lines, an empty line and the body.

    :param ascii_attachments: write attachment names in ASCII, dropping characters without an
        equivalent.
    :param now: default for the date, in seconds since the epoch.
    """
    charset = (message.charset and tolerated(charset_of, message.charset)) or UTF_8
    part = _content(message, charset, ascii_attachments)
    header = joined(_header(message, charset, now))
    top = f"{header}MIME-Version: 1.0\r\n{part.head}\r\n".encode()
    pieces = (top, *part.body)
    if sum(map(len, pieces)) > LARGE:
        return Content(pieces)
    return b"".join([each if type(each) is bytes else bytes(each) for each in pieces])


def addresses_in(value: object) -> list[object]:
    """Return as a list a field that is one address, a (name, address) pair or a collection."""
    if not value:
        return []
    if isinstance(value, (list, tuple, Set)) and not is_pair(value):
        return list(value)
    return [value]


def _header(message: RenderedMessage, charset: Charset, now: float | None) -> list[str]:
    subject = tolerated(check_folded, message.subject, "") or clean(message.subject)
    date = None if message.date is None else tolerated(date_header, message.date)
    fields = {
        "Subject": unstructured("Subject", subject, charset) if subject else None,
        "From": _mailbox_field("From", [message.sender], charset),
        "To": _mailbox_field("To", message.recipients, charset),
        "Date": f"Date: {date or date_header(time.time() if now is None else now)}",
        "Message-ID": unstructured("Message-ID", clean(message.msgId)),
        "Cc": _mailbox_field("Cc", message.cc, charset) if message.cc else None,
        "Reply-To": _mailbox_field("Reply-To", addresses_in(message.reply_to), charset)
        if message.reply_to
        else None,
    }
    extra = message.extra_headers
    further = _extra_fields(fields, allowed(extra), charset) if extra else []
    return [field for field in (*fields.values(), *further) if field is not None]


def _extra_fields(
    fields: dict[str, str | None], extra: list[tuple[str, str]], charset: Charset
) -> list[str]:
    """Return the user's own headers; those that replace one of `fields` are put there."""
    ours = {name.lower(): name for name in fields} if extra else {}
    last = {name.lower(): value for name, value in extra}
    further = []
    for name, value in extra:
        lowered = name.lower()
        # RFC 5322 section 3.6 allows one at most.
        if lowered in ours:
            fields[ours[lowered]] = _extra_field(ours[lowered], last[lowered], charset)
        elif lowered not in _ONCE:
            further.append(_extra_field(name, value, charset))
        elif lowered in last:
            further.append(_extra_field(name, last.pop(lowered), charset))
    return further


def _extra_field(name: str, value: str, charset: Charset) -> str:
    # Spaces around a value mean nothing, and encoded they would break its syntax.
    text = with_folds(name, value.strip(" ") if value.isascii() else value)
    written = None
    if text.isascii() and (text != value.strip(" ") or is_data(name)):
        written = verbatim(name, text)
    if name.lower() in OF_ADDRESSES:
        if text.isascii():
            written = verbatim(name, text)
        elif addresses := tolerated(parse_mailboxes, text, name):
            written = mailboxes(name, addresses, charset)
    return written or unstructured(name, text, charset)


def _content(message: RenderedMessage, charset: Charset, ascii_attachments: bool) -> Part:
    """Return mixed(related(alternative(text, HTML, ...), inline parts), attachments), as needed."""
    alternatives = [
        text_part(content, alternative_type(name), charset) for name, content in items(message.alts)
    ]
    text = message.body
    if not text and alternatives:
        text = _text_instead(message.alts)
    content = text_part(text, "text/plain", charset)
    seed = clean(message.msgId)
    if alternatives:
        content = multipart("alternative", [content, *alternatives], seed)
    if not message.attachments:
        return content
    shown: list[Part] = []
    attached: list[Part] = []
    wanted = _Wanted(message.alts)
    for each in _listed(message.attachments):
        if hasattr(each, "content_type"):
            part = attached_part(each, ascii_attachments)
            (shown if wanted.shows(each) else attached).append(part)
    if shown:
        content = multipart("related", [content, *shown], seed, "multipart/alternative")
    return multipart("mixed", [content, *attached], seed) if attached else content


def _text_instead(alternatives: object) -> str:
    """Return the HTML as text, for readers without HTML."""
    for subtype, content in items(alternatives):
        if clean(subtype).partition(";")[0].strip().lower() == "html":
            from .html_text import text_of_html

            return text_of_html(as_text(content))
    return ""


class _Wanted:
    """The attachments that the alternatives show, which go into multipart/related (RFC 2387)."""

    def __init__(self, alternatives: object) -> None:
        self._alternatives = [as_text(content) for _, content in items(alternatives)]

    def shows(self, attachment: RenderedAttachment) -> bool:
        content_id = content_id_in(attachment.headers)
        if not content_id or not self._alternatives:
            return False
        if clean(attachment.disposition).lower().startswith("inline"):
            return True
        # Without "inline", it must be referred to: a reader may hide other related parts.
        return content_id in self._referred

    @cached_property
    def _referred(self) -> set[str]:
        found = [each for text in self._alternatives for each in content_ids_in(text)]
        return {*found, *map(unquote, found)}  # RFC 2392 percent-encodes them


def content_ids_in(html: str) -> list[str]:
    """Return the Content-IDs after ``cid:`` in HTML, in order."""
    return _CID.findall(unescape(html))


def _mailbox_field(name: str, values: object, charset: Charset) -> str | None:
    if not values:
        return None
    seen: dict[tuple[str, str], Address] = {}
    for value in _listed(values):
        address = tolerant_address(value)
        seen.setdefault((address.local, address.domain.lower()), address)
    seen.pop(("", ""), None)
    return mailboxes(name, seen.values(), charset) if seen else None


def _listed(values: object) -> Iterable[Any]:
    # A bare string is rendered as one address; sending it raises.
    if type(values) is list:
        return values
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes, Mapping)):
        return values
    return [values]
