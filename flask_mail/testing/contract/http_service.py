"""An HTTP service that does as it is told, and breaks off at any point."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from itertools import chain, repeat
from typing import Any

_RESET = struct.pack("ii", 1, 0)
_MOMENT = 0.005  # seconds between the octets of a slow answer


class Ending(Enum):
    """Action of the service after an answer, or in place of the rest of one."""

    KEEP = "keep the connection"
    CLOSE = "close the connection"
    RESET = "reset the connection"
    WAIT = "do nothing"
    TRICKLE = "repeat the last octet slowly"


@dataclass(frozen=True)
class Plan:
    """Actions of the service for one request."""

    answer: bytes = b""
    ending: Ending = Ending.KEEP
    reads: int | None = None
    """Octets of the request to read before; default: all of it."""


def answer(
    status: int, body: bytes | str | Any = b"", headers: tuple[tuple[str, str], ...] = ()
) -> bytes:
    """Return an answer in the format of HTTP/1.1.

    :param body: bytes, text, or a value to be sent as JSON.
    """
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    octets = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers)]
    if status != 204 and status >= 200:
        lines.append(f"Content-Length: {len(octets)}")
    return "\r\n".join([*lines, "", ""]).encode() + octets


class ScriptedService:
    """Listens on a port of its own, and does the plans in turn, the last one again and again.

    :ivar requests: the complete requests that it has received.
    :ivar connections: the number of connections that were opened.
    :ivar answers: a function that returns the answer to a request, for plans without one.
    """

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.answers: Callable[[bytes], bytes] = lambda request: answer(200)
        self._plans: Iterator[Plan] = repeat(Plan())
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket()
        # Small, so that a large request waits until it is read.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def start(self) -> None:
        """Serve in a thread, until :meth:`stop`."""
        self._thread.start()

    def plan(self, *plans: Plan) -> None:
        """Do `plans` with the next requests."""
        self._plans = chain(plans, repeat(plans[-1]))

    def hang_up(self) -> None:
        """Close all open connections."""
        with self._lock:
            for sock in self._open:
                with suppress(OSError):  # the peer has closed it
                    sock.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._ended.is_set():
                sock.close()
                return
            with self._lock:
                self.connections += 1
                self._open.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError):  # the peer has closed it
            while self._serve_one(sock):
                pass
        with self._lock:
            self._open.remove(sock)
        sock.close()

    def _serve_one(self, sock: socket.socket) -> bool:
        """Serve one request; return True if another may follow."""
        if not sock.recv(1, socket.MSG_PEEK):
            return False
        with self._lock:
            plan = next(self._plans)
        request = _read(sock, plan.reads)
        if request is None:
            return False
        if plan.reads is None:
            with self._lock:
                self.requests.append(request)
        said = plan.answer
        if not said and plan.ending is Ending.KEEP:
            said = self.answers(request)
        sock.sendall(said)
        if plan.ending is Ending.WAIT:
            self._ended.wait()
        while plan.ending is Ending.TRICKLE and not self._ended.wait(_MOMENT):
            sock.sendall(said[-1:])
        if plan.ending is Ending.RESET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return plan.ending is Ending.KEEP

    def stop(self) -> None:
        """Close everything, and wait for the threads."""
        self._ended.set()
        socket.create_connection(self._listener.getsockname()).close()  # ends accept()
        self._thread.join()
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()


def _read(sock: socket.socket, octets: int | None) -> bytes | None:
    """Read a whole request, or so many `octets` of it; ``None`` if the peer closes before."""
    data = bytearray()
    wanted = octets
    while wanted is None or len(data) < wanted:
        head = data.find(b"\r\n\r\n") + 4
        if octets is None and head >= 4:
            wanted = head + _length(bytes(data[:head]))
            if len(data) >= wanted:
                break
        block = sock.recv(64 * 1024 if octets is None else min(64 * 1024, octets - len(data)))
        if not block:
            return None
        data += block
    return bytes(data)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


@contextmanager
def scripted_service() -> Iterator[ScriptedService]:
    """Run a service in a block."""
    service = ScriptedService()
    service.start()
    try:
        yield service
    finally:
        service.stop()
