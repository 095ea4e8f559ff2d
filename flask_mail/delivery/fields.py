"""The fields of a message, for services that take fields instead of its octets. Pure."""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass, replace
from mimetypes import guess_extension
from typing import TYPE_CHECKING, Final

from ..address.parser import parse_addresses
from ..address.syntax import unquote
from ..errors import MessageError, UnsupportedFeature
from ..message.message import Message
from ..mime.checks import as_text, check_content_type, clean
from ..mime.fields import given_parameters, parse_mailboxes
from ..mime.html_text import text_of_html
from ..mime.parser import Entity, decode_text
from ..mime.parts import (
    allowed,
    alternative_type,
    attachment_name,
    content_id_in,
    items,
    octets_of,
)
from ..util.files import BLOCK, DataSource

if TYPE_CHECKING:
    from ..address.parser import Address
    from ..message.attachment import Attachment
    from .outgoing import Outgoing

# Fields of their own at each service; the rest describes the parts, or is the service's to write.
_OWN: Final = frozenset({"from", "to", "cc", "subject", "reply-to"})
_WRITTEN: Final = frozenset({"date", "message-id", "mime-version", "content-type"})


@dataclass(frozen=True, slots=True)
class Roles:
    """The recipients of an envelope by the field in which readers see them."""

    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    """Those that are in neither field of the content."""


@dataclass(frozen=True, slots=True)
class File:
    """An attachment as a service takes it."""

    name: str
    """Its name; one after its type if it has none."""
    content_type: str
    """``type/subtype``, with parameters such as the charset of text."""
    data: bytes | DataSource
    content_id: str | None = None
    """The Content-ID without brackets."""
    is_inline: bool = False
    """True if it is to be shown in the text."""
    headers: tuple[tuple[str, str], ...] = ()
    """Its other headers."""

    def __len__(self) -> int:
        return len(self.data)

    def base64(self) -> Iterator[bytes]:
        """Yield the content in base64, in blocks and without line ends.

        :raises MessageError: an attached file is gone or has changed.
        """
        blocks = self.data.blocks() if isinstance(self.data, DataSource) else _blocks(self.data)
        for block in blocks:
            yield binascii.b2a_base64(block, newline=False)


@dataclass(frozen=True, slots=True)
class Fields:
    """The content of a message in fields. The recipients are in :attr:`.Outgoing.roles`."""

    sender: Address
    """The first address in From."""
    subject: str
    reply_to: tuple[Address, ...]
    headers: tuple[tuple[str, str], ...]
    """The other headers, decoded, without those that a service writes itself, such as Date."""
    text: str
    """The plain text; that of the HTML if the message has none."""
    html: str | None
    alternatives: tuple[str, ...]
    """The content types of alternatives other than HTML, which few services take."""
    files: tuple[File, ...]


def roles_of(mail: Outgoing) -> Roles:
    """Return who of the envelope is shown in To and in Cc, and who gets a blind copy.

    A recipient in no field of the message, such as one that mail was redirected to, gets a blind
    copy, unless To would be empty.
    """
    names: dict[str, dict[str, str]] = {"to": {}, "cc": {}}
    for name, value in _header(mail):
        if name.lower() in names:
            names[name.lower()].update((_key(each), each.name) for each in _addresses(value))
    found: dict[str, list[Address]] = {"to": [], "cc": [], "bcc": []}
    for each in parse_addresses(mail.envelope.recipients, "recipient"):
        role = next((name for name in names if _key(each) in names[name]), "bcc")
        found[role].append(replace(each, name=names.get(role, {}).get(_key(each), "")))
    if not found["to"]:
        declared = _declared(mail.message)
        found["to"] = [each for each in found["bcc"] if _key(each) not in declared]
        found["bcc"] = [each for each in found["bcc"] if _key(each) in declared]
    return Roles(*(tuple(found[role]) for role in ("to", "cc", "bcc")))


def fields_of(mail: Outgoing) -> Fields:
    """Return the content of `mail` in fields; those of the header as they would be sent.

    :raises UnsupportedFeature: a subclass makes the content, such as a signed one.
    """
    if type(mail.message).as_bytes is not Message.as_bytes:
        raise UnsupportedFeature(
            f"{type(mail.message).__name__} makes its content itself (as_bytes), which a service"
            " that takes fields cannot send: use another backend."
        )
    header = _header(mail)
    own = {name.lower(): value for name, value in header if name.lower() in _OWN}
    message = mail.message
    html = None
    for kind, content in _alternatives(message):
        if _is_html(kind):
            html = as_text(content)
    text = as_text(message.body)
    if not text and html is not None:
        text = text_of_html(html)
    return Fields(
        parse_mailboxes(own["from"], "sender")[0],
        decode_text(own.get("subject", "")),
        _addresses(own.get("reply-to", "")),
        tuple(
            (name, decode_text(value))
            for name, value in header
            if name.lower() not in _OWN | _WRITTEN and not name.lower().startswith("content-")
        ),
        text,
        html,
        others_of_html(message),
        tuple(_file(each) for each in message.attachments),
    )


def others_of_html(message: Message) -> tuple[str, ...]:
    """Return the content types of alternatives other than HTML."""
    return tuple(kind for kind, _ in _alternatives(message) if not _is_html(kind))


def other_headers(attachment: Attachment) -> tuple[tuple[str, str], ...]:
    """Return the headers of an attachment for which a file has no field of its own."""
    return tuple(
        (name, value) for name, value in allowed(attachment.headers) if name.lower() != "content-id"
    )


def _alternatives(message: Message) -> Iterator[tuple[str, object]]:
    for name, content in items(message.alts):
        yield alternative_type(clean(name)), content


def _is_html(kind: str) -> bool:
    return kind.partition(";")[0].strip().lower() == "text/html"


def _header(mail: Outgoing) -> list[tuple[str, str]]:
    # As it is sent, with what the recipient allow-list has added. It is in the first block.
    return Entity.of(next(mail.blocks())).fields


def _addresses(value: str) -> tuple[Address, ...]:
    """Return the mailboxes in a header; none for a group such as ``undisclosed-recipients:;``."""
    try:
        return tuple(parse_mailboxes(value, "address"))
    except MessageError:
        return ()


def _key(address: Address) -> str:
    # Local parts are case-sensitive (RFC 5321 section 2.4). In a header, some are quoted.
    return f"{unquote(address.local)}@{address.domain.lower()}"


def _declared(message: Message) -> set[str]:
    fields = (message.recipients, message.cc, message.bcc)
    return {_key(each) for field in fields for each in parse_addresses(field, "recipient")}


def _file(attachment: Attachment) -> File:
    main, parameters = check_content_type(attachment.content_type, "attachment content type")
    data = octets_of(attachment.data, main.lower(), parameters)
    name = attachment.filename
    return File(
        f"attachment{guess_extension(main.lower()) or ''}"
        if name is None
        else attachment_name(name, False),
        "; ".join([main, *given_parameters(parameters)]),
        data,
        content_id_in(attachment.headers),
        clean(attachment.disposition).lower().startswith("inline"),
        other_headers(attachment),
    )


def _blocks(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    for start in range(0, len(view), BLOCK):
        yield view[start : start + BLOCK]
