"""What is to be written: joined, in order, and counted as it leaves."""

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
"""How much is written before somebody looks whether there is a reply, and still time."""
_RECORD = 16 * 1024
"""What a TLS record holds; a peer has all of it or none (RFC 8446 section 5.1)."""

WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket raises that has taken, or has, nothing for now."""


class Unsent:
    """The octets that have not left yet.

    :ivar put: how many were ever put here.
    :ivar sent: how many of those the operating system has taken, or may have.
    """

    def __init__(self, sock: Any) -> None:
        self.put = 0
        self.sent = 0
        self._sock = sock
        self._pieces: deque[bytes | memoryview | Iterator[bytes | memoryview]] = deque()
        self._blocked = 0  # how much the system would not take the last time
        # A TLS socket tells nothing of its progress within a piece.
        self._size = _RECORD if isinstance(sock, ssl.SSLSocket) else None

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def write(self, data: bytes | memoryview | Content | Portion) -> None:
        """Put `data` behind the rest; content is made when it is its turn to leave."""
        self._pieces.append(data if isinstance(data, (bytes, memoryview)) else data.blocks())
        self.put += len(data)

    def clear(self) -> None:
        """Forget what has not left."""
        self._pieces.clear()

    def flush(self) -> None:
        """Write as much as the operating system takes at once, and not more than some blocks.

        :raises OSError: as the socket does, also where it takes no more for now. After any other
            error than that, nothing more may be written: what was to leave then may have left.
        :raises MessageError: the content cannot be made, so not all of it will leave.
        """
        end = self.sent + _TURN
        while self.sent < end and (first := self._first()) is not None:
            piece = first[: self._blocked or self._size]
            # Tried again, it must be as long: OpenSSL goes on where it was, and tells nothing of a
            # part, so that more than is counted would be with the peer.
            self._blocked = len(piece)
            # A signal handler may raise as the call returns, when the system has the octets and
            # nothing here knows. So they are counted before.
            self.sent += len(piece)
            try:
                count = self._sock.send(piece)
            except WOULD_BLOCK as error:
                if is_of_link(error):
                    self.sent -= len(piece)
                    self._pieces.appendleft(first)
                raise
            self.sent -= len(piece) - count
            self._blocked = 0
            if count < len(first):
                self._pieces.appendleft(first[count:])

    def _first(self) -> memoryview | None:
        """Take the first pieces as one: what leaves in one write needs fewer packets."""
        taken: list[bytes | memoryview] = []
        size = 0
        while self._pieces and size < JOINED // 2:
            piece = self._pieces.popleft()
            if not isinstance(piece, (bytes, memoryview)):
                block = next(piece, None)
                if block is None:
                    continue
                self._pieces.appendleft(piece)
                piece = block
            if taken and size + len(piece) > JOINED:
                self._pieces.appendleft(piece)
                break
            taken.append(piece)
            size += len(piece)
        if len(taken) > 1:
            return memoryview(b"".join(taken))
        return memoryview(taken[0]) if taken else None
