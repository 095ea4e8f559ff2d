"""Decoding of the charsets in mail from other programs. Pure.

Labels are read as browsers read them (WHATWG Encoding Standard, section 4.2), as the programs that
wrote the mail intended: they call GBK "gb2312" and Windows-1252 "iso-8859-1". An invalid octet
costs one character, never the rest of the text.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, Final

from ..util.text import check_charset

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

# Labels of the standard, and a few that only mail programs use, by codec. "replacement" and
# "x-user-defined" are left out; hz and iso-2022-kr, which browsers refuse, are accepted.
_LABELS: Final = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 utf8mb4 x-unicode20utf8",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859-2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987"
    " l2 latin2",
    "iso8859-3": "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988"
    " l3 latin3",
    "iso8859-4": "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988"
    " l4 latin4",
    "iso8859-5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5"
    " iso_8859-5:1988",
    "iso8859-6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6"
    " iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
    "iso8859-7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7"
    " iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek",
    "iso8859-8": "csiso88598e csiso88598i csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e"
    " iso-8859-8-i iso-ir-138 iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 logical visual",
    "iso8859-10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "iso8859-13": "iso-8859-13 iso8859-13 iso885913",
    "iso8859-14": "iso-8859-14 iso8859-14 iso885914",
    "iso8859-15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9",
    "iso8859-16": "iso-8859-16",
    "koi8-r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8-u": "koi8-ru koi8-u",
    "mac-roman": "csmacintosh mac macintosh x-mac-roman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
    "cp1250": "cp1250 windows-1250 x-cp1250",
    "cp1251": "cp1251 windows-1251 x-cp1251",
    "cp1252": "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100"
    " iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
    "cp1253": "cp1253 windows-1253 x-cp1253",
    "cp1254": "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9"
    " iso_8859-9:1989 l5 latin5 windows-1254 x-cp1254",
    "cp1255": "cp1255 windows-1255 x-cp1255",
    "cp1256": "cp1256 windows-1256 x-cp1256",
    "cp1257": "cp1257 windows-1257 x-cp1257",
    "cp1258": "cp1258 windows-1258 x-cp1258",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb18030 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58"
    " x-gbk",
    "big5": "big5 big5-hkscs big5hkscs cn-big5 cp950 csbig5 x-x-big5",
    "euc-jp": "cp51932 cseucpkdfmtjapanese euc-jp eucjp-ms x-euc-jp",
    "iso-2022-jp": "cp50220 cp50221 cp50222 csiso2022jp iso-2022-jp iso-2022-jp-ms",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601 ks_c_5601-1987"
    " ks_c_5601-1989 ksc5601 ksc_5601 windows-949",
    "utf-16-be": "unicodefffe utf-16be",
    "utf-16": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
    "hz": "hz-gb-2312",
    "iso2022-kr": "csiso2022kr iso-2022-kr",
}
_CODECS: Final = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
# Labels of programs that do not know the charset: guess it.
_UNKNOWN: Final = frozenset(
    {"", "8bit", "binary", "default", "none", "unknown", "unknown-8bit", "x-unknown"}
    # Text with these labels is often UTF-8, and non-ASCII octets contradict them.
    | {"ansi_x3.4-1968", "ascii", "us-ascii"}
)
_TRIMMED: Final = " \t\r\n\"';"

_MEND: Final = "flask_mail.mend"
_MOST_MENDED: Final = 10_000
"""Invalid octets; text with more of them is in some other charset."""

# An invalid octet, the rest of its character, and a following octet that is never valid.
_OF_UTF_8 = re.compile(rb".[\x80-\xbf]*(?:[\xc0\xc1\xf5-\xff][\x80-\xbf]*)?", re.DOTALL)
# Private characters that Python's cp932 decodes invalid octets to.
_WRONG = re.compile("[\uf8f0-\uf8f3\ufffd]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Consecutive multi-octet characters, up to an octet that is never part of one, such as a space.
_RUN = re.compile(rb"[^\x00-\x2f]{0,200}")
_ESCAPE = re.compile(rb"(\x1b(?:\([BHIJ]|\$[@AB]|\$\([@A-D])|\n)")
_PAIR = re.compile(rb"([\xa1-\xfe]{2})")

# Codecs for strict decoding.
_STRICT: Final = {"big5": "big5hkscs", "euc-jp": "euc_jp", "iso-2022-jp": "iso2022_jp_2"}
_DOUBLE: Final = frozenset({"big5hkscs", "cp949", "euc_jp", "gb18030", "shift_jis"})
# Characters that Windows and the standard map differently.
_IN_JAPAN: Final = str.maketrans("〜‖−¢£¬", "～∥－￠￡￢")  # noqa: RUF001
_IN_TAIWAN: Final = str.maketrans("•､‾∼♁☉¥¢£￭", "‧﹑¯～⊕⊙￥￠￡▓")  # noqa: RUF001


def decode(octets: bytes, label: str) -> str:
    """Decode `octets` of a charset; invalid ones become U+FFFD.

    :param label: the charset that the message declares, or an empty string.
    :raises LookupError: the charset does not exist.
    """
    label = label.strip(_TRIMMED).lower()
    if label in _UNKNOWN:
        return _guessed(octets)
    codec = _CODECS.get(label)
    if codec is None:
        # Python knows more spellings, such as "latin-1" and "euc_kr".
        codec = check_charset(label)
        codec = _CODECS.get(codec.replace("_", "-"), codec)
    # UTF-7 can encode lone surrogates.
    text = _decoded(octets, codec)
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)


def decode_best(octets: bytes, label: str) -> str:
    """Decode `octets` as :func:`decode` does; if the charset is unknown, guess it."""
    try:
        return decode(octets, label)
    except (LookupError, ValueError):
        return _guessed(octets)


def decode_raw(octets: bytes, label: str) -> str:
    """Decode `octets` as UTF-8 if that is likely, else in the charset `label`."""
    text = _decoded(octets, "utf-8")
    return text if _is_likely(text) else decode_best(octets, label)


def _guessed(octets: bytes) -> str:
    text = _decoded(octets, "utf-8")
    return text if _is_likely(text) else _decoded(octets, "cp1252")


def _is_likely(text: str) -> bool:
    """Return True if decoded text was UTF-8: other charsets rarely form valid UTF-8 by chance."""
    wrong = text.count(REPLACEMENT)
    return not wrong or sum(not each.isascii() for each in text) >= 2 * wrong


def _decoded(octets: bytes, codec: str) -> str:
    if codec == "utf-16" and not octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        codec = "utf-16-le"
    text = octets.decode(_STRICT.get(codec, codec), "replace")
    if text.isascii():
        return text
    if 0 < len(_WRONG.findall(text)) <= _MOST_MENDED:
        if codec == "iso-2022-jp":
            return _from_iso_2022_jp(octets)
        if codec == "cp932":
            return octets.decode("shift_jis", _MEND).translate(_IN_JAPAN)
        text = octets.decode(_STRICT.get(codec, codec), _MEND)
    if codec == "cp932":
        return _WRONG.sub(REPLACEMENT, text)
    return text.translate(_IN_TAIWAN) if codec == "big5" else text


def _mend(error: Any) -> tuple[str, int]:
    """Error handler: return the replacement for invalid octets and the position to continue at."""
    octets, start = error.object, error.start
    if error.encoding == "utf-8":
        return REPLACEMENT, _OF_UTF_8.match(octets, start).end()  # type: ignore[union-attr] # any
    if error.encoding not in _DOUBLE:
        return REPLACEMENT, error.end
    if error.encoding == "gb18030" and octets[start] == 0x80:
        return "€", start + 1  # as in Windows
    if other := _otherwise(octets[start : start + 2], error.encoding):
        return other, start + 2
    # Either octet of a character, or an extra one, may be wrong. Try each position to resume at:
    # from a wrong one, the rest has errors, or single-octet characters among the others.
    run = _RUN.match(octets, start)[0]  # type: ignore[index] # it matches nothing too
    further = next((at for at, octet in enumerate(run[1:3]) if octet < 0x80), len(run[1:3]))
    skipped = max(range(1, further + 2), key=lambda count: _merit(run, count, error.encoding))
    return REPLACEMENT, start + skipped


def _merit(octets: bytes, start: int, codec: str) -> tuple[int, int]:
    """Return a score for resuming at `start`: how far that decodes, then how few characters."""
    at, characters = start, 0
    while True:
        try:
            characters += len(octets[at:].decode(codec))
        except UnicodeDecodeError as error:
            characters += len(octets[at : at + error.start].decode(codec))
            at += error.start
            if not _otherwise(octets[at : at + 2], codec):
                return at, -2 * characters - start
            at, characters = at + 2, characters + 1
        else:
            return len(octets), -2 * characters - start


def _otherwise(pair: bytes, codec: str) -> str:
    """Return the character that Windows adds to a charset for `pair`, or an empty string."""
    if codec == "big5hkscs":
        return _one_of(pair, "cp950")
    if codec == "shift_jis":
        return _one_of(pair, "cp932")
    if codec == "euc_jp" and _PAIR.fullmatch(pair):
        row, cell = pair[0] - 0xA1, pair[1] - 0xA1
        first = row // 2 + (0x81 if row < 62 else 0xC1)
        second = cell + (0x9F if row % 2 else 0x40 if cell < 63 else 0x41)
        return _one_of(bytes((first, second)), "cp932")
    return ""


def _one_of(pair: bytes, codec: str) -> str:
    try:
        text = pair.decode(codec)
    except UnicodeDecodeError:
        return ""
    return "" if len(pair) < 2 or len(text) != 1 or _WRONG.search(text) else text


def _from_iso_2022_jp(octets: bytes) -> str:
    """Decode ISO-2022-JP with the characters and half-width kana that Windows adds."""
    written: list[str] = []
    alphabet = b""
    for piece in _ESCAPE.split(octets):
        if piece == b"\n":  # each line begins in ASCII (RFC 1468)
            written.append("\n")
            alphabet = b""
        elif piece.startswith(b"\x1b") and _ESCAPE.fullmatch(piece):
            alphabet = piece
        elif alphabet in (b"\x1b$B", b"\x1b$@", b"\x1b$(B", b"\x1b$(@"):
            written.append(_high(piece).decode("euc_jp", _MEND))
        elif alphabet == b"\x1b(I":
            written.append(_high(piece).decode("cp932", "replace"))
        else:
            closed = alphabet + piece
            written.append(closed.decode("iso2022_jp_2", "replace"))
    return "".join(written)


def _high(octets: bytes) -> bytes:
    """Set the eighth bit of the octets of an alphabet; those outside of it become invalid."""
    return bytes(octet + 0x80 if 0x21 <= octet < 0x7F else 0xFF for octet in octets)


codecs.register_error(_MEND, _mend)
