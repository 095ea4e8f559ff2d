"""What is to be written: joined, in order, and counted as it leaves."""

from __future__ import annotations

import ssl
from collections import deque
from typing import Any

JOINED = 512 * 1024
_RECORD = 16 * 1024
"""What a TLS record holds; a peer has all of it or none (RFC 8446 section 5.1)."""


class Unsent:
    """The octets that have not left yet.

    :ivar put: how many were ever put here.
    :ivar sent: how many of those the operating system has taken.
    """

    def __init__(self, sock: Any) -> None:
        self.put = 0
        self.sent = 0
        self._sock = sock
        self._pieces: deque[bytes | memoryview] = deque()
        self._blocked = 0  # how much the system would not take the last time
        # A TLS socket tells nothing of its progress within a piece.
        self._size = _RECORD if isinstance(sock, ssl.SSLSocket) else None

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def write(self, data: bytes | memoryview) -> None:
        """Put `data` behind the rest."""
        self._pieces.append(data)
        self.put += len(data)

    def clear(self) -> None:
        """Forget what has not left."""
        self._pieces.clear()

    def flush(self) -> None:
        """Write as much as the operating system takes at once.

        :raises OSError: as the socket does, also where it takes no more for now.
        """
        while self._pieces:
            if len(self._pieces) > 1 and len(self._pieces[0]) < JOINED:
                self._join()
            first = memoryview(self._pieces.popleft())
            piece = first[: self._blocked or self._size]
            count = 0
            # Tried again, it must be as long: OpenSSL goes on where it was, and tells nothing of a
            # part, so that more than is counted would be with the peer.
            self._blocked = len(piece)
            try:
                count = self._sock.send(piece)
                self._blocked = 0
            finally:
                self.sent += count
                if count < len(first):
                    self._pieces.appendleft(first[count:])

    def _join(self) -> None:
        """Make one of the first pieces: what leaves in one write needs fewer packets."""
        pieces: list[bytes | memoryview] = []
        size = 0
        while self._pieces and size + len(self._pieces[0]) <= JOINED:
            size += len(self._pieces[0])
            pieces.append(self._pieces.popleft())
        self._pieces.appendleft(b"".join(pieces))
