"""Maximum number of connections to a server at the same time, such as 3 for Microsoft 365."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from ..util.locks import ForkSafeLock
from .wire import Wire

if TYPE_CHECKING:
    import smtplib

    from .deadline import Deadline

_GLANCE: Final = 0.25
"""Seconds after which a waiting thread checks again: a session may be garbage-collected, or closed
because it expired, without a call of :meth:`ConnectionLimit.notify`."""


class ConnectionLimit:
    """Limit for the connections of one mailer in one process; threads wait for their turn.

    :param limit: maximum number of connections; ``None`` for no limit.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._lock = ForkSafeLock()
        self._pid = os.getpid()
        self._opening = 0
        self._open: WeakSet[smtplib.SMTP] = WeakSet()
        self._waiting: deque[threading.Event] = deque()

    def begin(self) -> bool:
        """Reserve a connection that is about to be opened; return False if there are too many."""
        if self._limit is None:
            return True
        with self._lock():
            if self._pid != os.getpid():
                # The threads of the parent that were opening one, or waiting, do not exist here.
                self._pid = os.getpid()
                self._opening = 0
                self._waiting.clear()
            in_use = sum(_is_open(each) for each in self._open)
            if in_use + self._opening >= self._limit:
                return False
            self._opening += 1
            return True

    def end(self, opened: smtplib.SMTP | None) -> None:
        """Replace a reservation by the connection that was opened, or ``None`` if that failed."""
        if self._limit is None:
            return
        with self._lock():
            self._opening = max(0, self._opening - 1)  # a forked child may end one of its parent
            if opened is not None:
                self._open.add(opened)
        if opened is None:
            self.notify()

    def wait(self, deadline: Deadline) -> None:
        """Wait until a connection was closed or returned to the pool, or for a moment.

        :raises DeadlinePassed: no time is left.
        """
        seconds = deadline.left(_GLANCE)
        wake = threading.Event()
        with self._lock():
            self._waiting.append(wake)
        try:
            wake.wait(seconds)
        finally:
            with self._lock():
                if wake in self._waiting:
                    self._waiting.remove(wake)

    def notify(self) -> None:
        """Wake the thread that has waited longest: a connection was closed or returned."""
        if self._limit is None:
            return
        with self._lock():
            if self._waiting:
                self._waiting.popleft().set()


def _is_open(session: smtplib.SMTP) -> bool:
    # Those of the parent of a forked process are not connections of this one.
    wire = session.file
    return session.sock is not None and not (isinstance(wire, Wire) and not wire.is_own)
