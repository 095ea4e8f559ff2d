"""Number of connections of a batch, and the pace of its messages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .deadline import Clock

PAUSE = 1.0
"""Seconds without a new message after the server asked to slow down: limits are per second."""

_SLOWEST = 1.0
"""Maximum number of seconds between two messages."""

_RECOVERY = 0.98
"""Factor for the interval between messages at each message, so that the pace recovers."""


class Growth:
    """Decision when another connection is worth opening.

    It is once messages have waited for the server for as long as opening one takes: then the time
    to open it is at most doubled, even if the batch ends soon.

    :param limit: maximum number of connections.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._cost = 0.0
        self._waited = 0.0

    def opened(self, seconds: float) -> None:
        """Record how long it took to open the latest connection."""
        self._cost = seconds
        self._waited = 0.0

    def waited(self, seconds: float) -> None:
        """Record that messages waited for the server."""
        self._waited += seconds

    def seconds_left(self, count: int) -> float:
        """Return the seconds after which another connection is worth opening.

        :param count: number of connections now.
        """
        return max(0.0, self._cost - self._waited) if count < self.limit else math.inf


class Pace:
    """Intervals between messages, once the server has asked to slow down."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun = clock()
        self._count = 0
        self._interval = 0.0
        self._next = -math.inf  # no message starts before this time
        self._lowered_until = -math.inf

    def slow_down(self) -> bool:
        """Halve the pace after a pause; return False if it was already lowered for this."""
        now = self._clock()
        if now < self._lowered_until:
            return False  # the reply to a message that was sent before
        average = (now - self._begun) / max(1, self._count)
        self._interval = min(_SLOWEST, 2 * max(self._interval, average))
        self._next = self._lowered_until = now + PAUSE
        return True

    def note_start(self) -> None:
        """Record that a message was started."""
        self._count += 1
        if self._interval:
            self._next = self._clock() + self._interval
            self._interval *= _RECOVERY

    def seconds_left(self) -> float:
        """Return the seconds until the next message may start."""
        return max(0.0, self._next - self._clock())
