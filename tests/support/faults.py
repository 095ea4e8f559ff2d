"""Faults of a server: what they are called, and a connection on which they happen."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

OPENING = ("accept", "greeting", "ehlo", "starttls", "handshake", "auth")
TRANSACTION = ("mail", "rcpt1", "rcpt2", "rcpt3", "data", "half", "content", "replied")
STAGES = (*OPENING, *TRANSACTION, "quit")
"""Stages of a fault. ``handshake`` is what follows the reply to STARTTLS, ``data`` the DATA or
the first BDAT command, ``half`` the middle of the content, ``content`` the reply to all of it, and
``replied`` the moment after that."""

CLOSING = ("close", "reset", "421")
LASTING = ("stall", "drip")
NEGATIVE = ("4xx", "5xx")
NONSENSE = ("garbage", "giant", "endless", "mixed")
KINDS = (*CLOSING, *LASTING, *NEGATIVE, *NONSENSE, "two")
"""Kinds of faults: closing, silence, refusals, a line that is not a reply, one of 100 kB, 10,000
lines of one reply, one whose lines have different codes, and the reply twice."""

SAID = {
    "421": b"421 4.3.2 shutting down\r\n",
    "4xx": b"451 4.3.0 try later\r\n",
    "5xx": b"554 5.7.1 never\r\n",
    "garbage": b"what?\r\n",
    "giant": b"250 " + b"x" * 100_000 + b"\r\n",
    "endless": b"250-more\r\n" * 10_000 + b"250 done\r\n",
    "mixed": b"550-5.7.1 rejected by policy\r\n250 2.0.0 ok\r\n",
    "busy": b"432 4.3.2 Concurrent connections limit exceeded\r\n",
    "throttled": b"454 Throttling failure: Maximum sending rate exceeded\r\n",
    "unended": b"550-5.7.1 rejected by policy\r\n",
}
_DRIP = b"250-slowly\r\n" * 100
_PAUSE = 0.02  # seconds between two octets of a reply
PATIENCE = 30  # seconds after which a thread ends even if the test does not


@dataclass(frozen=True)
class Fault:
    """A fault: its stage, its kind, and the messages and connections that meet it.

    :param at: pairs of a connection and one of its messages, both counted from 1; the message is 0
        for the stages of the opening and for ``quit``. ``None``: wherever the stage is reached.
    :param accepts: whether a message is accepted whose fault is at ``content``, unless the fault
        itself says no.
    """

    stage: str
    kind: str
    at: tuple[tuple[int, int], ...] | None = None
    accepts: bool = True

    def __post_init__(self) -> None:
        assert self.stage in STAGES
        assert self.kind in (*KINDS, *SAID)

    @property
    def closes(self) -> bool:
        return self.kind in CLOSING


Choice = Callable[[str, int, int], Fault | None]


def first_of(*faults: Fault) -> Choice:
    """Return what chooses the first fault that fits."""

    def choose(stage: str, connection: int, message: int) -> Fault | None:
        for fault in faults:
            if fault.stage == stage and (fault.at is None or (connection, message) in fault.at):
                return fault
        return None

    return choose


class Over(Exception):
    """The conversation is over."""


class Wire:
    """A connection that is read through a buffer; what is said leaves when that is empty.

    :param stop: set when the test is over, which ends all waiting.
    :param read_size: how much is read at once.
    :param keeps_replies: whether what was said and has not left yet is lost when a fault closes
        the connection.
    """

    def __init__(
        self, sock: socket.socket, stop: threading.Event, read_size: int, keeps_replies: bool
    ) -> None:
        self.sock = sock
        self.seen = bytearray()
        """All that arrived, also what was not looked at before the end."""
        self._stop = stop
        self._read_size = read_size
        self._keeps_replies = keeps_replies
        self._in = bytearray()
        self._out = bytearray()
        sock.settimeout(PATIENCE)
        # Replies that wait for one another would cost 40 ms each.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def has_more(self) -> bool:
        """True if something has arrived that was not read yet."""
        return bool(self._in)

    def say(self, reply: str) -> None:
        self._out += f"{reply}\r\n".encode()

    def answer(self, reply: str, kind: str) -> bool:
        """Say `reply`, or what a fault of this kind makes of it; return whether it was a yes."""
        if kind in ("close", "reset") and reply.startswith("220 mx"):
            self._out += b"220-mx.test\r\n22"  # in the middle of the greeting
        if kind in CLOSING:
            self._hang_up(kind)
        elif kind in LASTING:
            if kind == "drip":
                self._drip()
            self.stall()
        elif kind:
            self._out += SAID.get(kind, f"{reply}\r\n{reply}\r\n".encode())
        else:
            self.say(reply)
        return kind not in NEGATIVE

    def stall(self) -> None:
        """Neither say nor read anything more until the test is over."""
        self.flush()
        self._stop.wait(PATIENCE)
        self.look()
        raise Over

    def flush(self) -> None:
        if self._out:
            data = bytes(self._out)
            self._out.clear()
            self.sock.sendall(data)

    def line(self) -> bytes:
        """Return the next line, with its end."""
        searched = 0
        while not (end := self._in.find(b"\n", searched) + 1):
            searched = len(self._in)
            self._receive()
        return self._taken(end)

    def octets(self, count: int) -> bytes:
        while len(self._in) < count:
            self._receive()
        return self._taken(count)

    def _taken(self, count: int) -> bytes:
        taken = bytes(self._in[:count])
        del self._in[:count]
        return taken

    def _receive(self) -> None:
        self.flush()
        data = self.sock.recv(self._read_size)
        if not data:
            raise EOFError
        self.seen += data
        self._in += data

    def _hang_up(self, kind: str) -> None:
        if kind == "421":
            self._out += SAID["421"]
        if not self._keeps_replies:
            self.flush()
        self.look()
        if kind == "reset":
            linger = struct.pack("ii", 1, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raise Over

    def _drip(self) -> None:
        for octet in _DRIP:
            self._out.append(octet)
            self.flush()
            if self._stop.wait(_PAUSE):
                break

    def look(self) -> None:
        """See what else has arrived, without doing anything about it."""
        with contextlib.suppress(OSError):  # a handshake that failed has closed the socket
            self.sock.setblocking(False)
            while data := self.sock.recv(self._read_size):
                self.seen += data
