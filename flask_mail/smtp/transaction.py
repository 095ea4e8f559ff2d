"""One mail transaction (RFC 5321 section 3.3), step by step.

Where it fails decides what became of the message; :meth:`smtplib.SMTP.sendmail` does not tell.
"""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import DeliveryError, MessageError
from . import errors
from .client import Server, drop
from .replies import Reply, reply_of

if TYPE_CHECKING:
    from ..outgoing import Envelope, Refusal

_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


def transact(
    host: smtplib.SMTP, server: Server, envelope: Envelope, content: bytes
) -> tuple[Reply, dict[str, Refusal]]:
    """Send one message and return the final reply and the recipients that were refused.

    :param content: lines that end in CRLF.
    :raises MessageError: a local part needs SMTPUTF8 and the server does not offer it.
    :raises DeliveryError: from the table in :mod:`flask_mail.smtp.errors`. After a refusal the
        connection can be used again; after anything else it is closed.
    """
    if envelope.needs_smtputf8 and not host.has_extn("smtputf8"):
        needing = next(
            each for each in (envelope.sender, *envelope.recipients) if not each.isascii()
        )
        raise MessageError(
            f"The address {needing!r} needs a server that offers SMTPUTF8 (RFC 6531), and {server}"
            " does not: use an address whose part before the @ is ASCII."
        )
    with _closing_on_error(host):
        with _before_the_end(server, "sender"):
            _mail(host, server, envelope, content)
        with _before_the_end(server, "recipient"):
            refused = _rcpt(host, server, envelope)
        with _before_the_end(server, "data"):
            _data(host, server, content)
        return _accept(host, server), refused


def _mail(host: smtplib.SMTP, server: Server, envelope: Envelope, content: bytes) -> None:
    options = _options(host, envelope, content)
    if envelope.needs_smtputf8:
        host.command_encoding = "utf-8"
    reply = _command(host, server, "sender", f"MAIL FROM:<{envelope.sender}>{options}")
    if reply.code != 250:
        _reset(host, reply)
        raise errors.refusal(
            errors.SenderDeferred, f"The server {server} refused the sender", "sender", reply
        )


def _options(host: smtplib.SMTP, envelope: Envelope, content: bytes) -> str:
    if not host.does_esmtp:
        return ""
    options = list(envelope.mail_options)
    given = {option.partition("=")[0].upper() for option in options}
    if host.has_extn("size") and "SIZE" not in given:
        options.insert(0, f"SIZE={len(content)}")
    if not content.isascii() and host.has_extn("8bitmime") and "BODY" not in given:
        options.append("BODY=8BITMIME")
    if envelope.needs_smtputf8 and "SMTPUTF8" not in given:
        options.append("SMTPUTF8")
    return "".join(f" {option}" for option in options)


def _rcpt(host: smtplib.SMTP, server: Server, envelope: Envelope) -> dict[str, Refusal]:
    options = "".join(f" {option}" for option in envelope.rcpt_options) if host.does_esmtp else ""
    refused: dict[str, Refusal] = {}
    reply = Reply(0, "")
    for recipient in envelope.recipients:
        reply = _command(host, server, "recipient", f"RCPT TO:<{recipient}>{options}")
        if reply.code not in (250, 251):
            refused[recipient] = reply.refusal
        if reply.code == 421:
            break
    if reply.code == 421 or len(refused) == len(envelope.recipients):
        _reset(host, reply)
        raise errors.recipients_refused(str(server), refused)
    return refused


def _data(host: smtplib.SMTP, server: Server, content: bytes) -> None:
    reply = _command(host, server, "data", "DATA")
    if reply.code != 354:
        _reset(host, reply)
        raise errors.refusal(
            errors.DataDeferred, f"The server {server} refused the message", "data", reply
        )
    host.send(_stuffed(content))


def _accept(host: smtplib.SMTP, server: Server) -> Reply:
    host.command_encoding = "ascii"
    try:
        reply = reply_of(host.getreply())
    except OSError as error:
        drop(host)
        raise errors.AcceptanceUnknown(
            f"The connection to {server} broke after the message was sent and before it was"
            f" answered ({error}): it may have been delivered. Look before you send it again.",
            stage="accept",
        ) from error
    server.trace("accept", reply)
    if reply.code == 250:
        return reply
    if not 400 <= reply.code < 600:
        drop(host)
        raise errors.AcceptanceUnknown(
            f"The server {server} answered the message with what is no answer ({reply}): it may"
            " have been delivered. Look before you send it again.",
            stage="accept",
            response=str(reply),
        )
    _reset(host, reply)
    raise errors.refusal(
        errors.DataDeferred, f"The server {server} refused the message", "accept", reply
    )


def _stuffed(content: bytes) -> bytes:
    """Return the content for DATA: dots stuffed, ended by a dot (RFC 5321 section 4.5.2)."""
    stuffed = _LEADING_DOT.sub(b"..", content)
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


def _command(host: smtplib.SMTP, server: Server, stage: str, line: str) -> Reply:
    host.putcmd(line)
    reply = reply_of(host.getreply())
    server.trace(stage, reply)
    return reply


def _reset(host: smtplib.SMTP, reply: Reply) -> None:
    """Make the connection ready for the next message, or close it if it is of no use any more."""
    if 400 <= reply.code < 600 and reply.code != 421:
        try:
            host.rset()
        except OSError:
            drop(host)
    else:
        drop(host)


@contextmanager
def _before_the_end(server: Server, stage: str) -> Iterator[None]:
    """Turn what breaks before the last byte of the message into NOT_SENT."""
    try:
        yield
    except DeliveryError:
        raise
    except OSError as error:
        raise errors.failure(error, stage, str(server)) from error


@contextmanager
def _closing_on_error(host: smtplib.SMTP) -> Iterator[None]:
    """Close at once on anything but a refusal, such as KeyboardInterrupt or a worker's time-out."""
    try:
        yield
    except DeliveryError as error:
        if not error.response:
            drop(host)
        raise
    except BaseException:
        drop(host)
        raise
