"""Copies of messages as a backend got them."""

from __future__ import annotations

from typing import Any, Final

from ..message.fields import Delivered, deep_copy
from .outgoing import Outgoing

MOST_KEPT: Final = 8 * 1024 * 1024
"""Maximum octets of a message or file that a copy keeps; larger ones are read on demand."""


def copy_of(mail: Outgoing) -> Any:
    """Return an independent copy of the message, with its envelope and mailer."""
    snapshot = getattr(mail.message, "snapshot", None)
    message: Any = deep_copy(mail.message) if snapshot is None else snapshot()
    message.envelope = mail.envelope
    if mail.mailer:
        message.mailer = mail.mailer
    return message


def delivered_copy(mail: Outgoing) -> Any:
    """Return :func:`copy_of` a delivered message, with the delivered octets."""
    message = copy_of(mail)
    octets = mail.octets
    message.as_bytes = Delivered(bytes(octets) if len(octets) <= MOST_KEPT else octets)
    return message
