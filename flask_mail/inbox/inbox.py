"""The inbox of one app: which messages there are, what is listed of each, and waiting for more."""

from __future__ import annotations

import hashlib
import heapq
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .. import _context
from ..backends.values import Kept, StoredMessage
from ..errors import ConfigurationError
from ..extension.state import _Mail
from ..util.clocks import monotonic
from ..util.locks import ForkSafeLock
from .failures import failures_of
from .sources import Entry, entries
from .summaries import Query, Summary

if TYPE_CHECKING:
    from flask import Flask

_Key: TypeAlias = tuple[str, str, int]
MOST_LISTED: Final = 500
_MOST_REMEMBERED: Final = 48 * 1024 * 1024
"""Characters of all summaries together: those of the newest messages."""
MOST_READ: Final = 16 * 1024 * 1024
"""Octets of the messages that a page reads: some tenths of a second. The next one goes on."""
_EACH: Final = 64 * 1024
"""Octets as which each message counts in addition: what it takes to read a small one."""
LONGEST_WAIT: Final = 30.0
_INTERVAL: Final = 0.2
"""Seconds between two checks while a request waits, at least."""
_SHARE: Final = 5
"""Time between two checks, in multiples of what one takes."""
_MOST_WAITING: Final = 16
"""Maximum number of waiting requests, each of which blocks a thread of the server."""


@dataclass(slots=True)
class Results:
    """The messages that match, newest first, and how far the search has come."""

    messages: list[Summary] = field(default_factory=list)
    seen: int = 0
    """The number of messages that were looked at."""
    cut: int = 0
    """The number of those with more text than is searched."""


