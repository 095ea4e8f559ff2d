"""Rendering of the parts of a message (RFC 2045, 2046, 2183, 2387). Pure.

Tolerant, like :mod:`flask_mail.mime.render`, which joins them.
"""

from __future__ import annotations

import codecs
import hashlib
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..errors import MessageError
from ..util.files import BLOCK, DataSource
from ..util.patterns import lazy_pattern
from ..util.text import decode_words
from .checks import CRLF, as_text, check_content_type, check_disposition, check_header_name, clean
from .content import Base64, encode_base64
from .encodings import EIGHT_BIT, SEVEN_BIT, encode_text, has_lines, transfer_encode
from .fields import ascii_form, given_parameters, parameter, structured, unstructured

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from email.charset import Charset

    from .protocols import RenderedAttachment

T = TypeVar("T")

# Headers that describe the structure of the message, which only the renderer knows; and those that
# would reveal blind copies (RFC 5322 section 3.6.3).
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

_LINE_END = lazy_pattern("\r\n|\r|\n")
_SPACES = lazy_pattern(r"\s+")


class Part(NamedTuple):
    """A rendered part: header fields and body."""

    head: str
    """The fields, each with its CRLF."""
    body: Sequence[bytes | Base64]
    is_8bit: bool = False
    """True if it contains non-ASCII octets, which the enclosing part must declare too."""


def alternative_type(name: object) -> str:
    """Return the content type of an alternative; ``html`` stands for ``text/html``."""
    return str(name) if "/" in str(name) else f"text/{name}"


def text_part(text: object, content_type: str, charset: Charset) -> Part:
    """Return a part with text; a charset parameter in its content type is ignored."""
    written = as_text(text)
    canonical = _LINE_END.sub(CRLF, written) if "\r" in written else written.replace("\n", CRLF)
    octets, label = encode_text(canonical, charset)
    encoding, octets = transfer_encode(octets, label)
    return Part(_text_head(content_type, label, encoding), (octets,))


def multipart(subtype: str, parts: Sequence[Part], seed: str, root: str = "") -> Part:
    """Join `parts` into one multipart entity.

    :param seed: determines the boundary, so that rendering is reproducible.
    :param root: content type of the first part, for ``multipart/related``.
    """
    # No part may contain the delimiter, even if it contains this message or its author knows the
    # seed (RFC 2046 section 5.1.1). Base64 lines never start with "--".
    delimiter = _delimiter(f"{seed}/{subtype}".encode())
    literal = [piece for part in parts for piece in part.body if type(piece) is bytes]
    while any([delimiter in piece for piece in literal]):  # noqa: C419 (these are few)
        delimiter = _delimiter(delimiter)
    body: list[bytes | Base64] = []
    for part in parts:
        body += (b"%b\r\n%b\r\n" % (delimiter, part.head.encode()), *part.body, b"\r\n")
    body.append(delimiter + b"--\r\n")
    kind = f'; type="{root}"' if root else ""
    is_8bit = any([part.is_8bit for part in parts])  # noqa: C419
    return Part(
        f"Content-Type: multipart/{subtype}{kind};\r\n"
        f' boundary="{delimiter[2:].decode()}"\r\n'
        + ("Content-Transfer-Encoding: 8bit\r\n" if is_8bit else ""),
        body,
        is_8bit,
    )


def attached_part(attachment: RenderedAttachment, ascii_only: bool) -> Part:
    """Return a part with an attachment.

    :param ascii_only: write its name in ASCII, dropping characters without an equivalent.
    """
    main, parameters = tolerated(check_content_type, attachment.content_type, "") or (
        "application/octet-stream",
        {},
    )
    disposition, further = tolerated(check_disposition, attachment.disposition, "") or (
        "attachment",
        {},
    )
    named: list[str] = []
    if attachment.filename is not None:
        name = attachment_name(attachment.filename, ascii_only)
        further.pop("filename", None)
        named = parameter("filename", name)
        if named[0].startswith("filename*"):
            # After the real one, so that readers with RFC 2231 find that first.
            named.append(f'filename="{ascii_form(name)}"')
            parameters.setdefault("name", ascii_form(name))
    if main.lower().startswith("message/") and not main.lower().startswith("message/global"):
        encoding, body = _attached_message(attachment.data, parameters)
        if encoding == "base64":
            main = "application/octet-stream"
    else:
        encoding, body = "base64", _encoded(attachment.data, main.lower(), parameters)
    fields = [
        structured("Content-Type", main, given_parameters(parameters)),
        f"Content-Transfer-Encoding: {encoding}",
        structured("Content-Disposition", disposition, [*named, *given_parameters(further)]),
        *(unstructured(name, value) for name, value in allowed(attachment.headers)),
    ]
    return Part(joined(fields), (body,), encoding == "8bit")


