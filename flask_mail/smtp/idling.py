"""Background thread that closes expired idle sessions.

Servers limit connections, so an idle worker must not occupy slots that others need. The thread runs
only while a session is idle, and ends before the process forks, so that the program may fork.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

from ..util.clocks import monotonic
from ..util.locks import ForkSafeLock

if TYPE_CHECKING:
    from .pool import Pool

_PATIENCE = 1.0
"""Seconds to wait for the end of the thread, which may be closing connections."""

lock = ForkSafeLock()
"""Guards all pools, because pools for the same server share one limit."""

_pools: WeakSet[Pool] = WeakSet()


def register(pool: Pool) -> None:
    """Close the idle sessions of `pool` when they expire."""
    with lock():
        _pools.add(pool)


def has_one_pool() -> bool:
    """Return True if no pool but one is registered; for those who hold :data:`lock`."""
    return len(_pools) == 1


def pools() -> list[Pool]:
    """Return all pools of this process; the caller must have acquired :data:`lock`."""
    return list(_pools)


class Closer:
    """The closing thread, started when it is needed."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        # Made with the thread: gevent may have replaced threading.Event by then.
        self._wake: threading.Event | None = None
        self._due = 0.0

    def watch(self, seconds: float) -> None:
        """Start or wake the thread, to close what expires in `seconds`."""
        with lock():
            due = monotonic() + seconds
            if self._thread is not None and self._wake is not None:
                if due < self._due:
                    self._wake.set()
                return
            self._due = due
            wake = self._wake = threading.Event()
            thread = self._thread = threading.Thread(
                target=self._run, args=(wake, seconds), name="flask-mail-idle", daemon=True
            )
        try:
            thread.start()
        except RuntimeError:  # at exit, or without threads: sessions are closed at the next send
            self.forget()

    def stop(self) -> None:
        """End the thread and wait for it."""
        thread, wake = self._thread, self._wake
        self.forget()
        if thread is not None and wake is not None:
            wake.set()
            with suppress(RuntimeError):  # it was not started yet, or is this one
                thread.join(_PATIENCE)

    def resume(self) -> None:
        """Start the thread again if sessions are idle."""
        with lock():
            left = _seconds_left()
        if left is not None:
            self.watch(left)

    def forget(self) -> None:
        """Forget the thread, such as in a forked child, which does not have it."""
        self._thread = self._wake = None

    def _run(self, wake: threading.Event, seconds: float) -> None:
        left: float | None = seconds
        while left is not None:
            wake.wait(left)
            left = self._step(wake)

    def _step(self, wake: threading.Event) -> float | None:
        """Close expired sessions; return the seconds to wait, or ``None`` to end the thread."""
        wake.clear()
        with lock():
            everywhere = pools()
        for pool in everywhere:
            pool.close_expired()
        with lock():
            if self._wake is not wake:
                return None
            left = _seconds_left()
            if left is None:
                self.forget()
                return None
            self._due = monotonic() + left
            return max(0.0, left)


def _seconds_left() -> float | None:
    return min(
        (left for each in pools() if (left := each.seconds_left()) is not None), default=None
    )


closer = Closer()

if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
    os.register_at_fork(
        before=closer.stop, after_in_parent=closer.resume, after_in_child=closer.forget
    )
