"""Find a secret in foreign text, however it is encoded: servers echo what they refuse."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from typing import NamedTuple, TypeVar

from .patterns import lazy_pattern

T = TypeVar("T", str, bytes)

_SHORT = 4
"""Octets: a piece of a secret of this length is not shown. Shorter secrets occur in ordinary words:
masking them there would make texts unreadable, and show what the secret is."""
_LONG, _OF_A_LONG_ONE = 64, 6  # pieces of a secret this long occur anywhere by chance if shorter
_ENOUGH = 6  # octets: a piece this long does not occur in a word by chance
_MUCH = 2000  # characters: longer texts are not searched for nested encodings

_HEX_PAIR = "(?:0[Xx])?[0-9A-Fa-f]{2}"
_HEX = lazy_pattern(rf"{_HEX_PAIR}(?:[ :,;-]{{0,2}}{_HEX_PAIR}){{3,}}[0-9A-Fa-f]?")
_HEX_PREFIX = lazy_pattern("0[Xx]|[^0-9A-Fa-f]")
_PERCENT = lazy_pattern(r"%([0-9A-Fa-f]{2})")
_FORM = lazy_pattern(r"%([0-9A-Fa-f]{2})|\+")
_QUOTED_PRINTABLE = lazy_pattern(r"=([0-9A-Fa-f]{2})")
_HTML = lazy_pattern(
    r"&(?:#0{0,8}[0-9]{1,7}|#[Xx]0{0,8}[0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?"
)
_ESCAPE = lazy_pattern(
    r"\\(?:x([0-9A-Fa-f]{2})|([0-3][0-7]{2})"
    r"|u([Dd][89ABab][0-9A-Fa-f]{2})\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})"
    r"|(?:u|U0000)([0-9A-Fa-f]{4})|U(00(?:0[1-9A-Fa-f]|10)[0-9A-Fa-f]{4})"
    r"|[ux]\{0{0,4}((?:10|[0-9A-Fa-f])?[0-9A-Fa-f]{1,4})\}|([ -~]))"
)
_CODE_POINT = lazy_pattern(r"[Uu]\+((?:10|[0-9A-Fa-f])?[0-9A-Fa-f]{4})[ ,;]?")
_RUN = lazy_pattern(r"[A-Za-z0-9+/_-]{4,}={0,2}")  # of base64
# A NUL, and a name: how a line of AUTH PLAIN begins (RFC 4616).
_BEGINNING = lazy_pattern(r"A[A-P][A-Za-z0-9+/]{4,}")
_SPELLED = lazy_pattern(rf"[%&\\=+]|{_HEX.pattern}|{_BEGINNING.pattern}")
_URL_SAFE = str.maketrans("+/", "-_")
_OF_A_TOKEN = b"auth=Bearer "  # OAUTHBEARER, XOAUTH2


class _View(NamedTuple):
    """Text as octets (characters up to U+00FF), and the span of the text that encodes each."""

    octets: str
    spans: list[tuple[int, int]]


def masked(text: str, hidden: bytearray) -> str:
    """Return `text` with ``***`` in place of each part that is set in `hidden`."""
    shown = ""
    for start, each in enumerate(hidden):
        if not each:
            shown += text[start]
        elif not start or not hidden[start - 1]:
            shown += "***"
    return shown


def as_word(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern that finds short secrets as words of their own; ``None`` for long ones.

    Masked within words, a short secret would be readable from what is left of them.
    """
    found = sorted(secrets, key=len, reverse=True)
    if len(found[0]) >= _SHORT:
        return None
    either = "|".join(map(re.escape, found))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{either})(?![A-Za-z0-9])")


