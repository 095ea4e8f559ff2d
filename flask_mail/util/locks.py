"""Locks that survive a fork: a thread of the parent that owns one does not exist in the child,
which would wait for it forever."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from weakref import WeakSet


class ForkSafeLock:
    """A reentrant lock, free in a child process: ``with lock():``."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _alive.add(self)

    def __call__(self) -> AbstractContextManager[bool]:
        # The lock itself, so that a thread which forks releases the one that it acquired.
        return self._lock

    def renew(self) -> None:
        """Replace the lock by a free one."""
        self._lock = threading.RLock()


_alive: WeakSet[ForkSafeLock] = WeakSet()


def _renew_all() -> None:
    for lock in list(_alive):
        lock.renew()


if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
    os.register_at_fork(after_in_child=_renew_all)
