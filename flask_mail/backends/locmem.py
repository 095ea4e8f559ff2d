"""The locmem backend: keeps messages in memory, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Backend
from .features import Feature

if TYPE_CHECKING:
    from ..message import Message
    from ..outgoing import Outgoing, Receipt


class LocmemBackend(Backend[None]):
    """Keeps a copy of every message in :attr:`outbox`, in the order in which they were sent.

    A later change of a message does not reach its copy. ``copy.envelope`` tells whom it went to.
    """

    name = "locmem"
    features = frozenset(Feature)
    external = False

    def __init__(self) -> None:
        self.outbox: list[Message] = []

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        copy = mail.message.snapshot()
        copy.envelope = mail.envelope
        self.outbox.append(copy)
        return self.accepted(mail)
