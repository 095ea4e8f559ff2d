"""Values that backends return to the inbox, the commands and the test kit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..receipt import Envelope


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it was delivered, returned by :attr:`Kept.read`."""

    content: bytes
    """The octets that were delivered."""
    envelope: Envelope | None = None
    """The envelope; ``None`` if it is unknown, as for a file of another program."""
    tags: tuple[str, ...] = ()
    """Its tags."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Its metadata."""
    size: int = -1
    """Octets of the message; default: those of `content`."""
    error: str = ""
    """The reason if the content cannot be shown, such as its size; `content` is empty then."""
    mailer: str = ""
    """The name of the mailer that it was given to; empty if it is unknown."""

    def __post_init__(self) -> None:
        if self.size < 0:
            object.__setattr__(self, "size", len(self.content))


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that a backend keeps, returned by :meth:`.Backend.kept`."""

    id: str
    """Unique among the messages of the backend, and the same as long as it keeps this one. It is
    part of URLs, so it consists of letters, digits and ``-._``."""
    date: datetime
    """The time of delivery, with a time zone."""
    read: Callable[[], StoredMessage | None]
    """Returns the message, or ``None`` if it was deleted since."""
    delete: Callable[[], object]
    """Deletes the message, unless it was deleted since."""
    version: int = 0
    """A number that changes with the content, for messages that other programs may replace."""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that a backend stores to send it later, returned by :meth:`.Backend.backlog`."""

    id: str
    """Unique among the messages of all backends, and part of URLs, as that of :class:`Kept`."""
    name: str
    """Its name for people, such as the number of its row."""
    state: str
    """One word, such as ``"queued"``, ``"failed"`` or ``"unknown"``."""
    is_waiting: bool
    """True if it will be sent or is being sent, False if that has ended."""
    date: datetime
    """The time at which it is due, or at which it ended."""
    read: Callable[[], StoredMessage | None]
    """Returns the message, or ``None`` if it was deleted since."""
    mailer: str = ""
    """The mailer that sends it."""
    attempts: int = 0
    """The number of times that it was tried."""
    reason: str = ""
    """The reason why it was not sent."""
    retry: Callable[[], bool] | None = None
    """Queues it again; returns False if its state has changed. ``None`` if that is impossible."""
    may_arrive_twice: bool = False
    """True if it may have been accepted, so that only a person may retry it."""
    cancel: Callable[[], bool] | None = None
    """Does not send it; returns False if its state has changed. ``None`` if that is impossible."""


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """One step of :meth:`.Backend.probe`."""

    name: str
    """One word, such as ``"connect"``, ``"tls"`` or ``"login"``."""
    status: Literal["ok", "failed", "skipped"]
    """The result."""
    detail: str = ""
    """Details of the result, or the reason why it failed or was skipped; without a secret."""


@dataclass(frozen=True, slots=True)
class DkimRecord:
    """The TXT record in DNS of a key that signs mail, returned by :meth:`.Backend.dkim_records`."""

    name: str
    """Its name, such as ``"s2026._domainkey.example.com"``."""
    value: str
    """Its text, such as ``"v=DKIM1; k=rsa; p=..."`` (RFC 6376 section 3.6.1)."""
