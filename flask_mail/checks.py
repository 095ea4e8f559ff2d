"""What must hold of a message before anything of it is sent. Pure."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from .addresses import parse_address
from .errors import BadHeaderError, MessageError
from .headers import (
    charset_of,
    check_content_type,
    check_folded,
    check_header_name,
    check_text,
    check_token,
)
from .mime import OURS, date_header
from .texts import describe

if TYPE_CHECKING:
    from .message import Attachment, Message

_log = logging.getLogger("flask_mail")
# esmtp-keyword ["=" esmtp-value], RFC 5321 section 4.1.2.
_OPTION = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}(?:=[!-<>-~]{1,500})?")


def check_controls(message: Message) -> None:
    """Raise :class:`BadHeaderError` for the first header, address, name or option of `message`
    that holds a line break or another control character.

    A subject that is folded as RFC 5322 section 2.2.3 allows is none.
    """
    if message.subject:
        check_folded(message.subject, "subject")
    for field, value in _single_lines(message):
        if value is not None:
            check_text(value, field)


def check_message(message: Message) -> None:
    """Raise :class:`MessageError` unless every field but the recipients can be sent as it is."""
    check_controls(message)
    if message.has_bad_headers():  # what a subclass adds to it
        raise BadHeaderError("has_bad_headers() of this message says that a header is bad.")
    if message.charset:
        charset_of(message.charset)
    date_header(message.date)
    reply_to = message.reply_to
    for each in reply_to if isinstance(reply_to, list) else [reply_to] if reply_to else []:
        parse_address(each, "reply_to")
    for name in _mapping(message.extra_headers or {}, "extra_headers"):
        if check_header_name(name).lower() in OURS:
            _log.warning(
                "The extra header %s is left out: Flask-Mail writes the structure of a message"
                " itself and shows no blind copies.",
                describe(name),
            )
    _check_text_body(message.body, "body")
    for subtype, content in message.alts.items():
        check_content_type(f"text/{subtype}", "alternative")
        _check_text_body(content, f"alternative {describe(subtype)}")
    for attachment in message.attachments:
        _check_attachment(attachment)


def check_options(options: object, field: str) -> tuple[str, ...]:
    """Return ESMTP options, each ``keyword`` or ``keyword=value`` (RFC 5321 section 4.1.2).

    :raises MessageError: where one is no such option; for a line break, :class:`BadHeaderError`.
    """
    if isinstance(options, (str, bytes)) or not isinstance(options, Iterable):
        raise MessageError(f'The {field} are no list of options: write them as ["KEYWORD=value"].')
    checked = []
    for option in options:
        text = check_text(option, field)
        if not _OPTION.fullmatch(text):
            raise MessageError(
                f"The {field} hold {describe(text)}, which is no ESMTP option: write KEYWORD or"
                " KEYWORD=value without spaces (RFC 5321 section 4.1.2)."
            )
        checked.append(text)
    return tuple(checked)


def _single_lines(message: Message) -> Iterator[tuple[str, object]]:
    yield from _address_texts("sender", [message.sender])
    yield from _address_texts("recipient", message.recipients)
    yield from _address_texts("cc", message.cc)
    yield from _address_texts("bcc", message.bcc)
    yield from _address_texts("reply_to", [message.reply_to])
    yield "message ID", message.msgId
    yield "charset", message.charset
    for name, value in _mapping(message.extra_headers or {}, "extra_headers").items():
        yield "extra header name", name
        yield f"extra header {describe(name)}", value
    for attachment in message.attachments:
        yield "attachment name", attachment.filename
        yield "attachment content type", attachment.content_type
        yield "attachment disposition", attachment.disposition
        for name, value in _mapping(attachment.headers, "headers of an attachment").items():
            yield "attachment header name", name
            yield f"attachment header {describe(name)}", value
    for field in ("mail_options", "rcpt_options"):
        options = getattr(message, field)
        for option in [options] if isinstance(options, str) else options:
            yield field, option


def _address_texts(field: str, values: object) -> Iterator[tuple[str, object]]:
    # Whether these are addresses, and lists where lists belong, is told when they are parsed.
    for value in values if isinstance(values, (list, tuple)) else [values]:
        for text in value if isinstance(value, (list, tuple)) else [value]:
            yield field, text


def _check_text_body(value: object, field: str) -> None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise MessageError(f"The {field} is bytes: decode it, such as with .decode('utf-8').")
    if value is not None:
        try:
            str(value).encode("utf-8")
        except UnicodeEncodeError as error:
            raise MessageError(
                f"The {field} holds a lone surrogate at character {error.start}, which no charset"
                " can express: it was decoded wrongly where it came from."
            ) from error


def _check_attachment(attachment: Attachment) -> None:
    label = describe(attachment.filename or attachment.content_type)
    if not isinstance(attachment.data, (str, bytes, bytearray, memoryview)):
        raise MessageError(
            f"The attachment {label} has data of type {type(attachment.data).__name__}: give bytes"
            " or str, such as what read() returns."
        )
    if isinstance(attachment.data, str):
        _check_text_body(attachment.data, f"attachment {label}")
    check_content_type(attachment.content_type, "attachment content type")
    check_token(attachment.disposition, "attachment disposition")
    for name in attachment.headers:
        check_header_name(name)


def _mapping(value: object, field: str) -> Mapping[object, object]:
    if not isinstance(value, Mapping):
        raise MessageError(f"The {field} are no mapping: write them as {{name: value}}.")
    return value
