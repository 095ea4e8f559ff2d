"""Transfer encodings and encoded-words (RFC 2045, RFC 2047). Pure."""

from __future__ import annotations

import base64
import binascii
import contextlib
from email.charset import BASE64, QP, Charset
from typing import TYPE_CHECKING

from .content import encode_base64

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_LINE = 998
"""Maximum length of a line, without its CRLF (RFC 5322 section 2.1.1)."""
MAX_WORD = 75
"""The longest encoded-word, with its delimiters (RFC 2047 section 2)."""

_WIDEST = 12  # one character: four octets in Q, or two and their escapes in ISO-2022-JP in B
# Characters that need no encoding in any position of a word (section 5, rule 3).
_Q_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/")
_Q = [
    "_" if octet == 0x20 else chr(octet) if octet in _Q_SAFE else f"={octet:02X}"
    for octet in range(256)
]


SEVEN_BIT = bytes(range(1, 128))
"""Octets of 7bit data (RFC 2045 section 2.7)."""
EIGHT_BIT = bytes(range(1, 256))
"""Octets of 8bit data, for servers that offer 8BITMIME (RFC 2045 section 2.8)."""
_PLAIN = b"\t\r\n" + bytes(range(32, 127))  # text without controls
_PLAIN_ISO_2022 = b"\x1b" + _PLAIN  # its alphabets are switched with ESC


def has_lines(octets: bytes, alphabet: bytes) -> bool:
    """Return True if `octets` are legal lines of octets from `alphabet`."""
    # Not a regular expression: its memory grows with the number of lines.
    if octets.translate(None, alphabet):
        return False
    if not octets.count(b"\r\n") == octets.count(b"\n") == octets.count(b"\r"):
        return False
    start = 0
    while len(octets) - start > LONGEST_LINE:
        start = octets.rfind(b"\r\n", start, start + LONGEST_LINE + 2) + 2
        if start == 1:
            return False
    return True


def encode_text(text: str, charset: Charset) -> tuple[bytes, str]:
    """Encode `text` in `charset`, or in UTF-8 if that cannot express it; return octets and label.

    A lone surrogate, which no charset can express, becomes a question mark.
    """
    codec = codec_of(charset)
    if codec == "utf-8" and text.isascii():
        return text.encode(), charset.get_output_charset() or "us-ascii"
    with contextlib.suppress(UnicodeError):
        octets = text.encode(codec)
        # ISO-2022-JP writes an ESC in the text as if it were its own.
        if codec == "utf-8" or octets.decode(codec) == text:
            return octets, charset.get_output_charset() or "us-ascii"
    return text.encode("utf-8", "replace"), "utf-8"


def encode_words(text: str, charset: Charset, taken: int = 0) -> list[str]:
    """Write `text` as encoded-words of at most 75 characters that split no character.

    Uses B or Q, whichever is shorter, unless the charset prescribes one. Text that the charset
    cannot express is written in UTF-8.

    :param taken: characters that precede the first word in its line.
    """
    octets, label = encode_text(text, charset)
    if label != "utf-8":
        # JIS X 0213 has characters that are two in Unicode, and cannot be split there.
        with contextlib.suppress(UnicodeError):
            return _words(text, octets, codec_of(charset), label, charset.header_encoding, taken)
        octets = text.encode("utf-8", "replace")
    return _words(octets.decode("utf-8"), octets, "utf-8", "utf-8", None, taken)


def codec_of(charset: Charset) -> str:
    """Return the codec that encodes text for `charset`."""
    return charset.output_codec or "us-ascii"


def transfer_encode(octets: bytes, label: str) -> tuple[str, bytes]:
    """Encode text with CRLF line ends: as 7bit if legal, else in the shorter encoding.

    :param label: the charset of `octets`.
    """
    if has_lines(octets, _PLAIN_ISO_2022 if label.startswith("iso-2022") else _PLAIN):
        return "7bit", octets
    encoded = encode_base64(octets)
    # b2a_qp ends soft breaks like the first line, and with LF if there is only one line.
    quoted = binascii.b2a_qp(octets, istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return ("quoted-printable", quoted) if len(quoted) <= len(encoded) else ("base64", encoded)


def _words(
    text: str, octets: bytes, codec: str, label: str, encoding: int | None, taken: int
) -> list[str]:
    if encoding not in (BASE64, QP):
        encoding = BASE64 if _b_length(octets) < _q_length(octets) else QP
    length, spell, letter = (
        (_b_length, _b_spell, "b") if encoding == BASE64 else (_q_length, _q_spell, "q")
    )
    room = MAX_WORD - len(f"=?{label}?{letter}??=")
    first = max(room - taken, _WIDEST)
    pieces = [octets] if length(octets) <= first else _pieces(text, codec, length, room, first)
    return [f"=?{label}?{letter}?{spell(piece)}?=" for piece in pieces]


def _pieces(
    text: str, codec: str, length: Callable[[bytes], int], room: int, first: int
) -> list[bytes]:
    pieces: list[bytes] = []
    start = 0
    while start < len(text):
        space = room if pieces else first
        # A character takes at least one octet, so at most `space` of them fit.
        low, high = 1, min(space, len(text) - start)
        while low < high:
            middle = (low + high + 1) // 2
            if length(text[start : start + middle].encode(codec)) <= space:
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
    return len(_q_spell(octets))


def _q_spell(octets: bytes) -> str:
    return "".join([_Q[octet] for octet in octets])
