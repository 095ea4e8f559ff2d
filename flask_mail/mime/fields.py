"""Writing of header fields: encoding and folding (RFC 5322, 2047, 2231). Pure.

Headers are written here and never by :mod:`email`, whose folding loses spaces, splits mailboxes and
breaks lines at VT, FF and FS, which allows header injection.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from unicodedata import combining, normalize
from urllib.parse import quote

from ..address.parser import parse_address, quote_display_name
from ..errors import MessageError
from ..util.patterns import lazy_pattern
from ..util.text import decode_words
from .checks import CRLF, TOKEN, UTF_8, charset_of
from .encodings import LONGEST_LINE, encode_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from email.charset import Charset

    from ..address.parser import Address

LINE = 76
"""Recommended length of a line, without its CRLF: RFC 5322 section 2.1.1 wants at most 78, and
RFC 2047 section 2 wants 76 for lines with encoded-words."""

_LONGEST_CACHED = 200  # characters; names and subjects are shorter

_SHORT = lazy_pattern(r"[!-<>-~](?:[ -<>-~]*[!-<>-~])?")  # no "=", so no encoded-word
_CHUNK = lazy_pattern(r"[ \t]*[^ \t]+")
# An unclosed quoted-string ends with the text: no backtracking, so linear time.
_LIST_ITEM = lazy_pattern(r'(?:"(?:[^"\\]|\\.?)*"?|[^",])+')
# No backslash, as many readers keep the backslash of an escape.
_QUOTABLE = lazy_pattern(r"[ !#-\[\]-~]*")
_MAX_PARAMETER = 60
_MAX_SECTION = 54  # so that ' filename*10*=...;' fits in a line
_ODD_DOTS = lazy_pattern(r'\.|[^"@]+(?<=\.)[.@]')
_MAX_ADDR_SPEC = 254  # RFC 5321 section 4.5.3.1.3; a longer one cannot be sent


def unstructured(name: str, value: str, charset: Charset = UTF_8) -> str:
    """Return a folded header whose value is free text, without the final CRLF.

    ASCII is written unchanged, even if it is already folded or encoded; other text is written in
    encoded-words.
    """
    if _SHORT.fullmatch(value) and len(name) + len(": ") + len(value) <= LINE:
        return f"{name}: {value}"
    lines = f"{name}: {value}".split(CRLF)
    if len(lines) > 1 and value.isascii() and max(map(len, lines)) <= LONGEST_LINE:
        return CRLF.join(lines)
    text = value.replace(CRLF, "")
    if _reads_back(text) and (written := verbatim(name, text)):
        return written
    words = _encoded(text, charset.input_charset, len(name) + 1)
    return _fold(f"{name}:", [f" {word}" for word in words])


def verbatim(name: str, text: str) -> str | None:
    """Return a header whose value is ASCII, folded at its spaces, without the final CRLF.

    Return None if a line would exceed 998 octets, the limit of RFC 5322.
    """
    written = _fold(f"{name}:", _CHUNK.findall(f" {text}") or [" "])
    return written if max(map(len, written.split(CRLF))) <= LONGEST_LINE else None


def mailboxes(name: str, addresses: Iterable[Address], charset: Charset = UTF_8) -> str:
    """Return a folded header whose value is a list of addresses, without the final CRLF."""
    chunks: list[str] = []
    for address in addresses:
        if chunks:
            chunks[-1] += ","
        chunks += _mailbox_chunks(address, charset, 0 if chunks else len(name) + 1)
    return _fold(f"{name}:", chunks)


def mailbox(address: Address, charset: Charset = UTF_8) -> str:
    """Return one mailbox on one line, its display name quoted or encoded as needed."""
    return "".join(_mailbox_chunks(address, charset, 0))[1:]


def parse_mailboxes(text: str, field: str) -> list[Address]:
    """Parse the value of an address header: mailboxes separated by commas.

    :raises MessageError: one of them is not a mailbox.
    """
    try:
        return [parse_address(text, field)]
    except MessageError:
        items = list_items(text)
        if len(items) < 2:
            raise
    return [parse_address(item, field) for item in items]


def list_items(text: str) -> list[str]:
    """Split text at commas outside of quotes."""
    return _LIST_ITEM.findall(text)


def structured(name: str, value: str, parameters: Iterable[str] = ()) -> str:
    """Return a header whose value is followed by parameters, without the final CRLF."""
    chunks = [f" {value}"]
    for each in parameters:
        chunks[-1] += ";"
        chunks.append(f" {each}")
    return _fold(f"{name}:", chunks)


def parameter(name: str, value: str) -> list[str]:
    """Return a parameter of a MIME header, in sections if it is long (RFC 2045, RFC 2231)."""
    if len(value) <= _MAX_PARAMETER and "=?" not in value and _QUOTABLE.fullmatch(value):
        return [f'{name}="{value}"']
    sections = [""]
    for character in value:
        octets = quote(character, safe="")  # RFC 2231 section 7
        if len(sections[-1]) + len(octets) > _MAX_SECTION:
            sections.append("")
        sections[-1] += octets
    if len(sections) == 1:
        return [f"{name}*=utf-8''{sections[0]}"]
    sections[0] = f"utf-8''{sections[0]}"
    return [f"{name}*{number}*={section}" for number, section in enumerate(sections)]


def given_parameters(parameters: Mapping[str, str]) -> list[str]:
    """Return parameters that a user gave, quoted only if they need it."""
    return [
        each
        for name, value in parameters.items()
        for each in ([f"{name}={value}"] if TOKEN.fullmatch(value) else parameter(name, value))
    ]


def ascii_form(value: str) -> str:
    """Return a short ASCII approximation, for readers without RFC 2231."""
    plain = "".join(each for each in normalize("NFKD", value) if not combining(each))
    # NFKD turns U+FF0F into a slash, which would make the name a path.
    safe = "".join(each if _QUOTABLE.fullmatch(each) and each != "/" else "_" for each in plain)
    return safe if len(safe) <= _MAX_PARAMETER else f"{safe[:48]}..{safe[-10:]}"


def _mailbox_chunks(address: Address, charset: Charset, taken: int) -> list[str]:
    spec = address.addr_spec
    if address.domain and _ODD_DOTS.match(spec):  # some readers fail unless these are quoted
        spec = f'"{address.local}"@{address.domain}'
    if len(spec) > _MAX_ADDR_SPEC // 4:
        spec = spec.encode()[:_MAX_ADDR_SPEC].decode(errors="ignore")
    if not address.name:
        # Some readers mistake a quoted-string for a name, and the colon of [IPv6:...] for a group.
        return [f" <{spec}>" if spec.startswith('"') or spec.endswith("]") else f" {spec}"]
    if "=?" not in address.name and _reads_back(address.name):
        name = f" {quote_display_name(address.name)}"
        if len(name) + len(spec) <= LINE - len(" <>,") - taken:
            return [f"{name} <{spec}>"]
        chunks = _CHUNK.findall(name)
        if max(map(len, chunks)) <= LINE - taken:
            return [*chunks, f" <{spec}>"]
    words = _encoded(address.name, charset.input_charset, taken)
    return [*(f" {word}" for word in words), f" <{spec}>"]


def _encoded(text: str, charset: str, taken: int) -> Sequence[str]:
    if len(text) > _LONGEST_CACHED:
        return encode_words(text, charset_of(charset), taken)
    return _encoded_short(text, charset, taken)


@lru_cache(maxsize=512)
def _encoded_short(text: str, charset: str, taken: int) -> Sequence[str]:
    return tuple(encode_words(text, charset_of(charset), taken))


def _reads_back(text: str) -> bool:
    """Return True if readers see `text` when it is written unchanged, or it is already encoded."""
    return (
        text.isascii()
        and text == text.strip(" \t")
        and all(decode_words(word) != word for word in text.split() if "=?" in word)
    )


def _fold(start: str, chunks: list[str]) -> str:
    """Join chunks, which begin with white space, in lines of up to 76 characters if possible."""
    lines = [start]
    for chunk in chunks:
        # Some readers treat a first line with the name alone as an empty header.
        if len(lines[-1]) + len(chunk) > LINE and lines[-1] != start:
            lines.append(chunk)
        else:
            lines[-1] += chunk
    return CRLF.join(lines)
