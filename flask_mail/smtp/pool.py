"""Idle sessions, kept for the next message."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from ..clocks import monotonic
from ..forks import ForkSafeLock
from . import client
from .deadline import Clock
from .link import Link

if TYPE_CHECKING:
    import smtplib


class Pool:
    """Keeps idle sessions that are connected and logged in.

    No thread of its own closes what has been idle for too long: that would wake up a program that
    has nothing to do with mail, and make it one that must not fork. It is closed when the pool is
    used the next time, when it is no longer needed, and when the interpreter exits.

    :param size: how many it keeps at most; none with 0.
    :param keepalive: seconds after which an idle session is not used any more.
    """

    def __init__(self, size: int, keepalive: float, clock: Clock = monotonic) -> None:
        self._size = size
        self._keepalive = keepalive
        self._clock = clock
        self._lock = ForkSafeLock()
        self._idle: deque[tuple[float, smtplib.SMTP]] = deque()  # the longest idle ones first
        # Also at exit; before the sockets of what is not needed any more are collected.
        weakref.finalize(self, _leave_all, self._idle)

    def take(self, kind: Any) -> smtplib.SMTP | None:
        """Return a session of that class which can be used at once, if there is one."""
        while True:
            with self._lock():
                expired = self._expired()
                # The last one that was used is the least likely to have been closed meanwhile.
                host = self._idle.pop()[1] if self._idle else None
            _leave_all(expired)
            if host is None:
                return None
            if type(host) is kind and isinstance(host.file, Link) and not host.file.is_stale():
                return host
            client.leave(host)

    def give(self, host: smtplib.SMTP) -> bool:
        """Keep a session for later; return whether there was room for it."""
        with self._lock():
            expired = self._expired()
            is_kept = len(self._idle) < self._size
            if is_kept:
                self._idle.append((self._clock(), host))
        _leave_all(expired)
        return is_kept

    def close(self) -> None:
        """Close what is idle, and keep nothing from now on."""
        with self._lock():
            self._size = 0
            idle = deque(self._idle)
            self._idle.clear()
        _leave_all(idle)

    def _expired(self) -> deque[tuple[float, smtplib.SMTP]]:
        expired: deque[tuple[float, smtplib.SMTP]] = deque()
        while self._idle and self._clock() - self._idle[0][0] > self._keepalive:
            expired.append(self._idle.popleft())
        return expired


def _leave_all(idle: deque[tuple[float, smtplib.SMTP]]) -> None:
    # Nobody waits for the goodbyes of servers at exit.
    while idle:
        client.leave(idle.popleft()[1])
