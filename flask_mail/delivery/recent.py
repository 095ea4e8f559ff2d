"""Recent messages of a backend that does not keep any, for the inbox: bounded, in memory."""

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
    """One message as it was delivered.

    :ivar content: ``None`` if it was too large to be kept.
    """

    # Written out, because every app imports this and making a dataclass takes a millisecond.
    __slots__ = ("content", "envelope", "id", "mailer", "metadata", "moment", "size", "tags")

    def __init__(self, mail: Outgoing, *, most: int) -> None:
        self.id = secrets.token_hex(8)
        self.moment = datetime.now(timezone.utc)
        self.envelope: Envelope = mail.envelope
        self.content: bytes | None = mail.content if mail.size <= most else None
        self.size: int = mail.size
        self.mailer: str = mail.mailer
        self.tags: tuple[str, ...] = mail.tags
        self.metadata: Mapping[str, str] = mail.metadata


class Recent:
    """Thread-safe buffer of messages that drops the oldest ones."""

    def __init__(self, messages: int = MOST_MESSAGES, octets: int = MOST_OCTETS) -> None:
        self._messages = messages
        self._octets = octets
        self._kept: deque[Delivered] = deque()
        self._lock = ForkSafeLock()

    def add(self, mail: Outgoing) -> None:
        """Add a message that was just delivered."""
        delivered = Delivered(mail, most=self._octets)
        with self._lock():
            self._kept.append(delivered)
            while len(self._kept) > self._messages or self._in_memory() > self._octets:
                self._kept.popleft()

    def all(self) -> list[Delivered]:
        """Return the messages, oldest first."""
        with self._lock():
            return list(self._kept)

    def forget(self, ids: Iterable[str]) -> None:
        """Forget these messages."""
        unwanted = set(ids)
        with self._lock():
            self._kept = deque(each for each in self._kept if each.id not in unwanted)

    def _in_memory(self) -> int:
        return sum(len(each.content or b"") for each in self._kept)
