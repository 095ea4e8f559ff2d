"""Recent messages that no backend keeps, for the inbox: bounded, in memory."""

from __future__ import annotations

import secrets
from collections import deque
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from ..util.locks import ForkSafeLock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..receipt import Envelope
    from .outgoing import Outgoing

MOST_MESSAGES: Final = 200
MOST_OCTETS: Final = 32 * 1024 * 1024
"""Of all messages together; a single larger message is kept without its content."""


class Delivered:
    """One message as it was delivered, or as it would have been.

    :ivar content: ``None`` if it was too large to be kept.
    :ivar outcome: the value of an :class:`Outcome`.
    :ivar reason: the reason if it was not delivered, else empty.
    :ivar backend: the backend that failed, else empty.
    """

    # Written out, because every app imports this and making a dataclass takes a millisecond.
    __slots__ = (
        *("backend", "content", "envelope", "id", "mailer", "metadata", "moment", "outcome"),
        *("reason", "size", "tags"),
    )

    def __init__(self, mail: Outgoing, *, most: int) -> None:
        self.id = secrets.token_hex(8)
        self.moment = datetime.now(timezone.utc)
        self.envelope: Envelope = mail.envelope
        self.content: bytes | None = mail.content if mail.size <= most else None
        self.size: int = mail.size
        self.mailer: str = mail.mailer
        self.tags: tuple[str, ...] = mail.tags
        self.metadata: Mapping[str, str] = mail.metadata
        self.outcome, self.reason, self.backend = "sent", "", ""


class Recent:
    """Thread-safe buffer of messages that drops the oldest ones."""

    def __init__(self, messages: int = MOST_MESSAGES, octets: int = MOST_OCTETS) -> None:
        self._messages = messages
        self._octets = octets
        self._kept: deque[Delivered] = deque()
        self._lock = ForkSafeLock()

    def add(self, mail: Outgoing, **failure: str) -> None:
        """Add a message that was just delivered.

        :param failure: `outcome`, `reason` and `backend`, if its delivery failed.
        """
        delivered = Delivered(mail, most=self._octets)
        for name, value in failure.items():
            setattr(delivered, name, value)
        with self._lock():
            self._kept.append(delivered)
            self._drop_oldest()

    def restore(self, earlier: Iterable[Delivered]) -> None:
        """Put messages of an earlier process before those of this one."""
        with self._lock():
            self._kept.extendleft(reversed(list(earlier)))
            self._drop_oldest()

    def all(self) -> list[Delivered]:
        """Return the messages, oldest first."""
        with self._lock():
            return list(self._kept)

    def forget(self, ids: Iterable[str]) -> None:
        """Forget these messages."""
        unwanted = set(ids)
        with self._lock():
            self._kept = deque(each for each in self._kept if each.id not in unwanted)

    def _drop_oldest(self) -> None:
        while len(self._kept) > self._messages or self._in_memory() > self._octets:
            self._kept.popleft()

    def _in_memory(self) -> int:
        return sum(len(each.content or b"") for each in self._kept)
