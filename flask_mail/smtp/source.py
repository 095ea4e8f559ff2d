"""Messages of a batch, made by the program as there is room for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..mime.content import Content
    from ..receipt import Envelope
    from .deadline import Clock

_SLOW = 0.1
"""Seconds: if a message takes longer to be made, those in flight are finished before the next."""

_LONG = 1.0
"""Seconds to make a message after which the source is never trusted again."""

_TRUSTED = 4
"""Messages made in a short time after which the next one is expected to be, too."""

Item = tuple["Envelope", "bytes | Content"]


class Source:
    """Messages of a batch.

    :ivar upcoming: the message that was taken and not started; ``None`` without one.
    :ivar is_over: True if all were taken.
    :ivar is_slow: True if the last message took long to be made.
    """

    def __init__(self, items: Iterable[Item], clock: Clock) -> None:
        self.upcoming: Item | None = None
        self.is_over = False
        self.is_slow = False
        self._items: Iterator[Item] = iter(items)
        self._clock = clock
        self._quick = 0
        self._was_long = False
        if isinstance(items, list) and len(items) == 1:
            self.take()
            self.is_over = True

    @property
    def is_trusted(self) -> bool:
        """True if it may be asked while the server waits for the rest of a message.

        A program that waits for its messages, such as those of a queue, would keep it waiting.
        """
        return self._quick >= _TRUSTED and not self._was_long

    def take(self) -> None:
        """Take the next message."""
        asked = self._clock()
        self.upcoming = next(self._items, None)
        seconds = self._clock() - asked
        self.is_over = self.upcoming is None
        self.is_slow = seconds > _SLOW
        self._quick = 0 if self.is_slow else self._quick + 1
        self._was_long = self._was_long or seconds > _LONG
