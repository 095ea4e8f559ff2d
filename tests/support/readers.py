"""Two readers of messages that share no code: the standard library's, and one written in Rust.

Each returns what :class:`messages.Read` says. What a reader is known to get wrong is put right
here, as narrowly as possible, with what it is.
"""

from __future__ import annotations

import email
import email.utils
import re
import sys
from email import policy
from email.errors import NonASCIILocalPartDefect
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import reading
from messages import Mailbox, Read, ReadPart, bare
from reading import own_parts, split_message

# The reader in Rust needs it.
HAS_SECOND = sys.version_info >= (3, 11)
if HAS_SECOND:
    import fast_mail_parser

_OURS = frozenset(
    {"subject", "from", "to", "cc", "reply-to", "date", "message-id"}
    | {"mime-version", "content-type", "content-transfer-encoding"}
)


# --- The standard library ------------------------------------------------------------------------


def read_in_stdlib(content: bytes) -> Read:
    """Read a message with the modern parser of the standard library, which must find no defect."""
    split_message(content)
    message = email.message_from_bytes(content, policy=policy.default)
    for part in own_parts(message):
        assert not part.defects
    return _standard_message(message)


def older_parser(value: str) -> list[Mailbox]:
    """Read the value of an address header with the standard library's parser from before 3.3."""
    # Being strict, it refuses every "[": that of an address literal and a quoted one, too.
    is_lenient = "[" in value and hasattr(email.utils, "supports_strict_parsing")
    options: dict[str, Any] = {"strict": False} if is_lenient else {}
    return email.utils.getaddresses([value], **options)


def _standard_message(message: EmailMessage) -> Read:
    headers = [(name, _standard_header(name, value)) for name, value in message.raw_items()]
    found: dict[str, Any] = {name.lower(): value for name, value in headers}
    assert len(found) == len(headers)
    [sender] = _standard_mailboxes(found["from"])
    return Read(
        str(found.get("subject", "")),
        sender,
        _standard_mailboxes(found.get("to")),
        _standard_mailboxes(found.get("cc")),
        _standard_mailboxes(found.get("reply-to")),
        found["date"].datetime,
        str(found["message-id"]),
        {name: str(value) for name, value in headers if name.lower() not in _OURS},
        _standard_part(message),
    )


def _standard_header(name: str, raw: str) -> Any:
    # From bytes, it reads no header in UTF-8 (RFC 6532): what it makes of those are surrogates.
    text = raw.encode("ascii", "surrogateescape").decode("utf-8")
    header = policy.default.header_factory(name, text.replace("\r\n", ""))
    # That a local part is not ASCII is one to it, whatever RFC 6532 says.
    assert all(isinstance(each, NonASCIILocalPartDefect) for each in header.defects)
    header.raw = text.replace("\r\n", "")
    return header


def _standard_mailboxes(header: Any) -> tuple[Mailbox, ...]:
    if header is None:
        return ()
    assert all(group.display_name is None for group in header.groups)
    specs = [f"{each.username}@{each.domain}" for each in header.addresses]
    # The modern parser collapses the spaces of a name, and the older one does not.
    pairs = [(name, bare(spec)) for name, spec in older_parser(header.raw)]
    assert [spec for _, spec in pairs] == specs
    return tuple((str(make_header(decode_header(name))), spec) for name, spec in pairs)


def _standard_part(part: EmailMessage) -> ReadPart:
    kind = part.get_content_type()
    disposition = part["Content-Disposition"]
    # get_filename() strips it.
    name = "" if disposition is None else disposition.params.get("filename", "")
    content_id = str(part["Content-ID"])[1:-1] if "Content-ID" in part else None
    if kind == "message/rfc822":
        [inner] = part.iter_parts()
        return ReadPart(kind, _standard_message(inner), name, content_id)
    if part.is_multipart():
        return ReadPart(kind, tuple(map(_standard_part, part.iter_parts())))
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    if kind.startswith("text/") and part.get_content_disposition() is None:
        return ReadPart(kind, octets.decode(part.get_content_charset("ascii")))
    return ReadPart(kind, octets, name, content_id)


# --- Rust ----------------------------------------------------------------------------------------


def read_in_rust(content: bytes) -> Read:
    """Read a message with `fast-mail-parser`, which must find nothing to repair."""
    return _rust_message(content, fast_mail_parser.parse_email_tree(content))


def _rust_message(content: bytes, root: Any) -> Read:
    mail = fast_mail_parser.parse_email(content, strict=True)
    assert mail.warnings == []
    assert mail.bcc == []
    found = {name.lower(): value for name, [value] in mail.headers.items()}
    texts = {
        "text/plain": iter(mail.text_plain),
        "text/html": iter(mail.text_html),
    }
    return Read(
        mail.subject,
        _rust_mailbox(mail.from_),
        tuple(map(_rust_mailbox, mail.to)),
        tuple(map(_rust_mailbox, mail.cc)),
        tuple(map(_rust_mailbox, mail.reply_to)),
        mail.date_parsed,
        found["message-id"],
        {name: value for name, [value] in mail.headers.items() if name.lower() not in _OURS},
        _rust_part(root, texts),
    )


def _rust_mailbox(address: Any) -> Mailbox:
    # It decodes no word that comes after a local part beyond ASCII.
    return reading.decode_header(address.display_name or ""), bare(address.address)


def _rust_part(part: Any, texts: dict[str, Any]) -> ReadPart:
    if part.is_message:
        [inner] = part.children
        return ReadPart(
            part.content_type, _rust_message(part.content, inner), _rust_name(part), part.content_id
        )
    if part.content is None:
        return ReadPart(part.content_type, tuple(_rust_part(each, texts) for each in part.children))
    if part.disposition is None and part.content_type in texts:
        return ReadPart(part.content_type, next(texts[part.content_type]))
    if part.disposition is None:
        # It decodes no text but these two kinds.
        [kind] = part.headers["Content-Type"]
        charset = re.search('charset="(.*?)"', kind)
        assert charset
        return ReadPart(part.content_type, part.content.decode(charset[1]))
    return ReadPart(part.content_type, part.content, _rust_name(part), part.content_id)


def _rust_name(part: Any) -> str:
    """Return a name as RFC 2231 has it.

    It takes the ASCII form of a name, which is there for readers that know no RFC 2231, for the
    name itself, and so does not look at it where both are there. It ends a name at a semicolon,
    also where that is quoted.
    """
    [disposition] = part.headers["Content-Disposition"]
    if "filename*" not in disposition:
        holds_semicolon = re.search('; filename="([^"]*;[^"]*)"', disposition)
        return holds_semicolon[1] if holds_semicolon else part.filename
    alone = re.sub('; filename="[^"]*"$', "", disposition)
    assert alone != disposition
    return fast_mail_parser.parse_email_tree(
        f"Content-Disposition: {alone}\r\n\r\n".encode()
    ).filename


READERS = (read_in_stdlib, read_in_rust) if HAS_SECOND else (read_in_stdlib,)
