"""Idle connections to a service by HTTP, kept for the next message."""

from __future__ import annotations

import weakref
from collections import Counter, deque
from contextlib import suppress
from typing import Final

from ..smtp.deadline import Clock
from ..util.clocks import monotonic
from ..util.locks import ForkSafeLock
from .http_wire import HttpWire

_KEEPALIVE: Final = 30.0
"""Seconds: services close what is idle for a minute or more."""
_MAX_AGE: Final = 300.0
"""Seconds after which a connection is not used again, so that changes of DNS are noticed."""

COUNTED: Final = ("opened", "reused", "expired", "closed_by_peer", "surplus")


class HttpPool:
    """Idle connections of one process; those of its parent are not used.

    :param size: the maximum number.
    """

    def __init__(self, size: int, clock: Clock = monotonic) -> None:
        self._size = size
        self._clock = clock
        self._idle: deque[tuple[float, HttpWire]] = deque()
        self._counts: Counter[str] = Counter()
        self._lock = ForkSafeLock()
        weakref.finalize(self, _drop_all, self._idle)

    def take(self) -> HttpWire | None:
        """Return a connection that the peer has not closed, if there is one."""
        while True:
            with self._lock():
                # The last one that was used is the least likely to have been closed meanwhile.
                since, wire = self._idle.pop() if self._idle else (0.0, None)
            if wire is None:
                return None
            try:
                reason = self._reason_against(wire, since)
            except BaseException:  # from a signal handler
                wire.drop()
                raise
            self.count(reason or "reused")
            if not reason:
                return wire
            wire.drop()

    def give(self, wire: HttpWire) -> None:
        """Keep a connection, and drop the oldest beyond the size; or drop one that has ended."""
        if not wire.is_reusable:
            wire.drop()
            return
        surplus: deque[tuple[float, HttpWire]] = deque()
        with self._lock():
            self._idle.append((self._clock(), wire))
            while len(self._idle) > self._size:
                surplus.append(self._idle.popleft())
                self._counts["surplus"] += 1
        # From here on another thread may send with it.
        _drop_all(surplus)

    def close(self) -> None:
        """Drop all idle connections, and keep none from now on."""
        with self._lock():
            self._size = 0
            idle = deque(self._idle)
            self._idle.clear()
        _drop_all(idle)

    def count(self, what: str) -> None:
        """Count one of :data:`COUNTED`."""
        with self._lock():
            self._counts[what] += 1

    def counts(self) -> dict[str, int]:
        """Return the counters, and the number of idle connections."""
        with self._lock():
            return {**{each: self._counts[each] for each in COUNTED}, "idle": len(self._idle)}

    def _reason_against(self, wire: HttpWire, since: float) -> str:
        """Return the counter of a connection that cannot be used any more, else an empty string."""
        if not wire.is_own:
            return "surplus"
        now = self._clock()
        if now - since >= _KEEPALIVE or now - wire.opened_at >= _MAX_AGE:
            return "expired"
        return "closed_by_peer" if wire.is_stale() else ""


def _drop_all(idle: deque[tuple[float, HttpWire]]) -> None:
    # At exit, another thread may empty it at the same time.
    with suppress(IndexError):
        while True:
            idle.popleft()[1].drop()
