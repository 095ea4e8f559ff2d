"""The null backend: discards messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Backend
from .features import Feature

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing
    from ..receipt import Receipt


class NullBackend(Backend[None]):
    """Discards every message after validation."""

    name = "null"
    features = frozenset(Feature)
    external = False

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        return self.accepted(mail)
