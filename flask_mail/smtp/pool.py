"""Idle sessions, kept for the next message."""

from __future__ import annotations

import weakref
from collections import Counter, deque
from collections.abc import Hashable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..util.clocks import monotonic
from . import idling
from . import session as client
from .deadline import Clock
from .wire import Link

if TYPE_CHECKING:
    import smtplib

COUNTED = ("opened", "reused", "expired", "closed_by_peer", "surplus")


class Pool:
    """Keeps idle sessions that are connected and logged in, and closes each in time.

    :param size: how many are kept at most, together with other pools for the same `place`.
    :param keepalive: seconds after which an idle session is closed.
    :param max_age: seconds after which a session is closed that was in use again and again, so
        that a server which has moved is looked up again; ``None`` for no limit.
    :param place: where its sessions lead; ``None`` where no other pool shares that.
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
        # Also at exit; before the sockets of what is not needed any more are collected.
        weakref.finalize(self, _leave_all, self._idle)

    @property
    def idle(self) -> deque[tuple[float, smtplib.SMTP]]:
        """Since when each session is idle, the longest idle ones first."""
        return self._idle

    def take(self, kind: Any) -> smtplib.SMTP | None:
        """Return a session of that class which can be used at once, if there is one."""
        while True:
            with idling.lock():
                expired = self._expired()
                # The last one that was used is the least likely to have been closed meanwhile.
                host = self._idle.pop()[1] if self._idle else None
            _leave_all(expired)
            if host is None:
                return None
            reason = self._reason_against(host, kind)
            if not reason:
                self.count("reused")
                return host
            self.count(reason)
            client.leave(host)

    def give(self, host: smtplib.SMTP) -> bool:
        """Take a session that is not used any more; return ``False`` if none are kept.

        It takes the place of older ones, and nobody waits for their goodbyes.
        """
        with idling.lock():
            if not self._size:
                return False
            left = self._expired()
            self._idle.append((self._clock(), host))
            if self._is_too_old(host):
                left.append(self._idle.pop())
                self._counts["expired"] += 1
            left.extend(self._surplus())
        _leave_all(left)
        idling.closer.watch(self._keepalive)
        return True

    def close(self) -> None:
        """Close what is idle, and keep nothing from now on."""
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
        """Return what was counted, and how many sessions are idle now."""
        with idling.lock():
            return {**{each: self._counts[each] for each in COUNTED}, "idle": len(self._idle)}

    def close_expired(self) -> None:
        """Close what has been idle for too long."""
        with idling.lock():
            expired = self._expired()
        _leave_all(expired)

    def seconds_left(self) -> float | None:
        """Return in how many seconds the next session expires; ``None`` if there is none."""
        return self._idle[0][0] + self._keepalive - self._clock() if self._idle else None

    def _expired(self) -> deque[tuple[float, smtplib.SMTP]]:
        """Take out what has been idle for too long."""
        expired: deque[tuple[float, smtplib.SMTP]] = deque()
        while (left := self.seconds_left()) is not None and left <= 0:
            expired.append(self._idle.popleft())
        self._counts["expired"] += len(expired)
        return expired

    def _surplus(self) -> deque[tuple[float, smtplib.SMTP]]:
        """Take out those for which there is no room: a program that makes a ``Mail`` for each
        message has as many pools."""
        pools = [
            each
            for each in idling.pools()
            if each is self or (self.place is not None and each.place == self.place)
        ]
        surplus: deque[tuple[float, smtplib.SMTP]] = deque()
        for _ in range(sum(len(each.idle) for each in pools) - self._size):
            oldest = min((each for each in pools if each.idle), key=lambda each: each.idle[0][0])
            surplus.append(oldest.idle.popleft())
        self._counts["surplus"] += len(surplus)
        return surplus

    def _reason_against(self, host: smtplib.SMTP, kind: Any) -> str:
        """Return why a session cannot be used any more, as it is counted."""
        link = host.file
        if type(host) is not kind or not isinstance(link, Link) or not link.is_own:
            return "surplus"
        if self._is_too_old(host):
            return "expired"
        return "closed_by_peer" if link.is_stale() else ""

    def _is_too_old(self, host: smtplib.SMTP) -> bool:
        link = host.file
        return self._max_age is not None and isinstance(link, Link) and link.age >= self._max_age


def _leave_all(idle: deque[tuple[float, smtplib.SMTP]]) -> None:
    # Nobody waits for the goodbyes of servers at exit, when another thread may do the same.
    with suppress(IndexError):
        while True:
            client.leave(idle.popleft()[1])
