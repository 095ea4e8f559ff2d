"""Copies of messages as a backend got them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .outgoing import Outgoing

if TYPE_CHECKING:
    pass
from ..message.fields import Delivered, deep_copy

MOST_KEPT: Final = 8 * 1024 * 1024
"""Octets of a message or a file that a copy keeps; what is larger is read when it is asked for."""


def copy_of(mail: Outgoing) -> Any:
    """Return a copy of the message, with its envelope, that no later change reaches."""
    snapshot = getattr(mail.message, "snapshot", None)
    message: Any = deep_copy(mail.message) if snapshot is None else snapshot()
    message.envelope = mail.envelope
    return message


def delivered_copy(mail: Outgoing) -> Any:
    """Return :func:`copy_of` a message that was delivered, with the octets that were."""
    message = copy_of(mail)
    message.as_bytes = Delivered(mail.content if mail.size <= MOST_KEPT else mail.octets)
    return message
