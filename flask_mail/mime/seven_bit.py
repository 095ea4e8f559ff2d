"""Conversion of messages to seven bits for servers without 8BITMIME. Pure.

RFC 6152 section 3 requires the client to convert eight-bit messages for such servers. An attached
message must not be encoded as a whole (RFC 2046 section 5.2.1), so its parts are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .checks import clean
from .content import encode_base64
from .encodings import transfer_encode
from .fields import mailboxes, parameter, parse_mailboxes, structured, unstructured
from .parser import Entity, read_parameters
from .parts import tolerated
from .render import OF_ADDRESSES

_DEEPEST = 20
_FIELD = re.compile(rb"[^\r\n][^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)")
_ENCODING = b"content-transfer-encoding:"
_WITH_PARAMETERS = frozenset({"content-type", "content-disposition"})


def in_seven_bits(octets: bytes) -> bytes:
    """Return the message with an ASCII body and its own header unchanged.

    Text becomes quoted-printable or base64, whichever is shorter, and everything else base64.
    Signatures over the body become invalid.
    """
    return b"".join(_converted(Entity.of(octets), octets, 0))


def _converted(entity: Entity, octets: bytes, depth: int) -> Iterator[bytes]:
    head = octets[: len(octets) - len(entity.content)]
    kind = entity.content_type.main
    is_message = kind.startswith("message/") and not kind.startswith("message/global")
    fields = [
        field if depth == 0 or field.isascii() else _field(field, entity.charset)
        for field in _FIELD.findall(head)
    ]
    encoding, content = "7bit", entity.content
    if content.isascii():
        encoding = ""
    elif kind.startswith("multipart/") and depth < _DEEPEST:
        content = b"".join(_parts(entity, depth))
    elif is_message and depth < _DEEPEST:
        content = b"".join(_converted(Entity.of(content), content, depth + 1))
    elif kind.startswith("text/") or "/" not in kind:
        decoded = entity.octets()
        encoding, content = transfer_encode(decoded, "")
        if entity.get("content-type") is None:
            fields.append(b"Content-Type: text/plain; charset=%b\r\n" % _label(decoded))
            if depth == 0 and entity.get("mime-version") is None:
                fields.append(b"MIME-Version: 1.0\r\n")
    else:
        encoding, content = "base64", encode_base64(entity.octets())
    if encoding:
        fields = [each for each in fields if not each.lower().startswith(_ENCODING)]
        fields.append(f"Content-Transfer-Encoding: {encoding}\r\n".encode())
    yield from fields
    yield b"\r\n"
    yield content
    if encoding == "base64" and entity.content.endswith(b"\n"):
        yield b"\r\n"


def _parts(entity: Entity, depth: int) -> Iterator[bytes]:
    at = 0
    for (start, end), part in zip(entity.spans(), entity.parts(), strict=True):
        yield _ascii(entity.content[at:start])
        yield from _converted(part, entity.content[start:end], depth + 1)
        at = end
    yield _ascii(entity.content[at:])


def _ascii(octets: bytes) -> bytes:
    # Readers never show the text before the first part or after the last one.
    return octets.decode("ascii", "replace").encode("ascii", "replace")


def _label(octets: bytes) -> bytes:
    return (
        b"unknown-8bit"
        if "\N{REPLACEMENT CHARACTER}" in octets.decode(errors="replace")
        else b"utf-8"
    )


def _field(octets: bytes, charset: str) -> bytes:
    """Rewrite a header field of an attached message that contains non-ASCII octets."""
    [(name, text)] = Entity.of(octets, charset=charset).fields or [("", "")]
    lowered, value = name.lower(), clean(text)
    written = ""
    if lowered in OF_ADDRESSES and (addresses := tolerated(parse_mailboxes, value, name)):
        written = mailboxes(name, addresses)
    elif lowered in _WITH_PARAMETERS:
        found = read_parameters(value)
        each_written = [
            each for key, value in found.parameters.items() for each in parameter(key, clean(value))
        ]
        written = structured(name, found.main, each_written)
    if not written.isascii() or not written:
        written = unstructured(name, value)
    return f"{written}\r\n".encode("ascii", "replace")
