"""What servers say (RFC 5321 section 4.2)."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..outgoing import Refusal

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


class Reply(NamedTuple):
    """A server's reply."""

    code: int
    """-1 where there is none: the line is no reply."""
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()

    @property
    def answer(self) -> tuple[int, bytes]:
        """The reply as smtplib's errors take it."""
        return self.code, self.text.encode()

    @property
    def refuses(self) -> bool:
        """Whether it says no, for now (4xx) or for good (5xx)."""
        return 400 <= self.code < 600

    @property
    def refusal(self) -> Refusal:
        """The reply with its enhanced status code taken apart (RFC 3463)."""
        enhanced = _ENHANCED.match(self.text)
        if enhanced:
            return Refusal(self.code, enhanced[1], self.text[enhanced.end() :])
        return Refusal(self.code, "", self.text)


def reply_of(answer: tuple[int, str | bytes]) -> Reply:
    """Return what smtplib read, on one line and fit for a log: see :func:`printable`."""
    code, words = answer
    text = words if isinstance(words, str) else words.decode("utf-8", "replace")
    return Reply(code, printable(text))


def printable(text: str) -> str:
    """Return `text` on one line, with control characters made visible."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