def attachment_name(filename: object, ascii_only: bool) -> str:
    """Return a file name that is safe in a header; in ASCII if `ascii_only`."""
    name = decode_words(clean(filename))
    if ascii_only:
        name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
        name = _SPACES.sub(" ", name).strip()
    return clean(name)


def content_id_in(headers: object) -> str | None:
    """Return the Content-ID in the headers of a part, without its brackets (RFC 2392)."""
    for name, value in items(headers):
        if clean(name).lower() == "content-id":
            return clean(value).strip().removeprefix("<").removesuffix(">")
    return None


def joined(fields: Iterable[str]) -> str:
    """Return header fields as lines."""
    return "".join([f"{field}\r\n" for field in fields])


def allowed(headers: object) -> list[tuple[str, str]]:
    """Return the headers of a mapping that may be written, without control characters."""
    if not headers:
        return []
    return [
        (name, clean(value))
        for name, value in ((clean(name), value) for name, value in items(headers))
        if name.lower() not in OURS and tolerated(check_header_name, name, "") is not None
    ]


def items(mapping: object) -> Iterable[tuple[object, object]]:
    """Return the items of a mapping, or nothing for any other value."""
    # The check for dict avoids the slow isinstance() with an ABC.
    return mapping.items() if isinstance(mapping, (dict, Mapping)) else ()


def tolerated(check: Callable[..., T], value: object, *field: str) -> T | None:
    """Return ``check(value)``, or None if it raises MessageError."""
    try:
        return check(value, *field)
    except MessageError:
        return None


@lru_cache(maxsize=256)
def _text_head(content_type: str, label: str, encoding: str) -> str:
    main, parameters = tolerated(check_content_type, content_type, "") or ("text/plain", {})
    parameters.pop("charset", None)
    written = [*given_parameters(parameters), f'charset="{label}"']
    return joined(
        [structured("Content-Type", main, written), f"Content-Transfer-Encoding: {encoding}"]
    )


def _delimiter(seed: bytes) -> bytes:
    return b"--=_" + hashlib.sha256(seed).hexdigest()[:32].encode()


def _encoded(data: object, kind: str, parameters: dict[str, str]) -> bytes | Base64:
    """Return `data` in base64; for text, add its charset to `parameters`."""
    octets = octets_of(data, kind, parameters)
    return encode_base64(bytes(octets)) if len(octets) < BLOCK else Base64(octets)


def _attached_message(data: object, parameters: dict[str, str]) -> tuple[str, bytes | Base64]:
    """Return an attached message unencoded, as RFC 2046 section 5.2.1 requires.

    A message with NUL or with lines that are too long must be encoded, and is sent as a file.
    """
    octets = bytes(octets_of(data, "message/", parameters))
    lines = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if has_lines(lines, SEVEN_BIT):
        return "7bit", lines
    if has_lines(lines, EIGHT_BIT):
        return "8bit", lines
    return "base64", encode_base64(octets)


def _is_utf_8(data: bytes | DataSource) -> bool:
    """Return True if octets are UTF-8 but not ASCII, which needs no charset."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_ascii = True
    try:
        for block in data.blocks() if isinstance(data, DataSource) else (data,):
            is_ascii = is_ascii and block.isascii()
            if not is_ascii:
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except (UnicodeDecodeError, MessageError):  # sending reports a missing file
        return False
    return not is_ascii


def octets_of(data: object, kind: str, parameters: dict[str, str]) -> bytes | DataSource:
    """Return the content of an attachment; for text, add its charset to `parameters`.

    :param kind: its content type in lower case.
    """
    if isinstance(data, (bytes, bytearray, memoryview, DataSource)):
        octets = data if isinstance(data, (bytes, DataSource)) else bytes(data)
        # XML declares its own charset (RFC 7303 section 3).
        is_text = kind.startswith("text/") and not kind.endswith(("/xml", "+xml"))
        if is_text and "charset" not in parameters and _is_utf_8(octets):
            parameters["charset"] = "utf-8"
        return octets
    codec = parameters.get("charset", "utf-8")
    try:
        octets = as_text(data).encode(codec)
    except (LookupError, UnicodeError):
        octets, codec = as_text(data).encode("utf-8", "replace"), "utf-8"
    if kind.startswith("text/"):
        parameters["charset"] = codec
    return octets
