"""Moments by which something must be over."""

from __future__ import annotations

from collections.abc import Callable

from ..util.clocks import monotonic

Clock = Callable[[], float]


class DeadlinePassed(TimeoutError):
    """``MAIL_DEADLINE`` is over, however lively the peer still is."""


class Silence(TimeoutError):
    """``MAIL_TIMEOUT`` is over, and the peer has neither said nor taken anything."""


class Deadline:
    """The moment `seconds` from now; with ``None`` there is none."""

    __slots__ = ("_clock", "_moment")

    def __init__(self, seconds: float | None = None, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._moment = None if seconds is None else clock() + seconds

    def left(self, at_most: float) -> float:
        """Return how many seconds are left, but not more than `at_most`.

        :raises DeadlinePassed: where none are.
        """
        if self._moment is None:
            return at_most
        left = self._moment - self._clock()
        if left <= 0:
            raise DeadlinePassed("there was no time left")
        return min(left, at_most)

    def within(self, seconds: float) -> Deadline:
        """Return the moment `seconds` from now, or this one if it comes earlier."""
        left = seconds if self._moment is None else self._moment - self._clock()
        return Deadline(min(seconds, left), self._clock)

    def has(self, seconds: float) -> bool:
        """Whether more than `seconds` are left."""
        return self._moment is None or self._moment - self._clock() > seconds
