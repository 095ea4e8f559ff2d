"""Deadlines and timeouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..util.clocks import monotonic

Clock = Callable[[], float]


class DeadlinePassed(TimeoutError):
    """``MAIL_DEADLINE`` has passed, even if the peer still responds."""


class Silence(TimeoutError):
    """The peer neither sent nor took anything for ``MAIL_TIMEOUT``."""


class Deadline:
    """Point in time `seconds` from now; ``None`` for no limit."""

    __slots__ = ("_clock", "_moment")

    def __init__(self, seconds: float | None = None, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._moment = None if seconds is None else clock() + seconds

    def left(self, at_most: float) -> float:
        """Return the seconds left, but not more than `at_most`.

        :raises DeadlinePassed: no time is left.
        """
        if self._moment is None:
            return at_most
        left = self._moment - self._clock()
        if left <= 0:
            raise DeadlinePassed("there was no time left")
        return min(left, at_most)

    def within(self, seconds: float) -> Deadline:
        """Return a deadline `seconds` from now, or as early as this one."""
        left = seconds if self._moment is None else self._moment - self._clock()
        return Deadline(min(seconds, left), self._clock)

    def or_in(self, seconds: float) -> Deadline:
        """Return this deadline or, if it has no limit, one `seconds` from now."""
        return self if self._moment is not None else Deadline(seconds, self._clock)

    def has(self, seconds: float) -> bool:
        """Return True if more than `seconds` are left."""
        return self._moment is None or self._moment - self._clock() > seconds


UNLIMITED: Final = Deadline()
