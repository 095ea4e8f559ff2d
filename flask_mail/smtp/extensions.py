"""What a message needs of a server, and what the server offers (RFC 5321 section 2.2)."""

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
    """Return content as the server takes it: in seven bits where it does not offer 8BITMIME."""
    literal = content if isinstance(content, bytes) else content.literal
    if literal.isascii() or host.has_extn("8bitmime"):
        return content
    from ..mime.seven_bit import in_seven_bits

    return in_seven_bits(bytes(content))


def mail_options(
    host: smtplib.SMTP, server: Server, envelope: Envelope, content: bytes | Content
) -> list[str]:
    """Return the options of MAIL: the caller's own, and what the message needs.

    :raises MessageError: the server does not offer what it needs.
    :raises MessageRefused: it is larger than the server takes.
    """
    options = list(envelope.mail_options)
    if not host.does_esmtp and (options or envelope.rcpt_options):
        raise MessageError(
            f"The mail_options and rcpt_options need a server with EHLO, and {server} has only"
            " HELO: leave them out."
        )
    # Whatever is not base64.
    literal = content if isinstance(content, bytes) else content.literal
    if b"\0" in literal:
        raise MessageError("The content holds a NUL, which is never sent raw (RFC 5321 4.5.2).")
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
            # Whatever the caller says it is: it is not 7BIT.
            options = [each for each in options if each.partition("=")[0].upper() != "BODY"]
            options.append("BODY=8BITMIME")
    if needs_smtputf8:
        if not host.has_extn("smtputf8"):
            raise MessageError(
                f"{_what_needs_smtputf8(envelope)} needs a server that offers SMTPUTF8 (RFC 6531),"
                f" and {server} does not: use addresses whose part before the @ is ASCII."
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
        f"The message has {size} octets, and the server {server} takes {limit} at most:"
        " make its attachments smaller, or send links to them.",
        stage="sender",
        response=f"SIZE {limit}",
    )
    # What programs read from the reply that the server would give (RFC 1870 section 6.1).
    refused.smtp_code = 552
    refused.smtp_error = b"5.3.4 message size exceeds fixed limit"
    refused.sender = envelope.sender
    raise refused


def _what_needs_smtputf8(envelope: Envelope) -> str:
    for address in (envelope.sender, *envelope.recipients):
        if not address.isascii():
            return f"The address {address!r}"
    return "A header with an address that is not ASCII"
