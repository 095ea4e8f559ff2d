"""Functions of 0.9.1 and 0.10."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..address.parser import tolerant_address
from ..mime.checks import charset_of
from ..mime.encodings import encode_words
from ..mime.fields import mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable


class FlaskMailUnicodeDecodeError(UnicodeDecodeError):
    """Decoding error that shows the bytes."""

    def __init__(self, obj: Any, *args: Any) -> None:
        self.obj = obj
        super().__init__(*args)

    def __str__(self) -> str:
        return f"{super().__str__()}. You passed in {self.obj!r} ({type(self.obj)})"


def force_text(s: Any, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return `s` as a str: bytes are decoded, lazy strings resolved."""
    if isinstance(s, str):
        return s
    try:
        return str(s, encoding, errors) if isinstance(s, bytes) else str(s)
    except UnicodeDecodeError as error:
        raise FlaskMailUnicodeDecodeError(s, *error.args) from error


def sanitize_subject(subject: str, encoding: str = "utf-8") -> str:
    """Return `subject` as encoded-words, unless it is ASCII."""
    return subject if subject.isascii() else " ".join(encode_words(subject, charset_of(encoding)))


def sanitize_address(addr: str | tuple[str, str], encoding: str = "utf-8") -> str:
    """Return an address as written in a header."""
    return mailbox(tolerant_address(addr), charset_of(encoding))


def sanitize_addresses(
    addresses: Iterable[str | tuple[str, str]], encoding: str = "utf-8"
) -> list[str]:
    """Return :func:`sanitize_address` of each."""
    return [sanitize_address(each, encoding) for each in addresses]


def _has_newline(line: str) -> bool:
    """Return True if `line` contains a line break."""
    return "\n" in line or "\r" in line
