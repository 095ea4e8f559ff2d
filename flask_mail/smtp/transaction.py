"""One mail transaction (RFC 5321 section 3.3), step by step.

Where it fails decides what became of the message; :meth:`smtplib.SMTP.sendmail` does not tell.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..errors import MessageError
from . import errors
from .client import Server, drop
from .replies import Reply, reply_of

if TYPE_CHECKING:
    from ..outgoing import Envelope, Refusal

# Where 250 is expected, any 25z does (RFC 5321 section 4.2.1: the first two digits decide); 354
# answers DATA.
_OK = range(250, 260)
_GO_AHEAD = range(354, 355)
_REFUSALS = (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)


def transact(
    host: smtplib.SMTP, server: Server, envelope: Envelope, content: bytes
) -> tuple[Reply, dict[str, Refusal]]:
    """Send one message and return the final reply and the recipients that were refused.

    :param content: lines that end in CRLF.
    :raises MessageError: it needs what the server does not offer.
    :raises DeliveryError: from the table in :mod:`flask_mail.smtp.errors`. After a refusal the
        connection can be used again; after anything else it is closed.
    """
    with _at("greeting", host, server):
        host.ehlo_or_helo_if_needed()  # a session that a program has opened itself
    options = _mail_options(host, server, envelope, content)
    with _at("sender", host, server):
        host.command_encoding = "utf-8" if envelope.needs_smtputf8 else "ascii"
        reply = _command(host, server, "sender", f"MAIL FROM:<{envelope.sender}>{_join(options)}")
        if reply.refuses:
            raise smtplib.SMTPSenderRefused(*reply.answer, envelope.sender)
    with _at("recipient", host, server):
        refused = _recipients(host, server, envelope)
    with _at("data", host, server):
        reply = _command(host, server, "data", "DATA", _GO_AHEAD)
        if reply.refuses:
            raise smtplib.SMTPDataError(*reply.answer)
        host.send(_stuffed(content))
    with _at("accept", host, server):
        reply = _answer(host, server, "accept", _OK)
        if reply.refuses:
            raise smtplib.SMTPDataError(*reply.answer)
    return reply, refused


def _mail_options(
    host: smtplib.SMTP, server: Server, envelope: Envelope, content: bytes
) -> list[str]:
    """Return the options of MAIL: the caller's own, and what the message needs.

    :raises MessageError: the server does not offer what it needs.
    """
    options = list(envelope.mail_options)
    if not host.does_esmtp and (options or envelope.rcpt_options):
        raise MessageError(
            f"The mail_options and rcpt_options need a server with EHLO, and {server} has only"
            " HELO: leave them out."
        )
    if b"\0" in content:
        raise MessageError("The content holds a NUL, which is never sent raw (RFC 5321 4.5.2).")
    given = {option.partition("=")[0].upper() for option in options}
    if host.has_extn("size") and "SIZE" not in given:
        options.insert(0, f"SIZE={len(content)}")
    needs_smtputf8 = envelope.needs_smtputf8
    if not content.isascii():
        header, _, body = content.partition(b"\r\n\r\n")
        needs_smtputf8 = needs_smtputf8 or not header.isascii()
        if host.has_extn("8bitmime"):
            # Whatever the caller says it is: it is not 7BIT.
            options = [each for each in options if each.partition("=")[0].upper() != "BODY"]
            options.append("BODY=8BITMIME")
        elif not body.isascii():
            raise MessageError(
                "The content is not ASCII, which needs a server that offers 8BITMIME (RFC 6152),"
                f" and {server} does not: encode it in base64 or quoted-printable."
            )
    if needs_smtputf8:
        if not host.has_extn("smtputf8"):
            raise MessageError(
                f"{_what_needs_smtputf8(envelope)} needs a server that offers SMTPUTF8 (RFC 6531),"
                f" and {server} does not: use addresses whose part before the @ is ASCII."
            )
        if "SMTPUTF8" not in given:
            options.append("SMTPUTF8")
    return options


def _what_needs_smtputf8(envelope: Envelope) -> str:
    for address in (envelope.sender, *envelope.recipients):
        if not address.isascii():
            return f"The address {address!r}"
    return "A header with an address that is not ASCII"


def _recipients(host: smtplib.SMTP, server: Server, envelope: Envelope) -> dict[str, Refusal]:
    options = _join(envelope.rcpt_options)
    refused: dict[str, Reply] = {}
    for recipient in envelope.recipients:
        reply = _command(host, server, "recipient", f"RCPT TO:<{recipient}>{options}")
        if reply.refuses:
            refused[recipient] = reply
        if reply.code == 421:
            break
    if host.sock is None or len(refused) == len(envelope.recipients):
        raise smtplib.SMTPRecipientsRefused({each: reply.answer for each, reply in refused.items()})
    return {each: reply.refusal for each, reply in refused.items()}


def _command(
    host: smtplib.SMTP, server: Server, stage: str, line: str, expected: range = _OK
) -> Reply:
    host.putcmd(line)
    return _answer(host, server, stage, expected)


def _answer(host: smtplib.SMTP, server: Server, stage: str, expected: range) -> Reply:
    """Read a reply that is one of those expected, or says no; closes after 421."""
    reply = reply_of(host.getreply())
    server.trace(stage, reply)
    if reply.code == 421:
        drop(host)
    if reply.code not in expected and not reply.refuses:
        raise smtplib.SMTPResponseException(*reply.answer)
    return reply


@contextmanager
def _at(stage: str, host: smtplib.SMTP, server: Server) -> Iterator[None]:
    """Turn what fails at `stage` into our error, and leave the connection usable or closed."""
    try:
        yield
    except _REFUSALS as error:
        _reset(host)
        raise errors.failure(error, stage, str(server)) from error
    except OSError as error:
        drop(host)
        raise errors.failure(error, stage, str(server)) from error
    except BaseException:  # KeyboardInterrupt, a worker's time-out: there is no time to talk
        drop(host)
        raise


def _reset(host: smtplib.SMTP) -> None:
    """Make the connection ready for the next message, or close it where it is not."""
    is_ready = False
    try:
        with suppress(OSError):
            is_ready = host.docmd("RSET")[0] == 250
    finally:
        if not is_ready:
            drop(host)


def _stuffed(content: bytes) -> bytes:
    """Return the content for DATA: dots stuffed, ended by a dot (RFC 5321 section 4.5.2)."""
    # Also after a bare LF, which some servers take for a line end: nobody smuggles an end of DATA.
    stuffed = content.replace(b"\n.", b"\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


def _join(options: Sequence[str]) -> str:
    return "".join(f" {option}" for option in options)
