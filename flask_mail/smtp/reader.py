"""Parse replies from received octets, with bounded size."""

from __future__ import annotations

import re
import smtplib
from functools import lru_cache

from .replies import Reply, reply_of

# A peer that never ends its reply must not fill this host's memory.
MAX_LINE = 8192
MAX_LINES = 1000
MAX_REPLY = 64 * 1024
_SHORT = 24
"""Octets of "2.1.5 Ok" and the like, which is too short for an id or a password."""

# Fast path for nearly all replies.
_SINGLE = re.compile(rb"([0-9]{3}) ([ -~]{0,500})\r\n")
_LINE = re.compile(rb"([0-9]{3})(?:([ -])(.*))?", re.DOTALL)


@lru_cache(maxsize=64)
def _short(code: bytes, text: bytes) -> Reply:
    # Servers send the same reply to most commands.
    return reply_of((int(code), text))


class Reader:
    """Buffer of received octets, read as lines or replies.

    :ivar code: the code of a reply of which lines are missing.
    :ivar unread: the octets after the last line.
    """

    def __init__(self) -> None:
        self.unread = bytearray()
        self._searched = 0
        self.code = b""
        self._texts: list[bytes] = []
        self._size = 0
        self._count = 0

    @property
    def rest(self) -> bytes:
        """Octets after the last reply: the code of one that has begun, and what is unread."""
        return self.code + bytes(self.unread)

    def line(self) -> bytes | None:
        """Return the next line with its end, if it is complete, for smtplib.

        :raises smtplib.SMTPResponseException: the reply is too long, or malformed.
        """
        line = self._line()
        if line is not None and self._read(line) is None:
            raise smtplib.SMTPResponseException(-1, line)
        return line

    def _read(self, line: bytes) -> tuple[bytes, bool] | None:
        """Return the text of a reply line and True if it is the last; ``None`` if malformed."""
        match = _LINE.fullmatch(line.rstrip(b"\r\n"))
        # All lines of a reply have the same code (RFC 5321 section 4.2.1). Otherwise the positive
        # reply to the next command would complete an unfinished refusal, and hide it.
        if match is None or (self.code and self.code != match[1]):
            self.code = b""
            return None
        is_last = match[2] != b"-"
        self.code = b"" if is_last else match[1]
        return match[3] or b"", is_last

    def _line(self) -> bytes | None:
        end = self.unread.find(b"\n", self._searched) + 1
        self._searched = 0 if end else len(self.unread)
        length = end or len(self.unread)
        if length > MAX_LINE or self._size + length > MAX_REPLY or self._count >= MAX_LINES:
            raise smtplib.SMTPResponseException(-1, b"a reply without an end")
        if not end:
            return None
        line = bytes(self.unread[:end])
        del self.unread[:end]
        self._size += end
        self._count += 1
        if line[3:4] != b"-":
            self._size = self._count = 0
        return line

    def reply(self) -> Reply | None:
        """Return the next reply, if it is complete; a malformed one has code -1.

        :raises smtplib.SMTPResponseException: the reply is too long.
        """
        if not self._texts and (match := _SINGLE.match(self.unread)) is not None:
            code, text, end = match[1], match[2], match.end()
            del match  # a bytearray with an export cannot be resized
            del self.unread[:end]
            self._searched = 0
            return _short(code, text) if len(text) <= _SHORT else reply_of((int(code), text))
        while (line := self._line()) is not None:
            found = self._read(line)
            if found is None:
                text = b"\n".join((*self._texts, line))
                self._texts.clear()
                return reply_of((-1, text))
            self._texts.append(found[0])
            if found[1]:
                text = b"\n".join(self._texts)
                self._texts.clear()
                return reply_of((int(line[:3]), text))
        return None
