"""The error table: what smtplib and the operating system raise -> our errors.

Programs written for 0.10 catch ``smtplib.SMTPRecipientsRefused`` or ``ConnectionRefusedError``, so
each error here is one of ours and one of theirs. The classes are static, so that they pickle.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import BackendUnavailable, DeliveryError, DeliveryUnknown, MessageRefused
from .replies import Reply, reply_of

if TYPE_CHECKING:
    from ..outgoing import Refusal

# The foreign classes come second: theirs are the attributes, ours the constructor and the text.


class SMTPUnavailable(BackendUnavailable, smtplib.SMTPException):
    """Nothing was accepted; smtplib has no closer name for the reason."""


class ServerDisconnected(BackendUnavailable, smtplib.SMTPServerDisconnected):
    """The link broke before the message was complete."""


class ConnectFailed(BackendUnavailable, smtplib.SMTPConnectError):
    """The server greeted with a refusal."""


class HeloFailed(BackendUnavailable, smtplib.SMTPHeloError):
    """The server refused EHLO and HELO."""


class AuthenticationFailed(BackendUnavailable, smtplib.SMTPAuthenticationError):
    """The server refused the login."""


class NotSupported(BackendUnavailable, smtplib.SMTPNotSupportedError):
    """The server does not offer what the settings demand."""


class UnexpectedReply(BackendUnavailable, smtplib.SMTPResponseException):
    """The server's reply was an error or none of the protocol's."""


class SenderDeferred(BackendUnavailable, smtplib.SMTPSenderRefused):
    """MAIL FROM got a 4xx reply."""


class SenderRefused(MessageRefused, smtplib.SMTPSenderRefused):
    """MAIL FROM got a 5xx reply."""


class RecipientsDeferred(BackendUnavailable, smtplib.SMTPRecipientsRefused):
    """Every recipient was refused, each with a 4xx reply."""


class RecipientsRefused(MessageRefused, smtplib.SMTPRecipientsRefused):
    """Every recipient was refused, at least one with a 5xx reply."""


class DataDeferred(BackendUnavailable, smtplib.SMTPDataError):
    """The content got a 4xx reply."""


class DataRefused(MessageRefused, smtplib.SMTPDataError):
    """The content got a 5xx reply."""


class AcceptanceUnknown(DeliveryUnknown, smtplib.SMTPServerDisconnected):
    """The link broke between the last byte of the content and the reply."""


class NetworkFailed(BackendUnavailable, OSError):
    """The operating system failed to connect, write or read."""


class ConnectionWasRefused(BackendUnavailable, ConnectionRefusedError):
    """Nothing listens at the server's port."""


class ConnectionWasReset(BackendUnavailable, ConnectionResetError):
    """The peer reset the connection."""


class ConnectionWasAborted(BackendUnavailable, ConnectionAbortedError):
    """The connection was aborted on this side."""


class PipeBroke(BackendUnavailable, BrokenPipeError):
    """The peer was gone when something was written."""


class TimedOut(BackendUnavailable, TimeoutError):
    """The server did not answer in time."""


class NameNotResolved(BackendUnavailable, socket.gaierror):
    """The server's name has no address."""


class TLSFailed(BackendUnavailable, ssl.SSLError):
    """The TLS handshake failed."""


class CertificateNotVerified(BackendUnavailable, ssl.SSLCertVerificationError):
    """The server's certificate is not trusted or is another host's."""


# The first class that fits decides, so the closer one stands first.
TABLE: tuple[tuple[type[BaseException], type[DeliveryError]], ...] = (
    (smtplib.SMTPServerDisconnected, ServerDisconnected),
    (smtplib.SMTPConnectError, ConnectFailed),
    (smtplib.SMTPHeloError, HeloFailed),
    (smtplib.SMTPAuthenticationError, AuthenticationFailed),
    (smtplib.SMTPNotSupportedError, NotSupported),
    (smtplib.SMTPSenderRefused, SenderDeferred),
    (smtplib.SMTPRecipientsRefused, RecipientsDeferred),
    (smtplib.SMTPDataError, DataDeferred),
    (smtplib.SMTPResponseException, UnexpectedReply),
    (smtplib.SMTPException, SMTPUnavailable),
    (ssl.SSLCertVerificationError, CertificateNotVerified),
    (ssl.SSLError, TLSFailed),
    (socket.gaierror, NameNotResolved),
    (ConnectionRefusedError, ConnectionWasRefused),
    (ConnectionResetError, ConnectionWasReset),
    (ConnectionAbortedError, ConnectionWasAborted),
    (BrokenPipeError, PipeBroke),
    (TimeoutError, TimedOut),
    (OSError, NetworkFailed),
    (UnicodeError, NetworkFailed),  # a server name that is no host name
)

