"""Parser of internet messages: header fields and parts (RFC 5322, 2045-2047, 2231). Pure.

For messages of any origin: it never raises, takes linear time and keeps the content of a part octet
for octet. The parser of the standard library does none of the three: it raises on some parameters,
takes hours for others, and rewrites attached messages.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote_to_bytes

from .charsets import decode, decode_best, decode_raw

# A continuation line begins with white space (RFC 5322 section 2.2.3).
_FIELD = re.compile(rb"([^\s:][^:\r\n]*):([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
# The separator of an mbox file, or a continuation line without a field.
_NO_FIELD = re.compile(rb">?From [^\n]*\n|[ \t][^\n]*\n")
_END = re.compile(rb"\r?\n")
_LINE_END = re.compile(rb"\r?\n|\r\Z")
_LONGEST_BOUNDARY = 200  # 70 by RFC 2046 section 5.1.1
_AFTER_BOUNDARY = re.compile(rb"(--)?[ \t]*(?:\r?\n|\Z)")

_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.?)*"?|[^;]*)')
_SECTION = re.compile(r"([^*]+)(?:\*([0-9]{1,3}))?(\*)?")  # RFC 2231 sections 3 and 4
_ESCAPED = re.compile(r"\\(.)")

_WORD = re.compile(
    r"=\?([\w.:+-]{1,40})(?:\*[\w-]*)?\?([bq])\?([^?\s]*)\?=", re.ASCII | re.IGNORECASE
)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_CHARSET = re.compile(rb"charset\*?\s*=\s*[\"']?([\w.:+-]{1,40})", re.ASCII | re.IGNORECASE)
_UTF_8 = frozenset({"us-ascii", "utf-8", "utf8"})  # these do not explain octets that are not UTF-8
_LOOKED_AT = 64 * 1024  # octets: text parts come first, and attachments may be large


@dataclass(frozen=True)
class Value:
    """The value of a header field that has parameters, such as Content-Type."""

    main: str
    """The value before the parameters, in lower case."""
    parameters: dict[str, str]


@dataclass(frozen=True)
class Entity:
    """A message, or a part of one."""

    fields: list[tuple[str, str]]
    """Name and value of each header field, in order: unfolded, not decoded, of any characters."""
    content: bytes
    """The body, still encoded."""
    default: str = "text/plain"
    """The content type if none is given."""
    charset: str = ""
    """A guess at the charset of header fields that are neither ASCII nor UTF-8."""

    @classmethod
    def of(cls, octets: bytes, default: str = "text/plain", charset: str = "") -> Entity:
        """Parse the header of a message or part.

        :param charset: a guess at the charset of its header, if it does not declare one.
        """
        fields: list[tuple[bytes, bytes]] = []
        at = 0
        while at < len(octets):
            if field := _FIELD.match(octets, at):
                fields.append((field[1], field[2]))
            elif fields or not (field := _NO_FIELD.match(octets, at)):
                # The header ends at an empty line, or before a line that is not a field.
                end = _END.match(octets, at)
                at = end.end() if end else at
                break
            at = field.end()
        if not octets[:at].isascii():
            charset = _charset_in(octets) or charset
        texts = [
            (_text(name, charset).rstrip(), _text(value, charset).strip(" \t"))
            for name, value in fields
        ]
        return cls(texts, octets[at:], default, charset)

    def get(self, name: str) -> str | None:
        """Return the value of the first field of that name, which is in lower case."""
        return next((value for each, value in self.fields if each.lower() == name), None)

    @cached_property
    def content_type(self) -> Value:
        """The media type and its parameters."""
        value = self.get("content-type")
        return read_parameters(self.default if value is None else value)

    @cached_property
    def disposition(self) -> Value:
        """The disposition, empty if none is given, and its parameters."""
        return read_parameters(self.get("content-disposition") or "")

    def parts(self) -> Iterator[Entity]:
        """Yield the parts of a multipart, if any."""
        charset = self.charset
        if not charset and not self.content.isascii():
            charset = _charset_in(self.content)
        default = "text/plain"
        if self.content_type.main == "multipart/digest":  # RFC 2046 section 5.1.5
            default = "message/rfc822"
        for start, end in self.spans():
            yield Entity.of(self.content[start:end], default, charset)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield the start and end of each part of a multipart in the content."""
        boundary = self.content_type.parameters.get("boundary", "").rstrip()
        if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
            return
        line = b"--" + boundary.encode("utf-8", "replace")
        start: int | None = None
        for at in _lines_with(line, self.content):
            rest = _AFTER_BOUNDARY.match(self.content, at + len(line))
            if rest is None:
                continue
            if start is not None:
                # The line end before a delimiter belongs to it (RFC 2046 section 5.1.1).
                end = max(start, at - 1)
                end -= self.content[start:end].endswith(b"\r")
                yield start, end
            start = rest.end()
            if rest[1]:
                return
        if start is not None:
            yield start, len(self.content)

    def octets(self) -> bytes:
        """Return the content, decoded (RFC 2045 section 6)."""
        encoding = (self.get("content-transfer-encoding") or "").partition(";")[0].strip().lower()
        if encoding == "base64":
            return _from_base64(self.content)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.content)
        return self.content


