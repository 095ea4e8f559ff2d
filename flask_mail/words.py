"""Writes encoded-words: text in headers that is not ASCII (RFC 2047). Pure."""

from __future__ import annotations

import base64
import re
from email.charset import BASE64, QP, Charset
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WORD = 75
"""The longest encoded-word, with its delimiters (RFC 2047 section 2)."""

_WORD = re.compile(r"=\?[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+\?[bBqQ]\?[!->@-~]*\?=")
# The characters that may stand for themselves in a word wherever it is used (section 5, rule 3).
_Q_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/")


def encode_words(text: str, charset: Charset) -> list[str]:
    """Spell `text` in encoded-words of at most 75 characters; none of them splits a character.

    Uses B or Q, whichever is shorter, unless the charset prescribes one. Text that the charset
    cannot express is spelled in UTF-8.
    """
    codec = charset.output_codec or "us-ascii"
    label = charset.get_output_charset() or "us-ascii"
    try:
        whole = text.encode(codec)
    except UnicodeEncodeError:
        codec = label = "utf-8"
        whole = text.encode(codec)
        encoding = None
    else:
        encoding = charset.header_encoding
    if encoding not in (BASE64, QP):
        encoding = BASE64 if _b_length(whole) < _q_length(whole) else QP
    length, spell, letter = (
        (_b_length, _b_spell, "b") if encoding == BASE64 else (_q_length, _q_spell, "q")
    )
    room = MAX_WORD - len(f"=?{label}?{letter}??=")
    return [f"=?{label}?{letter}?{spell(piece)}?=" for piece in _pieces(text, codec, length, room)]


def holds_encoded_word(text: str) -> bool:
    """Whether a reader would decode a part of `text`."""
    return _WORD.search(text) is not None


def _pieces(text: str, codec: str, length: Callable[[bytes], int], room: int) -> list[bytes]:
    pieces: list[bytes] = []
    start = 0
    while start < len(text):
        # A character takes one octet at least, so no more than `room` of them ever fit.
        low, high = 1, min(room, len(text) - start)
        while low < high:
            middle = (low + high + 1) // 2
            if length(text[start : start + middle].encode(codec)) <= room:
                low = middle
            else:
                high = middle - 1
        pieces.append(text[start : start + low].encode(codec))
        start += low
    return pieces


def _b_length(octets: bytes) -> int:
    return (len(octets) + 2) // 3 * 4


def _b_spell(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _q_length(octets: bytes) -> int:
    return sum(1 if octet in _Q_SAFE or octet == 0x20 else 3 for octet in octets)


def _q_spell(octets: bytes) -> str:
    return "".join(
        chr(octet) if octet in _Q_SAFE else "_" if octet == 0x20 else f"={octet:02X}"
        for octet in octets
    )
