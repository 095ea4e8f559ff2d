"""Checks of a message before it is sent. Pure."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from numbers import Number
from typing import TYPE_CHECKING, Any

from ..address.parser import parse_address
from ..errors import BadHeaderError, MessageError
from ..mime.checks import (
    charset_of,
    check_content_type,
    check_disposition,
    check_folded,
    check_header_name,
    check_text,
)
from ..mime.data_headers import is_spoiled
from ..mime.dates import date_header
from ..mime.fields import parse_mailboxes
from ..mime.parts import OURS, alternative_type
from ..mime.render import OF_ADDRESSES, addresses_in
from ..util.files import DataSource
from ..util.patterns import lazy_pattern
from ..util.text import describe, digits_of, is_plain, plain_text
from .alternatives import Alternatives

if TYPE_CHECKING:
    from collections.abc import Callable

    from .attachment import Attachment
    from .message import Message

_log = logging.getLogger("flask_mail")
# esmtp-keyword ["=" esmtp-value], RFC 5321 section 4.1.2.
_OPTION = lazy_pattern(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}(?:=[!-<>-~]{1,500})?")
_OF_AN_ATTACHMENT = ("filename", "content_type", "data", "disposition", "headers")


def check_fields(message: Message) -> None:
    """Check each header, address, name and option of `message` on its own.

    :raises BadHeaderError: one contains a line break or another control character; the folds that
        RFC 5322 section 2.2.3 allows in a subject are accepted.
    :raises MessageError: otherwise, if one is invalid.
    """
    if not _is_plain(message):
        _check_each(message)


def _check_each(message: Message) -> None:
    wrong: MessageError | None = None
    for check, value, field in _values(message):
        try:
            check(value, field)
        except BadHeaderError:
            raise
        except MessageError as error:
            wrong = wrong or error
    if wrong:
        raise wrong


def has_bad_headers(message: Message) -> bool:
    """Return True if a header, address, name or option contains a line break or other control."""
    try:
        check_fields(message)
    except MessageError as error:
        return isinstance(error, BadHeaderError)
    return False


def check_message(message: Message) -> None:
    """Raise :class:`MessageError` unless all fields other than the recipients can be sent."""
    is_plain = _is_plain(message)
    if not is_plain:
        _check_each(message)
    # A subclass or a patch may override it. Its own would check the same again.
    own = message._own_has_bad_headers  # noqa: SLF001 (of this room)
    is_own = getattr(message.has_bad_headers, "__func__", None) is own
    if not is_own and message.has_bad_headers():
        raise BadHeaderError("has_bad_headers() of this message returned True.")
    if message.charset:
        charset_of(message.charset)
    if message.date is not None:
        date_header(message.date)
    if not check_text(message.msgId, "message ID").strip():
        raise MessageError("The message ID is empty: write <unique@domain>, or do not set msgId.")
    for each in addresses_in(message.reply_to):
        parse_address(each, "reply_to")
    if not is_plain:
        _check_headers(message.extra_headers, "extra_headers")
    _check_body(message.body, "body")
    for subtype, content in _mapping(message.alts, "alts").items():
        _check_body(content, "alternative", subtype)
    for attachment in _attachments(message):
        _check_attachment(attachment)


def check_options(options: object, field: str) -> tuple[str, ...]:
    """Return ESMTP options, each ``keyword`` or ``keyword=value`` (RFC 5321 section 4.1.2).

    :raises MessageError: an option is invalid; for a line break, :class:`BadHeaderError`.
    """
    if options is None or (type(options) is list and not options):
        return ()
    if isinstance(options, (str, bytes)) or not isinstance(options, Iterable):
        raise MessageError(f'{field} must be a list of options, such as ["KEYWORD=value"].')
    if isinstance(options, Mapping) and any(each is not None for each in options.values()):
        raise MessageError(
            f'{field} must be a list of ESMTP options, such as ["KEYWORD=value"]. A mapping is only'
            " for backends that use an HTTP API."
        )
    checked = []
    for option in options:
        text = check_text(option, field)
        if not _OPTION.fullmatch(text):
            raise MessageError(
                f"{field} contains {describe(text)}, which is not an ESMTP option: write KEYWORD or"
                " KEYWORD=value without spaces (RFC 5321 section 4.1.2)."
            )
        checked.append(text)
    return tuple(checked)


def _is_plain(message: Message) -> bool:
    """Return True if the message is obviously valid, as nearly all are.

    It has no extra headers, attachments or options, and its fields are printable ASCII.
    """
    # Without their descriptors: these are asked for each message. A subclass may have a property in
    # place of a field.
    fields = vars(message)
    try:
        texts: list[Any] = [fields["subject"], fields["sender"], fields["charset"]]
        lists = fields["recipients"], fields["cc"], fields["bcc"]
        alts, reply_to = fields["alts"], fields["reply_to"]
        others = fields["attachments"] or fields["mail_options"] or fields["rcpt_options"]
    except KeyError:
        return False
    if message.extra_headers or others or type(alts) not in (dict, Alternatives):
        return False
    if len(alts) > ("html" in alts):
        return False
    texts.append(fields.get("msgId"))
    try:
        for field in (*lists, addresses_in(reply_to) if reply_to else ()):
            for each in field:
                texts += each if type(each) is tuple else (each,)
        joined = "".join([text for text in texts if text])
    except TypeError:
        return False
    return is_plain(joined) and "=?" not in joined


def _values(message: Message) -> Iterator[tuple[Callable[[object, str], object], object, str]]:
    if message.subject:
        yield check_folded, message.subject, "subject"
    for field, value in (
        ("sender", message.sender),
        ("recipient", message.recipients),
        ("cc", message.cc),
        ("bcc", message.bcc),
        ("reply_to", message.reply_to),
        ("message ID", vars(message).get("msgId")),  # the default depends on the sender
        ("charset", message.charset),
        ("mail_options", message.mail_options),
        ("rcpt_options", message.rcpt_options),
    ):
        for text in _texts(value):
            yield check_text, text, field
    yield from _header_values(message.extra_headers, "extra header")
    for subtype in _mapping(message.alts, "alts"):
        yield check_content_type, alternative_type(subtype), "alternative"
    for attachment in _attachments(message):
        if attachment.filename is not None:
            yield check_text, attachment.filename, "attachment name"
        yield check_content_type, attachment.content_type, "attachment content type"
        yield check_disposition, attachment.disposition, "attachment disposition"
        yield from _header_values(attachment.headers, "attachment header")


def _texts(value: object) -> Iterator[object]:
    # Parsing checks later that these are addresses, and lists of them.
    if isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from _texts(each)
    elif plain_text(value) is not None:
        yield value


def _header_values(
    headers: object, field: str
) -> Iterator[tuple[Callable[[object, str], object], object, str]]:
    for name, value in _mapping(headers, f"{field}s").items():
        yield check_header_name, name, f"{field} name"
        yield check_text, value, f"{field} {describe(name)}"


def _check_headers(headers: object, field: str) -> None:
    for name, value in _mapping(headers, field).items():
        lowered = str(name).lower()
        if lowered in OURS:
            _log.warning(
                "The header %s in %s is left out: Flask-Mail writes the structure of messages and"
                " does not reveal blind copies.",
                describe(name),
                field,
            )
        elif lowered in OF_ADDRESSES:
            # Plain ASCII is written unchanged; decoding others must not yield another mailbox.
            if not str(value).isascii() or "=?" in str(value):
                parse_mailboxes(str(value), f"extra header {describe(name)}")
        elif is_spoiled(str(name), str(value)):
            _log.warning(
                "The header %s in %s is written in encoded-words, which programs that read it as"
                " data do not understand: make it ASCII, with a space at least every 900 characters"
                " (RFC 5322 section 2.1.1).",
                describe(name),
                field,
            )


def _check_body(value: object, field: str, name: object = None) -> None:
    text = plain_text(value)
    if text is not None and text.isascii():
        return
    label = field if name is None else f"{field} {describe(name)}"
    if text is None:
        if value is None or (isinstance(value, Number) and digits_of(value) is not None):
            return
        raise MessageError(
            f"The {label} must be a string, not {type(value).__name__}"
            f"{': decode it' if isinstance(value, (bytes, bytearray, memoryview)) else ''}."
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MessageError(
            f"The {label} contains a lone surrogate at character {error.start}, which no charset"
            " can express: decode the text with the right charset."
        ) from error


def _check_attachment(attachment: Attachment) -> None:
    label = describe(attachment.filename or attachment.content_type)
    if isinstance(attachment.data, str):
        _check_body(attachment.data, f"attachment {label}")
    elif not isinstance(attachment.data, (bytes, bytearray, memoryview, DataSource)):
        raise MessageError(
            f"The attachment {label} has data of type {type(attachment.data).__name__}: pass bytes"
            " or str, such as the result of read()."
        )
    _check_headers(attachment.headers, f"the headers of attachment {label}")


def _attachments(message: Message) -> Iterable[Attachment]:
    given: Any = message.attachments or []
    attachments = given if isinstance(given, (list, tuple)) else [given]
    for each in attachments:
        if not all(hasattr(each, name) for name in _OF_AN_ATTACHMENT):
            raise MessageError(
                f"The attachments contain {describe(each)}: use msg.attach(), or wrap it in an"
                " Attachment."
            )
    return attachments


def _mapping(value: object, field: str) -> Mapping[object, object]:
    if value is None:
        return {}
    if not isinstance(value, (dict, Mapping)):
        raise MessageError(f"{field} must be a dict of names and values.")
    return value
