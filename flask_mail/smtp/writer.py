"""Queue of octets to write, joined into few packets, with positions of what was sent."""

from __future__ import annotations

import ssl
from collections import deque
from typing import TYPE_CHECKING, Any

from .alarms import is_of_link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..mime.content import Content, Portion

JOINED = 128 * 1024
_TURN = 2 * JOINED
"""Octets to write before replies and the deadline are checked again."""
_RECORD = 16 * 1024
"""Maximum size of a TLS record; a peer has all of it or none (RFC 8446 section 5.1)."""

WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""Errors of a non-blocking socket that is not ready."""


class Writer:
    """Queue of octets that were not sent yet.

    :ivar pieces: what is queued.
    :ivar put: number of octets that were queued so far.
    :ivar sent: number of those that the operating system has taken, or may have.
    """

    def __init__(self, sock: Any) -> None:
        self.put = 0
        self.sent = 0
        self._sock = sock
        self.pieces: deque[bytes | memoryview | Iterator[bytes | memoryview]] = deque()
        self._blocked = 0  # size of the piece that the system did not take
        # A TLS socket does not report its progress within a piece.
        # All of a piece that fails may have been sent, so a large content is not one piece.
        self._size = _RECORD if isinstance(sock, ssl.SSLSocket) else JOINED

    def write(self, data: bytes | memoryview | Content | Portion) -> None:
        """Append `data`; content is made when it is due to be sent."""
        self.pieces.append(data if isinstance(data, (bytes, memoryview)) else data.blocks())
        self.put += len(data)

    def clear(self) -> None:
        """Discard what was not sent."""
        self.pieces.clear()

    def flush(self) -> None:
        """Write as much as the operating system takes without waiting, up to some blocks.

        :raises OSError: as the socket does, also if it takes no more for now. After any other
            error than that, nothing more may be written: the last piece may have been sent.
        :raises MessageError: the content cannot be made, so its end will not be sent.
        """
        end = self.sent + _TURN
        while self.pieces and self.sent < end and (first := self._first()) is not None:
            piece = first[: self._blocked or self._size]
            # A retry must have the same length: OpenSSL continues the record, of which it may have
            # sent a part without reporting it.
            self._blocked = len(piece)
            # Counted in advance: a signal handler may raise as the call returns, when the system
            # has the octets but the result is lost.
            self.sent += len(piece)
            try:
                count = self._sock.send(piece)
            except WOULD_BLOCK as error:
                if is_of_link(error):
                    self.sent -= len(piece)
                    self.pieces.appendleft(first)
                raise
            self.sent -= len(piece) - count
            self._blocked = 0
            if count < len(first):
                self.pieces.appendleft(first[count:])

    def _first(self) -> memoryview | None:
        """Remove and return the first pieces, joined: one write needs fewer packets."""
        taken: list[bytes | memoryview] = []
        size = 0
        while self.pieces and size < JOINED // 2:
            piece = self.pieces.popleft()
            if not isinstance(piece, (bytes, memoryview)):
                block = next(piece, None)
                if block is None:
                    continue
                self.pieces.appendleft(piece)
                piece = block
            if taken and size + len(piece) > JOINED:
                self.pieces.appendleft(piece)
                break
            taken.append(piece)
            size += len(piece)
        if len(taken) > 1:
            return memoryview(b"".join(taken))
        return memoryview(taken[0]) if taken else None
