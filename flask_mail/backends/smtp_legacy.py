"""Delivery by a session that a program replaced, such as a mock of smtplib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..address.parser import parse_address, parse_addresses
from ..mime.fields import mailbox
from ..smtp import legacy

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing
    from ..receipt import Refusal
    from ..smtp.server import Server


def send_by_legacy(session: Any, server: Server, mail: Outgoing) -> Mapping[str, Refusal]:
    """Send a message by ``session.sendmail()`` and return the refused recipients.

    The arguments are those of 0.10: addresses with their names, as written in the header.
    """
    message = mail.message
    named = {
        each.addr_spec: mailbox(each)
        for field in (message.recipients, message.cc, message.bcc)
        for each in parse_addresses(field, "recipient")
    }
    sender = parse_address(message.sender, "sender")
    named_sender = {sender.addr_spec: mailbox(sender)}
    envelope = mail.envelope
    refused = legacy.sendmail(
        session,
        server,
        named_sender.get(envelope.sender, envelope.sender),
        [named.get(each, each) for each in envelope.recipients],
        mail.content,
        envelope.mail_options,
        envelope.rcpt_options,
    )
    specs = {shown: spec for spec, shown in named.items()}
    return {specs.get(shown, shown): why for shown, why in refused.items()}
