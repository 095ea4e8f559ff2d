"""Header fields: check, encode and fold (RFC 5322, 2047, 2231). Pure.

Headers are written here and never by :mod:`email`, whose folding loses spaces, splits mailboxes and
breaks lines at characters that are no line ends (VT, FF, FS), which lets headers be injected.
"""

from __future__ import annotations

import re
from email.charset import Charset
from typing import TYPE_CHECKING
from unicodedata import combining, normalize
from urllib.parse import quote

from .addresses import quote_display_name
from .errors import BadHeaderError, MessageError
from .texts import check_controls, decode_words, describe, remove_controls
from .words import encode_words, holds_encoded_word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .addresses import Address

CRLF = "\r\n"
LINE = 78
"""The length that a line should not exceed, without its CRLF (RFC 5322 section 2.1.1)."""
LONGEST_LINE = 998
"""The length that a line must not exceed, without its CRLF (RFC 5322 section 2.1.1)."""

UTF_8 = Charset("utf-8")
_NAME = re.compile(r"[!-9;-~]{1,76}")
_FOLD = re.compile(r"\r\n(?=[ \t]*[^ \t\r\n])(?=[ \t])")
_CHUNK = re.compile(r"[ \t]*[^ \t]+")
_ATOM = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+"
_CONTENT_TYPE = re.compile(
    rf"({_ATOM})/({_ATOM})((?:[ \t]*;[ \t]*{_ATOM}=(?:{_ATOM}|\"(?:[^\"\\]|\\.)*\"))*)[ \t]*;?"
)


def check_text(value: object, field: str) -> str:
    """Return `value` as a str that is safe in a header, or raise :class:`BadHeaderError`."""
    text = str(value)
    check_controls(text, f"The {field} {describe(text)}")
    return text


def check_folded(value: object, field: str) -> str:
    """Return `value` as a str that may be folded as RFC 5322 section 2.2.3 allows.

    Each line break is CRLF followed by white space, and no line is blank.

    :raises BadHeaderError: for any other line break or control character.
    """
    text = str(value)
    if "\r" in text or "\n" in text:
        lines = text.split("\r\n")
        if not lines[0].strip(" \t") or any(
            line[:1] not in (" ", "\t") or not line.strip(" \t") for line in lines[1:]
        ):
            raise BadHeaderError(
                f"The {field} {describe(text)} holds a line break; remove it (only CRLF followed"
                " by a space or tab and more text may fold a line, RFC 5322 section 2.2.3)."
            )
    check_text(text.replace("\r\n", "").replace("\t", " "), field)
    return text


def check_header_name(value: object) -> str:
    """Return `value` as the name of a header, or raise :class:`BadHeaderError`."""
    name = str(value)
    if not _NAME.fullmatch(name):
        raise BadHeaderError(
            f"The header name {describe(name)} is not one: use 1 to 76 printable ASCII characters"
            " without a colon (RFC 5322 section 3.6.8)."
        )
    return name


def check_content_type(value: object, field: str) -> str:
    """Return `value` as ``type/subtype`` with parameters, fit for a single part.

    :raises MessageError: where it is none, or is ``multipart/...`` (RFC 2045 section 5.1).
    """
    text = check_text(value, field)
    parsed = _CONTENT_TYPE.fullmatch(text)
    if not parsed or parsed[1].lower() == "multipart":
        raise MessageError(
            f"The {field} {describe(text)} is not one that a part can have: write it as"
            ' "type/subtype", such as "application/pdf", with parameters as "; name=value".'
        )
    return text


def check_token(value: object, field: str) -> str:
    """Return `value` as a token, such as a subtype (RFC 2045 section 5.1)."""
    text = check_text(value, field)
    if not re.fullmatch(_ATOM, text):
        raise MessageError(f"The {field} {describe(text)} is not a token (RFC 2045 section 5.1).")
    return text


def clean(value: object) -> str:
    """Return `value` as a str without line breaks and other controls; never refuses."""
    return remove_controls(str(value))


def charset_of(name: object) -> Charset:
    """Return the charset called `name`, as the standard library maps it (shift_jis -> iso-2022-jp).

    :raises MessageError: where there is no such charset for text.
    """
    text = check_text(name, "charset")
    try:
        charset = Charset(text)
        "a".encode(charset.output_codec or "us-ascii").decode(charset.input_codec or "us-ascii")
    except (LookupError, ValueError) as error:
        raise _unknown_charset(text) from error
    except Exception as error:  # email.errors.CharsetError is no ValueError
        raise _unknown_charset(text) from error
    return charset


