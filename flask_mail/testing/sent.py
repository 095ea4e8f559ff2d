"""A message sent during a test, and the comparison of addresses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from ..address.parser import parse_address
from ..backends.features import read_message_options
from ..mime.parser import Entity

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..delivery.outgoing import Outgoing
    from ..extension.mailers import Selection
    from ..message.message import Message
    from ..mime.content import Content
    from ..receipt import Envelope, Receipt


@dataclass(frozen=True)
class Sent:
    """A sent message, its receipt, rendered content and envelope."""

    message: Message
    receipt: Receipt
    octets: bytes | Content
    envelope: Envelope
    queued: tuple[Message, Any] | None = None
    """The message and its options for the queue, if its mailer would store it in one."""
    selection: Selection | None = None
    """The mailers of its app."""

    @property
    def mailers(self) -> list[str]:
        """The mailer that it was given to, and the part of a composite that took it."""
        return list(dict.fromkeys((self.message.mailer, self.receipt.mailer)))

    @property
    def entity(self) -> Entity:
        """The rendered message, parsed."""
        return Entity.of(bytes(self.octets))

    def reached(self, field: str) -> list[str]:
        """Return the recipients in a field: ``to``, ``cc`` or ``bcc``.

        ``to`` includes recipients in no field, such as the target of a redirection.
        """
        if field != "to":
            named = keys_of(getattr(self.message, field))
            return [each for each in self.envelope.recipients if key_of(each) in named]
        elsewhere = keys_of(self.message.cc) | keys_of(self.message.bcc)
        elsewhere -= keys_of(self.message.recipients)
        return [each for each in self.envelope.recipients if key_of(each) not in elsewhere]


def queued_options(queue: type[Backend[Any]], mail: Outgoing) -> Any:
    """Return the options of a message for a queue, with the key by which the queue knows it."""
    options: Any = read_message_options(queue, mail)
    lacks_key = is_dataclass(options) and getattr(options, "key", "") is None
    if lacks_key:
        return replace(options, key=mail.key)
    return options


def key_of(address: object) -> tuple[str, str]:
    """Return a key for comparing addresses.

    :raises MessageError: it is not an address.
    """
    parsed = parse_address(address, "address")
    return parsed.local, parsed.domain.lower()


def keys_of(addresses: Iterable[object]) -> set[tuple[str, str]]:
    """Return the key of each address."""
    return {key_of(each) for each in addresses}