def _lines_with(beginning: bytes, octets: bytes) -> Iterator[int]:
    """Yield the starts of the lines that begin so."""
    # Not by a pattern: each message has a boundary of its own, and compiling takes longer.
    if octets.startswith(beginning):
        yield 0
    at = octets.find(b"\n" + beginning)
    while at >= 0:
        yield at + 1
        at = octets.find(b"\n" + beginning, at + 1)


def read_parameters(value: str) -> Value:
    """Parse a value with parameters after its first semicolon.

    If a parameter is given both plainly and by RFC 2231, the latter wins.
    """
    given: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    main = value.partition(";")[0]
    for written, found in _PARAMETER.findall(value, len(main)):
        quoted = found.startswith('"')
        text = _ESCAPED.sub(r"\1", found[1:].removesuffix('"')) if quoted else found.strip()
        section = _SECTION.fullmatch(written.lower())
        name = section[1] if section else written.lower()
        given.setdefault(name, decode_text(text))
        if section and (section[2] or section[3]):
            numbered = sections.setdefault(name, {})
            numbered.setdefault(int(section[2] or 0), (text, bool(section[3])))
    for name, numbered in sections.items():
        given[name] = _from_sections(numbered)
    return Value(main.strip().lower(), given)


def decode_text(text: str) -> str:
    """Decode the encoded-words in a text (RFC 2047); invalid ones are kept."""
    if "=?" not in text:
        return text
    written: list[str] = []
    charset = ""
    octets: list[bytes] = []
    start = end = 0  # of words to decode together, as one may end within a character
    for word in _WORD.finditer(text):
        between = text[end : word.start()]
        follows = bool(octets) and not between.strip(" \t")
        if not follows or word[1].lower() != charset:
            written.append(_decoded(b"".join(octets), charset, text[start:end]))
            written.append("" if follows else between)
            start, charset, octets = word.start(), word[1].lower(), []
        octets.append(_of_word(word[2], word[3]))
        end = word.end()
    return "".join((*written, _decoded(b"".join(octets), charset, text[start:end]), text[end:]))


def _decoded(octets: bytes, charset: str, source: str) -> str:
    try:
        return decode(octets, charset) or source
    except (LookupError, ValueError):
        return source


def _of_word(encoding: str, text: str) -> bytes:
    octets = text.encode("utf-8", "replace")
    if encoding in "bB":
        return _from_base64(octets)
    return binascii.a2b_qp(octets, header=True)


def _from_sections(numbered: dict[int, tuple[str, bool]]) -> str:
    charset = ""
    octets: list[bytes] = []
    for number in range(len(numbered)):
        if number not in numbered:  # sections after a gap are lost
            break
        text, is_encoded = numbered[number]
        if is_encoded and number == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        octets.append(unquote_to_bytes(text) if is_encoded else text.encode("utf-8", "replace"))
    return decode_best(b"".join(octets), charset)


def _from_base64(octets: bytes) -> bytes:
    # Ignore line ends and invalid characters (RFC 2045 section 6.8).
    letters = _NOT_BASE64.sub(b"", octets)
    whole = len(letters) - (len(letters) % 4 == 1)  # a single letter encodes nothing
    return binascii.a2b_base64(letters[:whole] + b"=" * (-whole % 4))


def _charset_in(octets: bytes) -> str:
    """Return the first charset other than UTF-8 that a message or part names."""
    found = (each.decode().lower() for each in _CHARSET.findall(octets[:_LOOKED_AT]))
    return next((each for each in found if each not in _UTF_8), "")


def _text(octets: bytes, charset: str) -> str:
    """Decode a header field: as UTF-8 (RFC 6532), or in the charset of the message."""
    return decode_raw(_LINE_END.sub(b"", octets), charset)
