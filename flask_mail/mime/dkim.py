"""DKIM signatures (RFC 6376): the data that they sign, and the field that contains them.

Header and body are in the form "relaxed" of section 3.4, which survives relays that fold fields
anew or change white space. Pure; the arithmetic of the keys is in :mod:`flask_mail.backends`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ..util.patterns import lazy_pattern

Fields = Sequence[tuple[str, bytes]]
"""The fields of a header in order: lowercase name, and the whole field in relaxed form."""

_LINE: Final = 78  # RFC 5322 section 2.1.1
_LONGEST_NAME: Final = 76
# Listed once more than the message has them, so that none can be added (RFC 6376 section 8.15).
_OVERSIGNED: Final = ("from", "subject", "date", "to", "cc", "reply-to", "content-type")
# RFC 6376 section 5.4.1, and what Gmail asks for: Feedback-ID. RFC 8058 section 4 requires the two
# List-Unsubscribe fields.
_SIGNED: Final = frozenset(
    {*_OVERSIGNED, "sender", "message-id", "in-reply-to", "references", "mime-version"}
    | {"resent-date", "resent-from", "resent-to", "resent-cc", "feedback-id"}
)
_SIGNED_PREFIXES: Final = ("content-", "list-")

_FOLD = lazy_pattern(rb"\r\n(?![ \t])")
_BLANKS = lazy_pattern(rb"[ \t\r\n]+")
_BLANKS_IN_LINE = lazy_pattern(rb"[ \t]+")
_NAME = lazy_pattern(rb"([!-9;-~]+)[ \t]*:")


class BodyHash:
    """SHA-256 of a body in relaxed form (RFC 6376 section 3.4.4), fed in blocks of any size."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._rest = b""  # of the last line, until its end is known
        self._empty_lines = 0  # which only count if a line follows
        self._has_text = False

    def update(self, block: bytes) -> None:
        """Add octets, which have no other line ends than CRLF."""
        end = block.rfind(b"\n") + 1
        if not end:
            self._rest += block
            return
        lines, self._rest = self._rest + block[:end], block[end:]
        if b"\t" in lines or b"  " in lines:
            lines = _BLANKS_IN_LINE.sub(b" ", lines)
        if b" \r\n" in lines:
            lines = lines.replace(b" \r\n", b"\r\n")
        text = lines.rstrip(b"\r\n")
        if text:
            # The end of the line before, and the empty lines between.
            self._hash.update(b"\r\n" * (self._empty_lines + self._has_text))
            self._hash.update(text)
            self._has_text = True
            self._empty_lines = -1
        self._empty_lines += (len(lines) - len(text)) // 2

    def finish(self) -> str:
        """Return the hash in base64; nothing can be added afterwards."""
        if self._rest:
            self.update(b"\r\n")
        if self._has_text:
            self._hash.update(b"\r\n")
        return base64.b64encode(self._hash.digest()).decode()


def read_fields(header: bytes) -> Fields:
    """Return the fields of a header, which ends with CRLF or at the empty line."""
    found = []
    for field in _FOLD.split(header):
        if name := _NAME.match(field):
            found.append((name[1].decode().lower(), _relaxed(field)))
    return found


def names_to_sign(fields: Fields) -> list[str]:
    """Return the names for the tag ``h=``: each as often as it is signed."""
    present = [name for name, _ in fields if _is_signed(name)]
    return [*present, *_OVERSIGNED]


def data_to_sign(fields: Fields, names: Iterable[str], signature: bytes) -> bytes:
    """Return the octets that the tag ``b=`` signs (RFC 6376 section 3.7).

    :param names: those in ``h=``, which stand for the fields from the bottom up (section 5.4.2).
    :param signature: the signature field, with an empty tag ``b=`` and without its CRLF.
    """
    left: dict[str, list[bytes]] = {}
    for name, field in fields:
        left.setdefault(name, []).append(field)
    signed = [left[name].pop() for name in names if left.get(name)]
    return b"\r\n".join([*signed, _relaxed(signature)])


def unsigned_field(tags: Mapping[str, str], names: Iterable[str]) -> bytes:
    """Return a folded ``DKIM-Signature`` that ends with an empty tag ``b=``, without a CRLF."""
    *first, last = names
    chunks = [f" {tag}={value};" for tag, value in tags.items()]
    chunks += [" h=", *(f"{name}:" for name in first), f"{last};"]
    lines = ["DKIM-Signature:"]
    for chunk in chunks:
        if len(lines[-1]) + len(chunk) > _LINE:
            lines.append(f" {chunk.lstrip()}")
        else:
            lines[-1] += chunk
    return "\r\n".join([*lines, " b="]).encode()


def signed_field(unsigned: bytes, signature: bytes) -> bytes:
    """Return the field with its signature, folded, with its final CRLF."""
    value = base64.b64encode(signature)
    room = _LINE - len(" b=")
    lines = [value[start : start + room] for start in range(0, len(value), room)]
    return unsigned + b"\r\n ".join(lines) + b"\r\n"


def _is_signed(name: str) -> bool:
    if len(name) > _LONGEST_NAME:
        return False
    return name in _SIGNED or name.startswith(_SIGNED_PREFIXES)


def _relaxed(field: bytes) -> bytes:
    """Return a field as RFC 6376 section 3.4.2 requires, without its CRLF."""
    name, _, value = field.partition(b":")
    return name.rstrip(b" \t").lower() + b":" + _BLANKS.sub(b" ", value).strip(b" ")
