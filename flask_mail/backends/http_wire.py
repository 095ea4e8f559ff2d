"""One connection to a service by HTTP: a request out, its answer in, each within its time."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any, Final

from ..errors import MessageError
from ..smtp.deadline import Clock, Deadline
from ..smtp.dialing import Race, addresses_of, is_interruption, may_race
from ..smtp.tls import ClientTLS, wrapped
from ..smtp.transport import Transport
from ..util.clocks import monotonic
from .http_values import Answer, Blocks

LONGEST_BODY: Final = 64 * 1024
_LONGEST_ANSWER: Final = 3 * LONGEST_BODY  # with its header, and answers of 100 before it


@dataclass(frozen=True)
class Place:
    """A service, and how to connect to it."""

    host: str
    port: int
    tls: ClientTLS | None
    timeout: float
    """Seconds to connect, for the handshake, for progress in writing, and for the answer."""


class CannotConnect(Exception):
    """A connection could not be opened.

    :ivar stage: ``"connect"`` or ``"tls"``.
    """

    def __init__(self, stage: str, error: Exception) -> None:
        super().__init__(stage)
        self.stage = stage
        self.error = error


def connect(place: Place, deadline: Deadline) -> HttpWire:
    """Connect to a service; proxies are not used.

    :raises CannotConnect: it cannot be reached, or its certificate is not valid.
    """
    stage, sock = "connect", None
    try:
        sock = _socket(place, deadline.left(place.timeout))
        if place.tls is not None:
            stage = "tls"
            context = place.tls.context()
            how: Any = {"server_hostname": place.host, "do_handshake_on_connect": False}
            sock = wrapped(context, sock, **how)
        wire = HttpWire(sock, place.timeout)
        wire.deadline = deadline
        if place.tls is not None:
            wire.shake_hands()
        wire.be_prompt()
    except BaseException as error:
        if sock is not None:
            sock.close()
        # ValueError: a host that is not a name.
        if isinstance(error, (OSError, UnicodeError)) and not is_interruption(error):
            raise CannotConnect(stage, error) from None
        raise
    return wire


def _socket(place: Place, seconds: float) -> Any:
    if not may_race():  # a program has replaced them
        return socket.create_connection((place.host, place.port), seconds)
    sock, _ = Race(addresses_of(place.host, place.port)).run(seconds)
    return sock


class HttpWire(Transport):
    """A connection, which may be kept for further requests."""

    def __init__(self, sock: Any, timeout: float, clock: Clock = monotonic) -> None:
        super().__init__(sock, timeout, clock=clock)
        self.opened_at = clock()
        self.is_reusable = True
        self._ends_at = 0
        self._room = 0

    @property
    def sock(self) -> Any:
        """The socket, for what it has negotiated."""
        return self._sock

    @property
    def is_complete(self) -> bool:
        """True if the last octet of the request may have been sent."""
        return self.output.sent >= self._ends_at

    def is_stale(self) -> bool:
        """Return True if no request may be sent: the peer has closed it, or is about to."""
        if not (self.is_own and self.is_reusable):
            return True
        try:
            self._fill()
        except OSError as error:
            if is_interruption(error):
                raise
            return True
        return self._is_over or self.has_unread

    def drop(self) -> None:
        """Close the connection without talking to the peer. Never raises."""
        self.is_reusable = False
        self.output.clear()
        self._sock.close()

    def exchange(
        self, head: memoryview, body: bytes | Blocks, method: str, deadline: Deadline
    ) -> Answer:
        """Send a request and return the answer; stop writing if the service answers before.

        :raises OSError: the connection broke, or there was no progress in time.
        :raises HTTPException: the answer is not valid, or was cut.
        :raises MessageError: the body could not be made; the request was not completed.
        """
        self.is_reusable = False
        self.deadline = deadline
        self._room = _LONGEST_ANSWER
        self._ends_at = self.output.sent + len(head) + len(body)
        deadline.left(1.0)
        self.write(head)
        self.write(body if isinstance(body, bytes) else _Exact(body))  # type: ignore[arg-type]
        self._since = None
        self._flush()
        while self.output.pieces and not self._is_answered():
            self._wait()
            self._flush()
        self.output.clear()
        self._since = None
        return self._answer(method)

    def _is_answered(self) -> bool:
        self._fill()
        return self._is_over or self.has_unread

    def _answer(self, method: str) -> Answer:
        response = HTTPResponse(_Received(self), method=method)  # type: ignore[arg-type]
        response.begin()
        body = response.read(LONGEST_BODY + 1)
        is_cut = len(body) > LONGEST_BODY
        if response.length and not is_cut:
            raise IncompleteRead(b"", response.length)
        # After an interim answer (1xx), the final one may follow, which is not that to the next.
        is_interim = response.status < 200
        is_over = is_interim or response.will_close or not response.isclosed() or self.has_unread
        self.is_reusable = self.is_complete and not is_over
        headers = {name.lower(): value for name, value in reversed(response.headers.items())}
        return Answer(
            response.status, headers, body[:LONGEST_BODY], is_cut, is_early=not self.is_complete
        )

    def read(self, size: int, *, to_line_end: bool = False) -> bytes:
        """Return the next `size` octets, or fewer if the line or the connection ends before.

        :param to_line_end: True to read no further than the end of the line.
        """
        unread = self._in.unread
        while True:
            end = unread.find(b"\n", 0, size) + 1 if to_line_end else 0
            if end or len(unread) >= size or not self._receives():
                break
        data = bytes(unread[: end or size])
        del unread[: len(data)]
        return data

    def _receives(self) -> bool:
        """Wait for further octets; return False if there will be none."""
        before = len(self._in.unread)
        while not self._is_over:
            self._fill()
            count = len(self._in.unread) - before
            if count:
                self._room -= count
                if self._room < 0:
                    raise HTTPException("the answer is too long")
                return True
            if self._failure is not None:
                raise self._failure
            if not self._is_over:
                self._wait(write=False)
        return False


class _Received:
    """The octets of an answer, as :class:`HTTPResponse` reads them."""

    def __init__(self, wire: HttpWire) -> None:
        self._wire = wire
        self._has_begun = False

    def makefile(self, mode: str) -> _Received:
        return self

    def readline(self, size: int) -> bytes:
        line = self._wire.read(size, to_line_end=True)
        self._has_begun = self._has_begun or bool(line)
        # The end of the connection is not that of a header, for which HTTPResponse takes it.
        if self._has_begun and not line.endswith(b"\n") and len(line) < size:
            raise IncompleteRead(line)
        return line

    def read(self, size: int) -> bytes:
        return self._wire.read(size)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        """Keep the connection, which may be used again."""


class _Exact:
    """A body whose last octet is only sent if its length is the one that was announced."""

    def __init__(self, body: Blocks) -> None:
        self._body = body

    def __len__(self) -> int:
        return len(self._body)

    def blocks(self) -> Iterator[bytes]:
        left = len(self._body)
        last: bytes | None = None
        for block in filter(len, self._body.blocks()):  # an empty one is not the last
            left -= len(block)
            if left < 0:
                break
            if last is not None:
                yield last
            last = block
        if left:
            raise MessageError("The body of the request is longer or shorter than its length.")
        if last is not None:
            yield last
