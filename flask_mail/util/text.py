"""Text from outside: conversion to ``str``, control characters, charsets, display."""

from __future__ import annotations

import base64
import binascii
import codecs
import numbers
import re
import reprlib
import unicodedata
from collections.abc import Mapping
from typing import Final, cast

from ..errors import BadHeaderError
from .patterns import lazy_pattern

MAX_TEXT: Final = 998  # RFC 5322 2.1.1: the longest header line
HEADER_NAME: Final = lazy_pattern(r"[!-9;-~]{1,76}")  # RFC 5322 section 3.6.8, in a line of 78
_MAX_SHOWN: Final = 60
_MAX_CHARSET: Final = 40  # RFC 2978 2.3

# Header injection: besides CR and LF, the standard library folds at VT, FF, FS, GS, RS and NEL,
# and str.splitlines knows U+2028 and U+2029. A lone surrogate would only fail once it is encoded.
_CONTROL = lazy_pattern("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_SURROGATE = lazy_pattern("[\ud800-\udfff]")

_NOT_TEXT = (bytes, bytearray, memoryview, tuple, list, set, frozenset, Mapping, numbers.Number)

_ENCODED_WORD = lazy_pattern(  # RFC 2047 2, with the language of RFC 2231 5
    r"=\?([\w.:+-]{1,40})(?:\*[\w-]*)?\?([bq])\?([!->@-~]*)\?=", re.ASCII | re.IGNORECASE
)
_ENCODED_WORDS = lazy_pattern(
    rf"{_ENCODED_WORD.pattern}(?: +{_ENCODED_WORD.pattern})*", re.ASCII | re.IGNORECASE
)
# Text encodings of Python that are not used in mail, and are slow (idna), warn (unicode-escape) or
# depend on the machine (mbcs).
_NO_CHARSETS = frozenset(
    {"idna", "mbcs", "oem", "palmos", "punycode", "raw-unicode-escape", "unicode-escape"}
)


def plain_text(value: object) -> str | None:
    """Return a string, or a lazy string evaluated once, as an exact ``str``.

    Return ``None`` for values that are not text: bytes, numbers, containers, ``None``. Errors of a
    lazy string propagate.
    """
    if type(value) is str:
        return value
    text = _exact(value)
    if text is None and value is not None and not isinstance(value, _NOT_TEXT):
        text = _exact(str(value))
    return text


def digits_of(number: object) -> str | None:
    """Return a number in digits, ``None`` if it has more of them than Python writes."""
    try:
        return str(number)
    except ValueError:  # see sys.set_int_max_str_digits()
        return None


def sentence(text: str) -> str:
    """Return `text` with a capital first letter."""
    return text[:1].upper() + text[1:]


def check_controls(text: str, subject: str = "it") -> None:
    """Refuse control characters, line and paragraph separators and lone surrogates.

    :param subject: what the text is, as the error's sentence begins.
    :raises BadHeaderError: the text contains one.
    """
    if is_plain(text):
        return
    if found := _CONTROL.search(text):
        raise BadHeaderError(
            f"{subject} contains the character U+{ord(found[0]):04X}; newlines and other control"
            " characters are not allowed here"
        )


def remove_controls(text: str) -> str:
    """Remove every character that :func:`check_controls` refuses."""
    return text if is_plain(text) else _CONTROL.sub("", text)


def clean_text(text: str) -> str:
    """Return `text` with lone surrogates replaced, which cannot be encoded."""
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def is_plain(text: str) -> bool:
    """Return True if a text is printable ASCII, as nearly all text in mail is."""
    return text.isascii() and text.isprintable()


def decode_words(text: str) -> str:
    """Decode a text that consists of RFC 2047 encoded-words only; return any other as it is.

    Text that cannot be decoded is returned as it is too, and so is text that decodes to
    encoded-words: it was encoded twice on purpose. The result may contain control characters.
    """
    if not _ENCODED_WORDS.fullmatch(text):
        return text
    try:
        decoded = "".join(_decode(*word.groups()) for word in _ENCODED_WORD.finditer(text))
    except (LookupError, ValueError):
        return text
    return text if _ENCODED_WORDS.fullmatch(decoded.strip(" ")) else decoded


def decode_octets(octets: bytes, charset: str, errors: str = "strict") -> str:
    """Decode `octets`, in a charset that mail is written in.

    :raises LookupError: the charset is unknown or not used in mail.
    :raises ValueError: they are not valid in it.
    """
    check_charset(charset)
    return octets.decode(charset, errors)


def check_charset(charset: str) -> str:
    """Return Python's name of a charset that mail is written in.

    :raises LookupError: the charset is unknown or not used in mail.
    """
    # Python caches each name that is looked up.
    if len(charset) > _MAX_CHARSET:
        raise LookupError(charset[:_MAX_CHARSET])
    name = codecs.lookup(charset).name
    if name.replace("_", "-") in _NO_CHARSETS:
        raise LookupError(charset)
    return name


def becomes_ascii(text: str) -> str | None:
    """Return a character that is not ASCII and that lower case and NFC would make ASCII.

    Such as KELVIN SIGN, which becomes a k: mail for one address would go to another.
    """
    for character in text:
        if not character.isascii() and unicodedata.normalize("NFC", character.lower()).isascii():
            return character
    return None


def describe(value: object) -> str:
    """Return a value as an error message shows it: escaped, and cut to about 60 characters.

    Never raises. Characters that are not printable, such as bidirectional controls, are escaped.
    """
    text = _exact(value)
    if text is not None:
        shown = repr(text[: _MAX_SHOWN + 1])
    else:
        try:
            shown = reprlib.repr(value)
        except Exception:  # noqa: BLE001 - a foreign __repr__ may raise anything
            shown = f"<{type(value).__name__}>"
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)
    return shown if len(shown) <= _MAX_SHOWN + 2 else shown[: _MAX_SHOWN - 1] + "..."


def _exact(value: object) -> str | None:
    # Not isinstance: a proxy (werkzeug's LocalProxy) claims to be a str. Not str(): a member of
    # an enumeration of strings answers with its name.
    return str.__str__(cast(str, value)) if issubclass(type(value), str) else None


def _decode(charset: str, encoding: str, text: str) -> str:
    if encoding in "bB":
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    else:
        data = binascii.a2b_qp(text, header=True)
    return decode_octets(data, charset)
