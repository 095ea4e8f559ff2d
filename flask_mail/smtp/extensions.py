"""Extensions that a message needs and a server offers (RFC 5321 section 2.2)."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING

from ..errors import MessageError
from . import errors

if TYPE_CHECKING:
    from ..mime.content import Content
    from ..receipt import Envelope
    from .session import Server

_SIZE_DIGITS = 20  # RFC 1870 section 3: more than any message has, and no more than int() takes


def suited(host: smtplib.SMTP, content: bytes | Content) -> bytes | Content:
    """Return the content as the server takes it: 7-bit if it does not offer 8BITMIME."""
    literal = content if isinstance(content, bytes) else content.literal
    if literal.isascii() or host.has_extn("8bitmime"):
        return content
    from ..mime.seven_bit import in_seven_bits

    return in_seven_bits(bytes(content))


def mail_options(
    host: smtplib.SMTP, server: Server, envelope: Envelope, content: bytes | Content
) -> list[str]:
    """Return the parameters of MAIL: the caller's, and those that the message needs.

    :raises MessageError: the message needs an extension that the server does not offer.
    :raises MessageRefused: it exceeds the server's SIZE.
    """
    options = list(envelope.mail_options)
    if not host.does_esmtp and (options or envelope.rcpt_options):
        raise MessageError(
            f"mail_options and rcpt_options require EHLO, but {server} supports only HELO: remove"
            " them."
        )
    # All but base64, which contains neither.
    literal = content if isinstance(content, bytes) else content.literal
    if b"\0" in literal:
        raise MessageError("The content contains a NUL, which is never sent raw (RFC 5321 4.5.2).")
    given = {option.partition("=")[0].upper() for option in options}
    if host.has_extn("size"):
        _check_size(host, server, envelope, len(content))
        if "SIZE" not in given:
            options.insert(0, f"SIZE={len(content)}")
    needs_smtputf8 = envelope.needs_smtputf8
    if not literal.isascii():
        header = literal.partition(b"\r\n\r\n")[0]
        needs_smtputf8 = needs_smtputf8 or not header.isascii()
        if host.has_extn("8bitmime"):
            # The caller's BODY does not matter: the content is not 7BIT.
            options = [each for each in options if each.partition("=")[0].upper() != "BODY"]
            options.append("BODY=8BITMIME")
    if needs_smtputf8:
        if not host.has_extn("smtputf8"):
            raise MessageError(
                f"{_what_needs_smtputf8(envelope)} requires SMTPUTF8 (RFC 6531), which {server}"
                " does not offer: use addresses whose part before the @ is ASCII."
            )
        if "SMTPUTF8" not in given:
            options.append("SMTPUTF8")
    return options


def _check_size(host: smtplib.SMTP, server: Server, envelope: Envelope, size: int) -> None:
    announced = host.esmtp_features["size"].strip()
    is_number = announced.isascii() and announced.isdecimal() and len(announced) <= _SIZE_DIGITS
    limit = int(announced) if is_number else 0
    if not limit or size <= limit:  # none, or 0: no fixed limit (RFC 1870 section 3)
        return
    refused: errors.SenderRefused = errors.SenderRefused(
        f"The message has {size} octets, but the server {server} accepts at most {limit}: make its"
        " attachments smaller, or send links to them.",
        stage="sender",
        response=f"SIZE {limit}",
    )
    # As from the reply that the server would send (RFC 1870 section 6.1).
    refused.smtp_code = 552
    refused.smtp_error = b"5.3.4 message size exceeds fixed limit"
    refused.sender = envelope.sender
    raise refused


def _what_needs_smtputf8(envelope: Envelope) -> str:
    for address in (envelope.sender, *envelope.recipients):
        if not address.isascii():
            return f"The address {address!r}"
    return "A header with an address that is not ASCII"