# Where a 5xx reply judges the message itself.
_JUDGED: dict[type[DeliveryError], type[DeliveryError]] = {
    SenderDeferred: SenderRefused,
    RecipientsDeferred: RecipientsRefused,
    DataDeferred: DataRefused,
}


def class_for(error: BaseException) -> type[DeliveryError]:
    """Return our class for a foreign error that says no or broke the link before acceptance."""
    return next(ours for theirs, ours in TABLE if isinstance(error, theirs))


def refusal(
    deferred: type[DeliveryError], sentence: str, stage: str, reply: Reply
) -> DeliveryError:
    """Return the error for a reply that says no: `deferred`, or its counterpart for 5xx."""
    kind = _JUDGED[deferred] if 500 <= reply.code < 600 else deferred
    error: Any = kind(f"{sentence}: {reply}", stage=stage, response=str(reply))
    # What programs read from smtplib.SMTPResponseException.
    error.smtp_code, error.smtp_error = reply.code, reply.text.encode()
    return error  # type: ignore[no-any-return]


def recipients_refused(server: str, refused: Mapping[str, Refusal]) -> DeliveryError:
    """Return the error for a message of which no recipient was accepted.

    It is worth another attempt only if every reply is 4xx.
    """
    last = list(refused.values())[-1]
    replies = {
        address: (each.code, f"{each.enhanced} {each.text}".strip().encode())
        for address, each in refused.items()
    }
    permanent = any(500 <= each.code < 600 for each in refused.values())
    kind = RecipientsRefused if permanent else RecipientsDeferred
    response = f"{last.code} {last.enhanced} {last.text}"
    shown = ", ".join(list(refused)[:3]) + (", ..." if len(refused) > 3 else "")
    error: Any = kind(
        f"The server {server} refused every recipient ({shown}): {response}",
        stage="recipient",
        response=response,
        refused=refused,
    )
    error.recipients = replies  # what programs read from smtplib.SMTPRecipientsRefused
    return error  # type: ignore[no-any-return]


_SENTENCES = {
    "connect": "No connection to",
    "greeting": "No usable greeting from",
    "tls": "No TLS with",
    "login": "No login at",
    "sender": "Nothing was sent: the link broke at the sender, with",
    "recipient": "Nothing was sent: the link broke at the recipients, with",
    "data": "Nothing was accepted: the link broke before the message was complete, with",
}


def failure(error: BaseException, stage: str, server: str) -> DeliveryError:
    """Return our error for a foreign one that came before the message was complete."""
    reply = ""
    if isinstance(error, smtplib.SMTPResponseException):
        reply = f"{error.smtp_code} {words(error.smtp_error)}".strip()
    reason = reply or str(error) or type(error).__name__
    made: Any = class_for(error)(
        f"{_SENTENCES[stage]} {server}: {reason}. {_advice(error, stage)}".rstrip(),
        stage=stage,
        response=reply,
    )
    for name in ("errno", "smtp_code", "smtp_error"):
        if hasattr(error, name):
            setattr(made, name, getattr(error, name))
    return made  # type: ignore[no-any-return]


def words(text: str | bytes) -> str:
    """Return a server's words, which smtplib gives as bytes or str, fit for a log."""
    return reply_of((0, text if isinstance(text, bytes) else text.encode())).text


def _advice(error: BaseException, stage: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            "If the server is yours, set MAIL_TLS_CA_FILE to the certificate (PEM) of the authority"
            " that signed its own, and MAIL_SERVER to a name in it; MAIL_TLS_VERIFY=False trusts"
            " anybody in between."
        )
    if isinstance(error, ssl.SSLError):
        return (
            "A port that starts in clear, such as 25 and 587, needs MAIL_USE_TLS; one that speaks"
            " TLS at once, such as 465, needs MAIL_USE_SSL."
        )
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "It did not answer within MAIL_TIMEOUT."
    if isinstance(error, socket.gaierror | UnicodeError):
        return "Check MAIL_SERVER."
    if isinstance(error, ConnectionRefusedError):
        return "Check that it runs there (MAIL_SERVER, MAIL_PORT)."
    if stage in ("connect", "greeting"):
        return "If the port speaks TLS at once, such as 465, set MAIL_USE_SSL."
    return ""