class Echoes:
    """Find a secret and its pieces in text.

    Only private attributes contain it, because tracebacks show the variables of frames.
    """

    __slots__ = ("__as_word", "__encoded", "__enough", "__pieces", "__size")

    def __init__(self, secret: str) -> None:
        octets = {secret.encode("utf-8", "surrogatepass"), secret.encode("latin-1", "replace")}
        longest = max(map(len, octets))
        size = min(*map(len, octets), _SHORT if longest < _LONG else _OF_A_LONG_ONE)
        self.__as_word = as_word(each.decode("latin-1") for each in octets)
        self.__size = size
        self.__enough = min(longest, _ENOUGH)
        self.__pieces = frozenset(
            piece.decode("latin-1") for each in octets for piece in _windows(each, size)
        )
        encoded = {text for each in octets for text in _in_base64(each, max(size, _SHORT))}
        encoded |= set(_in_base64(_OF_A_TOKEN, max(size, _SHORT)))
        self.__encoded = frozenset(encoded | {each.translate(_URL_SAFE) for each in encoded})

    def mark(self, text: str, hidden: bytearray) -> None:
        """Mark in `hidden` the characters of `text` that show the secret or a piece of it."""
        if text.isascii() and not _SPELLED.search(text):
            size = self.__size
            if self.__pieces.isdisjoint(_windows(text, size)) and self.__encoded.isdisjoint(
                _windows(text, max(size, _SHORT))
            ):
                return
        for start, end in self.__spans(_view(text), 2 if len(text) <= _MUCH else 1):
            hidden[start:end] = b"\1" * (end - start)

    def __spans(self, view: _View, depth: int) -> Iterator[tuple[int, int]]:
        octets = view.octets
        for begin, end in self.__places(octets):
            yield view.spans[begin][0], view.spans[end - 1][1]
        size = max(self.__size, _SHORT)
        for run in _RUN.finditer(octets):
            if not self.__encoded.isdisjoint(_windows(run[0], size)) or _is_of_a_login(run[0]):
                yield view.spans[run.start()][0], view.spans[run.end() - 1][1]
        if depth:
            for pattern, octets_of in _SPELLINGS:
                if pattern.search(octets):
                    yield from self.__spans(_decoded(view, pattern, octets_of), depth - 1)

    def __places(self, octets: str) -> Iterator[tuple[int, int]]:
        """Yield where `octets` are the secret or a piece of it."""
        if self.__as_word is not None:
            yield from (found.span() for found in self.__as_word.finditer(octets))
            return
        size, begin = self.__size, -1
        for start, piece in enumerate([*_windows(octets, size), ""]):
            if piece in self.__pieces:
                begin = start if begin < 0 else begin
            elif begin >= 0:
                end = start - 1 + size
                if end - begin >= self.__enough or _stands_alone(octets, begin, end):
                    yield begin, end
                begin = -1


def _windows(text: T, size: int) -> list[T]:
    return [text[start : start + size] for start in range(len(text) - size + 1)]


def _stands_alone(octets: str, start: int, end: int) -> bool:
    """Return True if a piece is not part of a longer word, which may contain it by chance."""
    return not (octets[start - 1 : start].isalnum() or octets[end : end + 1].isalnum())


def _in_base64(octets: bytes, size: int) -> Iterator[str]:
    """Yield the base64 of pieces of `octets`, at each position within encoded data."""
    for before in range(3):
        text = binascii.b2a_base64(b"\0" * before + octets, newline=False).decode()
        # Only characters that do not depend on other octets.
        yield from _windows(text[(before * 8 + 5) // 6 : (before + len(octets)) * 8 // 6], size)


def _is_of_a_login(run: str) -> bool:
    """Return True if base64 begins as a line of AUTH PLAIN: NUL, name, NUL, password."""
    found = _BEGINNING.match(run)
    octets = binascii.a2b_base64(run[: found.end() // 4 * 4]) if found else b""
    return octets.find(b"\0", 1) > 1


def _view(text: str) -> _View:
    if text.isascii():
        return _View(text, [(start, start + 1) for start in range(len(text))])
    octets, spans = "", []
    for start, each in enumerate(text):
        several = _as_octets(each)
        octets += several
        spans += [(start, start + 1)] * len(several)
    return _View(octets, spans)


def _as_octets(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _decoded(
    view: _View, pattern: re.Pattern[str], octets_of: Callable[[re.Match[str]], str]
) -> _View:
    octets, spans, end = "", [], 0
    for match in pattern.finditer(view.octets):
        several = octets_of(match)
        octets += view.octets[end : match.start()] + several
        spans += view.spans[end : match.start()]
        end = match.end()
        spans += [(view.spans[match.start()][0], view.spans[end - 1][1])] * len(several)
    return _View(octets + view.octets[end:], spans + view.spans[end:])


def _from_hex(match: re.Match[str], skipped: int = 0) -> str:
    digits = _HEX_PREFIX.sub("", match[0])[skipped:]
    return bytes.fromhex(digits[: len(digits) // 2 * 2]).decode("latin-1")


def _from_html(match: re.Match[str]) -> str:
    return _as_octets(unescape(match[0]))


def _from_escape(match: re.Match[str], *, of_text: bool = False) -> str:
    octet, octal, high, low, short, long, braced, character = match.groups()
    if octet or octal:
        number = chr(int(octet, 16) if octet else int(octal, 8))
        return _as_octets(number) if of_text else number
    if high:
        return _as_octets(chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00))
    return character or _as_octets(chr(int(short or long or braced, 16)))


_SPELLINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_PERCENT, lambda match: chr(int(match[1], 16))),
    (_FORM, lambda match: chr(int(match[1], 16)) if match[1] else " "),
    (_QUOTED_PRINTABLE, lambda match: chr(int(match[1], 16))),
    (_HTML, _from_html),
    (_CODE_POINT, lambda match: _as_octets(chr(int(match[1], 16)))),
    (_ESCAPE, _from_escape),
    (_ESCAPE, lambda match: _from_escape(match, of_text=True)),
    (_HEX, _from_hex),
    (_HEX, lambda match: _from_hex(match, 1)),
)
