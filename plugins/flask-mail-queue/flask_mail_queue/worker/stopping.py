"""Stopping a worker: the first signal lets it finish, the second one interrupts it."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


class Interrupted(BaseException):
    """A second signal: what is being sent is unknown."""


class Stop:
    """Set by SIGTERM and SIGINT within a ``with`` block, in the main thread.

    :ivar parent: the process of which this one is a worker; it stops when that one has ended.
    """

    def __init__(self) -> None:
        self.parent: int | None = None
        self._requested = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._receive)
            if hasattr(signal, "SIGUSR1"):  # how a supervisor asks its workers to stop
                number = signal.SIGUSR1
                self._before[number] = signal.signal(number, lambda *received: self.request())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def request(self) -> None:
        """Stop after what is being sent."""
        self._requested.set()

    @property
    def requested(self) -> bool:
        is_orphan = self.parent is not None and os.getppid() != self.parent
        return is_orphan or self._requested.is_set()

    def wait(self, seconds: float) -> None:
        """Wait, but not longer than until the first signal."""
        self._requested.wait(seconds)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if not self.requested:
            self.request()
            return
        # The next one ends the process at whatever point it is.
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        raise Interrupted