def unstructured(name: str, value: str, charset: Charset = UTF_8) -> str:
    """Write a header whose value is free text, folded, without the final CRLF.

    ASCII is written as it is, also where it is folded or encoded already; text that is not is
    written in encoded-words.
    """
    if "\r\n" in value and value.isascii() and max(map(len, value.split(CRLF))) <= LINE:
        return f"{name}: {value}"
    text = _FOLD.sub("", value)
    if _is_plain(text):
        folded = _fold(f"{name}:", _CHUNK.findall(f" {text}") or [" "])
        if folded is not None:
            return folded
    words = [f" {word}" for word in encode_words(text, charset)]
    return _fold(f"{name}:", words) or f"{name}:{CRLF.join(words)}"


def mailboxes(name: str, addresses: Iterable[Address], charset: Charset = UTF_8) -> str:
    """Write a header whose value is a list of addresses, folded, without the final CRLF."""
    chunks: list[str] = []
    for address in addresses:
        if chunks:
            chunks[-1] += ","
        chunks += [f" {word}" for word in _mailbox_words(address, charset)]
    return _fold(f"{name}:", chunks) or f"{name}:{CRLF.join(chunks)}"


def mailbox(address: Address, charset: Charset = UTF_8) -> str:
    """Write one mailbox on one line, its display name quoted or encoded as it needs."""
    return " ".join(_mailbox_words(address, charset))


def parameter(name: str, value: str) -> list[str]:
    """Write a parameter of a MIME header (RFC 2045 section 5.1, RFC 2231).

    A value that is not ASCII is written twice: as ``name=`` with an ASCII approximation for
    programs that know no RFC 2231, and as ``name*=``, in sections where it is long.
    """
    if value.isascii():
        return _sections(name, value) if len(value) > _SECTION else [f"{name}={_quoted(value)}"]
    plain = "".join(each for each in normalize("NFKD", value) if not combining(each))
    fallback = "".join(each if each.isascii() else "_" for each in plain)[:_SECTION]
    encoded = quote(value, safe="", encoding="utf-8")
    if len(encoded) <= _SECTION:
        return [f"{name}={_quoted(fallback)}", f"{name}*=utf-8''{encoded}"]
    return [f"{name}={_quoted(fallback)}", *_extended_sections(name, encoded)]


def structured(name: str, value: str, parameters: Iterable[str] = ()) -> str:
    """Write a header whose value is followed by parameters, without the final CRLF."""
    chunks = [f" {value}"]
    for each in parameters:
        chunks[-1] += ";"
        chunks.append(f" {each}")
    return _fold(f"{name}:", chunks) or f"{name}:{CRLF.join(chunks)}"


_SECTION = 60  # so that ' filename*99*="...";' fits in 78 characters


def _sections(name: str, value: str) -> list[str]:
    pieces = [value[i : i + 50] for i in range(0, len(value), 50)]
    return [f"{name}*{i}={_quoted(piece)}" for i, piece in enumerate(pieces)]


def _extended_sections(name: str, encoded: str) -> list[str]:
    # Sections must not cut a %XX in two (RFC 2231 section 4.1).
    pieces = re.findall(r"(?:%..|[^%]){1,18}", encoded)
    return [
        f"{name}*{i}*={'' if i else 'utf-8' + chr(39) * 2}{piece}" for i, piece in enumerate(pieces)
    ]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mailbox_words(address: Address, charset: Charset) -> list[str]:
    if not address.name:
        return [address.addr_spec]
    spec = f"<{address.addr_spec}>"
    name = address.name
    if _is_plain(name):
        quoted = quote_display_name(name)
        if len(quoted) + len(spec) <= LONGEST_LINE // 2:
            return [f"{quoted} {spec}"] if len(quoted) + len(spec) < LINE else [quoted, spec]
    return [*encode_words(name, charset), spec]


def _is_plain(text: str) -> bool:
    """Whether readers get `text` back when it is written as it is."""
    return (
        text.isascii()
        and text == text.strip(" \t")
        and (not holds_encoded_word(text) or decode_words(text) != text)
    )


def _fold(start: str, chunks: list[str]) -> str | None:
    """Join chunks, each of which begins with white space; ``None`` if a line would be too long."""
    lines = [start]
    for chunk in chunks:
        # The first line may not hold the name alone: some readers take that for an empty header.
        if len(lines[-1]) + len(chunk) > LINE and lines[-1] != start:
            lines.append(chunk)
        else:
            lines[-1] += chunk
    if max(map(len, lines)) > LONGEST_LINE:
        return None
    return CRLF.join(lines)


def _unknown_charset(name: str) -> MessageError:
    return MessageError(f'The charset {describe(name)} is not known; use one such as "utf-8".')
