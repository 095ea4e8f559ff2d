"""Idle sessions, kept for the next message."""

from __future__ import annotations

import weakref
from collections import Counter, deque
from collections.abc import Hashable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..util.clocks import monotonic
from . import idling
from .deadline import Clock
from .session import leave
from .wire import Wire

if TYPE_CHECKING:
    import smtplib

_LINGER = 1.0
"""Seconds after which an idle session beyond the size is closed: threads that send at the same time
use it again sooner, and would open another one each time."""

COUNTED = ("opened", "reused", "expired", "closed_by_peer", "surplus")


class Pool:
    """Pool of idle sessions that are connected and logged in.

    :param size: number of sessions to keep, shared with other pools for the same `place`.
    :param keepalive: seconds after which an idle session is closed.
    :param max_age: seconds after which a session is closed even if it is in regular use, so that
        changes of DNS are noticed; ``None`` for no limit.
    :param place: identifies the server; ``None`` if no other pool shares it.
    """

    def __init__(
        self,
        size: int,
        keepalive: float,
        *,
        max_age: float | None = None,
        place: Hashable = None,
        clock: Clock = monotonic,
    ) -> None:
        self._size = size
        self._keepalive = keepalive
        self._max_age = max_age
        self.place = place
        self._clock = clock
        self._idle: deque[tuple[float, smtplib.SMTP]] = deque()
        self._counts: Counter[str] = Counter()
        idling.register(self)
        # Also at exit, before the sockets of unused sessions are garbage-collected.
        weakref.finalize(self, _leave_all, self._idle)

    @property
    def idle(self) -> deque[tuple[float, smtplib.SMTP]]:
        """Idle sessions, each with the time since which it is idle, oldest first."""
        return self._idle

    def take(self, kind: Any) -> smtplib.SMTP | None:
        """Return a usable session of the class `kind`, if there is one."""
        while True:
            with idling.lock():
                expired = self._expired()
                # The last one that was used is the least likely to have been closed meanwhile.
                host = self._idle.pop()[1] if self._idle else None
            if expired:
                _leave_all(expired)
            if host is None:
                return None
            reason = self._reason_against(host, kind)
            if not reason:
                self.count("reused")
                return host
            self.count(reason)
            leave(host)

    def give(self, host: smtplib.SMTP) -> bool:
        """Add a session that is no longer used; return ``False`` if none are kept.

        Those beyond the size are closed without waiting for the reply to QUIT: after a moment or,
        if other pools share the size, immediately.
        """
        with idling.lock():
            if not self._size:
                return False
            left = self._expired()
            self._idle.append((self._clock(), host))
            left.extend(self._surplus())
            seconds = self._seconds_to_keep()
        if left:
            _leave_all(left)
        idling.closer.watch(seconds)
        return True

    def make_room(self) -> bool:
        """Close the session that has been idle longest; return ``False`` if none is idle."""
        with idling.lock():
            if not self._idle:
                return False
            host = self._idle.popleft()[1]
            self._counts["surplus"] += 1
        leave(host)
        return True

    def close(self) -> None:
        """Close all idle sessions, and keep none from now on."""
        with idling.lock():
            self._size = 0
            idle = deque(self._idle)
            self._idle.clear()
        _leave_all(idle)

    def count(self, what: str) -> None:
        """Count one of :data:`COUNTED`."""
        with idling.lock():
            self._counts[what] += 1

    def counts(self) -> dict[str, int]:
        """Return the counters, and the number of idle sessions."""
        with idling.lock():
            return {**{each: self._counts[each] for each in COUNTED}, "idle": len(self._idle)}

    def close_expired(self) -> None:
        """Close sessions that have been idle for too long."""
        with idling.lock():
            expired = self._expired()
        _leave_all(expired)

    def seconds_left(self) -> float | None:
        """Return the seconds until the next session expires; ``None`` if none is idle."""
        if not self._idle:
            return None
        return self._idle[0][0] + self._seconds_to_keep() - self._clock()

    def _seconds_to_keep(self) -> float:
        """Return how long the session that has been idle longest may be."""
        is_surplus = len(self._idle) > self._size
        return min(_LINGER, self._keepalive) if is_surplus else self._keepalive

    def _expired(self) -> deque[tuple[float, smtplib.SMTP]]:
        """Remove and return sessions that have been idle for too long."""
        expired: deque[tuple[float, smtplib.SMTP]] = deque()
        while (left := self.seconds_left()) is not None and left <= 0:
            self._counts["surplus" if len(self._idle) > self._size else "expired"] += 1
            expired.append(self._idle.popleft())
        return expired

    def _surplus(self) -> deque[tuple[float, smtplib.SMTP]]:
        """Remove and return sessions beyond the limit, which pools for the same server share: a
        program that makes a ``Mail`` for each message has as many pools."""
        if idling.has_one_pool():
            return deque()
        pools = [
            each
            for each in idling.pools()
            if each is self or (self.place is not None and each.place == self.place)
        ]
        surplus: deque[tuple[float, smtplib.SMTP]] = deque()
        if len(pools) == 1:
            return surplus
        for _ in range(sum(len(each.idle) for each in pools) - self._size):
            oldest = min((each for each in pools if each.idle), key=lambda each: each.idle[0][0])
            surplus.append(oldest.idle.popleft())
        self._counts["surplus"] += len(surplus)
        return surplus

    def _reason_against(self, host: smtplib.SMTP, kind: Any) -> str:
        """Return the counter for a session that cannot be used any more, else an empty string."""
        wire = host.file
        if type(host) is not kind or not isinstance(wire, Wire) or not wire.is_own:
            return "surplus"
        if self._max_age is not None and wire.age >= self._max_age:
            return "expired"
        return "closed_by_peer" if wire.is_stale() else ""


def _leave_all(idle: deque[tuple[float, smtplib.SMTP]]) -> None:
    # At exit, another thread may empty the deque at the same time.
    with suppress(IndexError):
        while True:
            leave(idle.popleft()[1])
