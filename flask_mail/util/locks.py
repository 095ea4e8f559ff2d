"""Locks that survive a fork: a thread of the parent that owns one does not exist in the child,
which would wait for it forever."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager


class ForkSafeLock:
    """A reentrant lock, free in a child process: ``with lock():``."""

    __slots__ = ("_forks", "_lock")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forks = _forks

    def __call__(self) -> AbstractContextManager[bool]:
        # The lock itself, so that a thread which forks releases the one that it acquired.
        if self._forks != _forks:
            self._renew()
        return self._lock

    def _renew(self) -> None:
        with _renewing:
            if self._forks != _forks:  # else another thread has renewed it
                self._lock = threading.RLock()
                self._forks = _forks  # last: other threads take the lock as soon as it is equal


_forks = 0  # from the first process to this one
_renewing = threading.RLock()


def _count_fork() -> None:
    global _forks, _renewing  # noqa: PLW0603 (of the process)
    _forks += 1
    _renewing = threading.RLock()


if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
    os.register_at_fork(after_in_child=_count_fork)
