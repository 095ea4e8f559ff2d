"""What servers say (RFC 5321 section 4.2)."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..outgoing import Refusal

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


class Reply(NamedTuple):
    """A server's reply."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()

    @property
    def refusal(self) -> Refusal:
        """The reply with its enhanced status code taken apart (RFC 3463)."""
        enhanced = _ENHANCED.match(self.text)
        if enhanced:
            return Refusal(self.code, enhanced[1], self.text[enhanced.end() :])
        return Refusal(self.code, "", self.text)


def reply_of(answer: tuple[int, bytes]) -> Reply:
    """Return what smtplib read, on one line, with controls made visible: it goes to logs."""
    code, octets = answer
    text = " ".join(octets.decode("utf-8", "replace").split())
    return Reply(
        code,
        "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text),
    )
