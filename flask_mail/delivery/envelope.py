"""The envelope of a message: its fields, checked."""

from __future__ import annotations

from ..address.parser import parse_address, parse_addresses
from ..errors import MessageError, NoRecipients, NoSender
from ..message.fields import unordered_recipients
from ..message.message import Message
from ..message.metadata import check_extras
from ..message.validation import check_message, check_options
from ..receipt import Envelope
from ..util.text import describe


def envelope_of(message: Message, envelope_from: str | tuple[str, str] | None = None) -> Envelope:
    """Check the fields of `message` and return its envelope.

    :raises MessageError: the message is invalid.
    """
    if message.sender:
        check_message(message)  # first, so that a bad header is reported before any other mistake
    recipients = _recipients(message)
    if not recipients:
        raise NoRecipients(
            "No recipients have been added: give recipients=[...], cc=[...] or bcc=[...]."
        )
    if not message.sender:
        raise NoSender(
            "The message does not specify a sender and a default sender has not been configured:"
            " give sender=... or set MAIL_DEFAULT_SENDER."
        )
    check_extras(message)
    sender = parse_address(message.sender, "sender")
    if envelope_from == "<>":
        reverse_path = ""
    elif envelope_from:
        reverse_path = parse_address(envelope_from, "envelope_from").addr_spec
    else:
        reverse_path = sender.addr_spec
    return Envelope(
        reverse_path,
        recipients,
        check_options(message.mail_options, "mail_options"),
        check_options(message.rcpt_options, "rcpt_options"),
    )


def checked(envelope: Envelope) -> Envelope:
    """Return an envelope that was not made by :func:`envelope_of`, if it is valid.

    Its parts become commands, so a line break in one of them would be another command.

    :raises MessageError: an address or option is invalid, or no recipient is left.
    """
    if not envelope.recipients:
        raise NoRecipients("The envelope has no recipients.")
    senders = (envelope.sender,) if envelope.sender else ()
    for field, addresses in (("sender", senders), ("recipient", envelope.recipients)):
        for each in addresses:
            if parse_address(each, field).addr_spec != each:
                raise MessageError(
                    f"The envelope's {field} is not a bare address: {describe(each)}."
                )
    check_options(envelope.mail_options, "mail_options")
    check_options(envelope.rcpt_options, "rcpt_options")
    return envelope


def _recipients(message: Message) -> tuple[str, ...]:
    declared = (
        *parse_addresses(message.recipients, "recipient"),
        *parse_addresses(message.cc, "cc"),
        *parse_addresses(message.bcc, "bcc"),
    )
    # Compared only if it is not ours: it collects all recipients again.
    is_own = getattr(type(message), "send_to", None) is Message.send_to
    wanted = None if is_own else message.send_to
    if wanted is not None and wanted != unordered_recipients(message):
        # A subclass overrides send_to, to redirect mail for instance: 0.10's Connection took its
        # recipients from there. Sorted, because a set has no order.
        redirected = parse_addresses(wanted, "recipient")
        specs = {address.addr_spec for address in redirected}
        declared = (
            *(each for each in declared if each.addr_spec in specs),
            *sorted(redirected, key=lambda address: address.addr_spec),
        )
    unique: dict[tuple[str, str], str] = {}
    for address in declared:
        unique.setdefault((address.local, address.domain.lower()), address.addr_spec)
    return tuple(unique.values())
