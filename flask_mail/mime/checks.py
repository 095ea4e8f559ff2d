"""Checks and conversions of the values of header fields (RFC 5322, 2047, 2045, 2183). Pure."""

from __future__ import annotations

import codecs
import re
from email.charset import Charset
from functools import lru_cache
from numbers import Number

from ..errors import BadHeaderError, MessageError
from ..util.patterns import lazy_pattern
from ..util.text import (
    HEADER_NAME,
    check_controls,
    decode_words,
    describe,
    digits_of,
    is_plain,
    plain_text,
    remove_controls,
)
from .encodings import codec_of

CRLF = "\r\n"
UTF_8 = Charset("utf-8")
TOKEN = lazy_pattern(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")  # RFC 2045 section 5.1

_PROBE = "Aa..\r\n"  # idna refuses the dots
_CHARSET = lazy_pattern(r"[\w.:+-]{1,40}", re.ASCII)  # RFC 2978 section 2.3, as programs use it
# re.ASCII: KELVIN SIGN and LONG S would match as letters.
_TYPE = lazy_pattern(rf"(?!multipart/){TOKEN.pattern}/{TOKEN.pattern}", re.ASCII | re.IGNORECASE)
_PARAMETER = lazy_pattern(rf' *; *({TOKEN.pattern})=({TOKEN.pattern}|"(?:[^"\\]|\\.)*")')
# No two adjacent parts match the same characters, so spaces take linear time.
_STRUCTURED = lazy_pattern(rf"([^; ]*(?: +[^; ]+)*)((?:{_PARAMETER.pattern})*) *;?")
_ESCAPED = lazy_pattern(r"\\(.)")
_MAX_STRUCTURED = 900  # leaves room in a line for the name of the header


def check_text(value: object, field: str) -> str:
    """Return `value` as a str that is safe in a header.

    :raises BadHeaderError: it contains a line break or another control character, or does so once
        its encoded-words are decoded.
    :raises MessageError: it is not text, such as bytes.
    """
    text = plain_text(value)
    if text is not None and is_plain(text) and "=?" not in text:
        return text
    if text is None and isinstance(value, Number):
        text = digits_of(value)
    if text is None:
        raise MessageError(f"The {field} must be a string, not {describe(value)}.")
    try:
        check_controls(text)
        for word in text.split(" ") if "=?" in text else ():
            check_controls(decode_words(word), "an encoded-word in it")
    except BadHeaderError as error:
        raise BadHeaderError(f"The {field} {describe(text)} cannot be used: {error}.") from None
    return text


def check_folded(value: object, field: str) -> str:
    """Return `value` as a str that may contain tabs and folds (RFC 5322 section 2.2.3).

    A fold is CRLF followed by white space and leaves no line blank.

    :raises BadHeaderError: it contains any other line break or control character.
    """
    text = plain_text(value)
    if text is None or is_plain(text):
        return check_text(value, field)
    first, *others = text.split(CRLF)
    if first.strip(" \t") and all(line[:1] in " \t" and line.strip(" \t") for line in others):
        check_text(text.replace(CRLF, "").replace("\t", " "), field)
    else:
        check_text(text, field)
    return text


def check_header_name(value: object, field: str) -> str:
    """Return `value` as the name of a header, or raise :class:`BadHeaderError`."""
    name = plain_text(value)
    if name is None or not HEADER_NAME.fullmatch(name):
        raise BadHeaderError(
            f"The {field} {describe(value if name is None else name)} is not valid: use 1 to 76"
            " printable ASCII characters without a colon (RFC 5322 section 3.6.8)."
        )
    return name


def check_content_type(value: object, field: str) -> tuple[str, dict[str, str]]:
    """Return ``type/subtype`` and its parameters for a single part.

    :raises MessageError: it is not a content type, or is ``multipart/...`` (RFC 2045 section 5.1).
    """
    text = check_text(value, field)
    main, parameters = _split_parameters(text)
    if not _TYPE.fullmatch(main):
        raise MessageError(
            f"The {field} {describe(text)} is not valid for a part: write"
            ' "type/subtype", such as "application/pdf", with parameters as "; name=value".'
        )
    return main, parameters


def check_disposition(value: object, field: str) -> tuple[str, dict[str, str]]:
    """Return a disposition, such as ``inline``, and its parameters (RFC 2183 section 2)."""
    text = check_text(value, field)
    main, parameters = _split_parameters(text)
    if not TOKEN.fullmatch(main):
        raise MessageError(
            f'The {field} {describe(text)} is not valid: use "attachment" or "inline" (RFC 2183).'
        )
    return main, parameters


def as_text(value: object) -> str:
    """Return any `value` as a str; never raises."""
    if type(value) is str:
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    text = plain_text(value)
    return (
        text if text is not None else "" if value is None else digits_of(value) or describe(value)
    )


def clean(value: object) -> str:
    """Return any `value` as a str without line breaks and other controls; never raises."""
    return remove_controls(as_text(value))


def charset_of(name: object) -> Charset:
    """Return the charset called `name`, as the standard library maps it (shift_jis -> iso-2022-jp).

    A charset that encodes ASCII or line ends differently, such as UTF-16, is not allowed for text
    in mail (RFC 2046 section 4.1.1); UTF-8 replaces it.

    :raises MessageError: `name` is not a charset for text.
    """
    return _charset_of(as_text(name))


@lru_cache(maxsize=64)
def _charset_of(text: str) -> Charset:
    try:
        if not _CHARSET.fullmatch(text):
            raise LookupError(text)
        charset = Charset(text)
        codec = codec_of(charset)
        fits = codecs.lookup(codec).name != "utf-8" and _PROBE.encode(codec) == _PROBE.encode()
    except UnicodeError:
        fits = False
    except LookupError:
        raise MessageError(
            f'The charset {describe(text)} is unknown: use one such as "utf-8".'
        ) from None
    return charset if fits else UTF_8


def _split_parameters(text: str) -> tuple[str, dict[str, str]]:
    parsed = _STRUCTURED.fullmatch(text.strip(" ")) if len(text) <= _MAX_STRUCTURED else None
    if not parsed:
        return "", {}
    parameters: dict[str, str] = {}
    for name, value in _PARAMETER.findall(parsed[2]):
        bare = _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
        parameters.setdefault(name.lower(), bare)
    return parsed[1].strip(), parameters
