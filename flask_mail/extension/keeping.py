"""Control of the connections that are kept open between messages."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mailers import Selection


class Keeping:
    """Mixin that closes and counts the connections kept for the next message."""

    def close(self) -> None:
        """Close the idle connections of this app; the next message opens a new one.

        Without an app, those of the current app, or of all apps in this process. Never raises.
        Messages in flight in other threads are not interrupted.
        """
        for each in self._selections():
            each.close()

    def stats(self) -> dict[str, int]:
        """Return how many connections were opened, reused and closed since the process started.

        The keys of the smtp backend are ``opened``, ``reused``, ``expired``, ``closed_by_peer``,
        ``surplus`` and, for those that are idle now, ``idle``; a missing key means 0. The apps are
        those of :meth:`close`.
        """
        found: Counter[str] = Counter()
        for each in self._selections():
            found.update(each.stats())
        return found

    def _selections(self) -> list[Selection]:
        found = getattr(self, "selection", None)
        if found is not None:
            return [found]
        from .mailers import everywhere

        return everywhere()
