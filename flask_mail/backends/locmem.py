"""The locmem backend: keeps messages in memory, for tests."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ..delivery.copies import delivered_copy
from .base import Backend
from .features import Feature

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing
    from ..message.message import Message
    from ..receipt import Receipt
    from .locmem_reading import Identified
    from .values import Kept


class Memory:
    """The messages that the locmem backends of an app keep, in sending order."""

    def __init__(self) -> None:
        self.outbox: list[Message] = []
        self.identified: dict[int, Identified] = {}


class LocmemBackend(Backend[None]):
    """Keeps a copy of every message in :attr:`outbox`, in sending order.

    Later changes of a message do not affect its copy. ``copy.envelope`` is the envelope,
    ``copy.mailer`` the mailer, and ``copy.as_bytes()`` the delivered content.

    :ivar memory: the messages; an app makes its locmem mailers share it.
    """

    name = "locmem"
    features = frozenset(Feature)
    external = False

    @cached_property
    def memory(self) -> Memory:
        # Not in __init__, which a subclass may not call. Threads may ask for it at the same time.
        own: Memory = vars(self).setdefault("memory", Memory())
        return own

    @property
    def outbox(self) -> list[Message]:
        """The messages of all locmem mailers of the app."""
        return self.memory.outbox

    @outbox.setter
    def outbox(self, messages: list[Message]) -> None:
        self.memory.outbox = messages

    def kept(self) -> list[Kept]:
        from .locmem_reading import kept_by

        return kept_by(self.memory)

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        self.outbox.append(delivered_copy(mail))
        return self.accepted(mail)