class Inbox:
    """The messages that the backends of `app` keep."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._summaries: dict[_Key, Summary] = {}
        self._oldest: list[tuple[float, _Key]] = []  # a heap
        self._remembered = 0
        self._lock = ForkSafeLock()
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        self.is_warned = False

    @property
    def state(self) -> _Mail:
        """The mail state of the app.

        :raises ConfigurationError: it has none, or one of another extension.
        """
        state = _context.resolved(self.app.extensions.get("mail"))
        if not isinstance(state, _Mail):
            raise ConfigurationError(
                "This app has no mail that could be shown: call Mail(app), or mail.init_app(app)."
            )
        return state

    def kept(self) -> list[Entry]:
        """Return the messages that the backends in use keep or that failed, newest first.

        :raises ConfigurationError: there are none, because no backend keeps messages or the
            settings are wrong.
        """
        failures = failures_of(self.app)
        failed = failures.entries() if failures is not None else []
        try:
            found = entries(self.state)
        except ConfigurationError:
            if not failed:
                raise
            return failed
        if failed:
            found = sorted([*failed, *found], key=lambda each: each.kept.date, reverse=True)
        return found

    @property
    def has_mailers(self) -> bool:
        """True if the app has several mailers, so that people want to know which one sent."""
        return len(self.state.selection.definitions.names()) > 1

    def find(self, query: Query, kept: list[Entry] | None = None) -> list[Summary]:
        """Return the newest messages that match, newest first.

        :param kept: the result of :meth:`kept`, if it is known.
        """
        return self.search(query, self.kept() if kept is None else kept, MOST_LISTED).messages

    def search(
        self, query: Query, kept: list[Entry], most: int, octets: float = math.inf
    ) -> Results:
        """Return the first messages of `kept` that match.

        :param most: the number of results after which to stop.
        :param octets: of the messages to read, after which to stop; those that are remembered are
            free.
        """
        found = Results()
        for each in kept:
            if len(found.messages) == most:
                break
            if query.since is not None and each.kept.date <= query.since:
                continue
            summary = self._remembered_of(each)
            if summary is None:
                if octets <= 0:
                    break
                summary = self._read(each)
                octets -= _EACH + (0 if summary is None else summary.size)
            found.seen += 1
            if summary is not None:
                found.cut += summary.is_cut
                if query.matches(summary):
                    found.messages.append(summary)
        return found

    def find_soon(self, query: Query, seconds: float, **timing: Any) -> list[Summary]:
        """Return the result of :meth:`find` once it is not empty, or an empty one after a time-out.

        :param timing: further arguments of :meth:`wait`.
        """
        known = ""

        def look() -> list[Summary]:
            nonlocal known
            # Messages are only searched again if the store has changed.
            before, known = known, self.version()
            return [] if known == before else self.find(query)

        found: list[Summary] = self.wait(look, seconds, **timing)
        return found

    def version(self, kept: list[Entry] | None = None) -> str:
        """Return what changes when a message comes, changes or goes.

        :param kept: the result of :meth:`kept`, if it is known.
        """
        entries_now = self.kept() if kept is None else kept
        states = (f"{each.backend} {each.id} {each.kept.version}" for each in entries_now)
        return hashlib.sha256("\n".join(states).encode()).hexdigest()[:16]

    def get(self, wanted: str) -> tuple[Entry, StoredMessage] | None:
        """Return a message, or ``None`` if it does not exist."""
        for each in self.kept():
            if each.id == wanted:
                stored = read(each.kept)
                return None if stored is None else (each, stored)
        return None

    def beside(self, name: str, query: Query) -> str | None:
        """Return the id of the next older message that matches, else of the next newer one.

        ``None`` if there is no other one, or the message itself is gone.
        """
        kept = self.kept()
        place = next((place for place, each in enumerate(kept) if each.id == name), None)
        if place is None:
            return None
        for others in (kept[place + 1 :], kept[:place][::-1]):
            for found in self.search(query, others, 1, MOST_READ).messages:
                return found.id
        return None

    def delete(self, *wanted: str) -> None:
        """Delete the messages with these ids."""
        for each in self.kept():
            if each.id in wanted:
                each.kept.delete()

    def delete_all(self) -> None:
        """Delete all messages that there are now."""
        for each in self.kept():
            each.kept.delete()

    def wait(
        self,
        done: Callable[[], Any],
        seconds: float,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> Any:
        """Return the result of `done` once it is true, or after a time-out.

        Returns immediately if too many requests are waiting.
        """
        start = clock()
        result = done()
        until = clock() + min(seconds, LONGEST_WAIT)
        if result or not self._waiting.acquire(blocking=False):
            return result
        # Looking at thousands of files must not occupy a processor.
        interval = max(_INTERVAL, _SHARE * (clock() - start))
        try:
            while not result and (left := until - clock()) > 0:
                pause(min(interval, left))
                result = done()
        finally:
            self._waiting.release()
        return result

    def summary(self, entry: Entry) -> Summary | None:
        """Return what is listed of a message, or ``None`` if it was deleted since."""
        return self._remembered_of(entry) or self._read(entry)

    def _remembered_of(self, entry: Entry) -> Summary | None:
        with self._lock():
            return self._summaries.get(_key(entry))

    def _read(self, entry: Entry) -> Summary | None:
        stored = read(entry.kept)
        if stored is None:
            return None
        summary, key = Summary.of(entry, stored), _key(entry)
        if not stored.error:  # what could not be read now may be readable later
            with self._lock():
                # Another thread may have read it meanwhile.
                if self._summaries.setdefault(key, summary) is summary:
                    self._remembered += summary.length
                    heapq.heappush(self._oldest, (summary.moment.timestamp(), key))
                # Not the least recently used, as a search uses all of them, from the newest on.
                while self._remembered > _MOST_REMEMBERED:
                    forgotten = self._summaries.pop(heapq.heappop(self._oldest)[1])
                    self._remembered -= forgotten.length
        return summary


def _key(entry: Entry) -> _Key:
    return entry.backend, entry.id, entry.kept.version


def read(kept: Kept) -> StoredMessage | None:
    """Return a message; one that cannot be read has an error."""
    try:
        return kept.read()
    except Exception as error:  # noqa: BLE001 (a plugin's: it must not hide the other messages)
        return StoredMessage(b"", error=f"This message cannot be read: {type(error).__name__}.")
