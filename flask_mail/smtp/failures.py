"""Map errors of smtplib and the operating system to Flask-Mail's."""

from __future__ import annotations

import smtplib
import socket
import ssl
from typing import Any

from ..errors import DeliveryError
from ..receipt import Refusal
from .deadline import DeadlinePassed
from .errors import (
    AcceptanceUnknown,
    AuthenticationFailed,
    CertificateNotVerified,
    ConnectFailed,
    ConnectionWasAborted,
    ConnectionWasRefused,
    ConnectionWasReset,
    DataDeferred,
    DataRefused,
    HeloFailed,
    NameNotResolved,
    NetworkFailed,
    NoAnswer,
    NotSupported,
    PipeBroke,
    RecipientsDeferred,
    RecipientsRefused,
    SenderDeferred,
    SenderRefused,
    ServerDisconnected,
    SMTPUnavailable,
    TimedOut,
    TLSFailed,
    UnexpectedReply,
)
from .replies import Reply, reply_of
from .setting_names import FLAT, SettingNames

# The first match wins, so subclasses come before their bases.
TABLE: tuple[tuple[type[Exception], type[DeliveryError]], ...] = (
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
    (ValueError, NetworkFailed),  # a server name that is not a valid host name
)

# Classes for a 5xx reply, which judges the message itself.
_JUDGED: dict[type[DeliveryError], type[DeliveryError]] = {
    SenderDeferred: SenderRefused,
    RecipientsDeferred: RecipientsRefused,
    DataDeferred: DataRefused,
}

# Errors that prove that the message was not accepted, even from a replaced sendmail().
_PROOFS = (
    ConnectFailed,
    HeloFailed,
    AuthenticationFailed,
    NotSupported,
    SenderDeferred,
    RecipientsDeferred,
    NameNotResolved,
    ConnectionWasRefused,
)

# Attributes that programs read from errors of smtplib and the operating system.
_ATTRIBUTES = (
    "errno",
    "strerror",
    "smtp_code",
    "smtp_error",
    "sender",
    "recipients",
    "library",
    "reason",
    "verify_code",
    "verify_message",
)

_REFUSED: dict[type[DeliveryError], str] = {
    ConnectFailed: "refused the connection",
    HeloFailed: "refused the greeting ({local_hostname})",
    AuthenticationFailed: "refused the login ({username}, {password} or {oauth2_token})",
    SenderDeferred: "refused the sender",
    RecipientsDeferred: "refused every recipient",
    DataDeferred: "refused the message",
    UnexpectedReply: "sent an unexpected reply",
}
_BROKEN = {
    "connect": "Could not connect to",
    "greeting": "No valid greeting from",
    "tls": "No TLS connection to",
    "login": "Could not log in to",
    "sender": "Nothing was sent: the connection failed before the sender was accepted by",
    "recipient": "Nothing was sent: the connection failed before the recipients were accepted by",
    "data": "Nothing was accepted: the connection failed before the message was complete, with",
    "accept": "Nothing was accepted by",
}


def class_for(error: Exception, stage: str = "connect") -> type[DeliveryError]:
    """Return our class for a foreign error.

    :param stage: as in :class:`DeliveryError`; "accept" from the last byte of the message on, or
        if it may have been sent.
    """
    kind = _row(error)
    replies = _replies(error)
    # 421 may come unasked, so it does not answer the content.
    is_no = kind is DataDeferred and all(each.refuses and each.code != 421 for each in replies)
    if stage == "accept" and not is_no and kind not in _PROOFS:
        return AcceptanceUnknown
    is_late = isinstance(hidden_cause(error) or error, TimeoutError)
    if is_late and (kind is ServerDisconnected or stage != "connect"):
        return NoAnswer
    # 421: the server hung up, without judging the remaining recipients.
    if kind not in _JUDGED or any(each.code == 421 for each in replies):
        return kind
    return _JUDGED[kind] if _judgements(error) else kind


def failure(
    error: Exception,
    stage: str,
    server: str,
    names: SettingNames = FLAT,
    *,
    knows_tls: bool = False,
) -> DeliveryError:
    """Return our error for a foreign one, with the attributes of that.

    :param stage: as for :func:`class_for`.
    :param names: the settings, for the text.
    :param knows_tls: True if ``use_ssl`` is known to be right, so the error does not suggest it.
    """
    kind = class_for(error, stage)
    refused = refusals(getattr(error, "recipients", None))
    decisive = _decisive(error, kind)
    reply = str(decisive) if decisive else ""
    cause = hidden_cause(error) or error
    reason = (reply or str(cause) or type(error).__name__).rstrip(".")
    if kind is AcceptanceUnknown:
        sentence = (
            f"The server {server} sent no valid reply to the message ({reason}), so it may have"
            " been delivered: check before you send it again."
        )
    elif decisive:
        refused_what = _REFUSED[_row(error)].format_map(names)
        sentence = f"The server {server} {refused_what}: {reason}"
        if decisive.advice and (kind is not AuthenticationFailed or decisive.code in (530, 538)):
            sentence += f". {decisive.advice.format_map(names)}"
        later = sum(each.temporary for each in refused.values())
        if kind is RecipientsRefused and later:
            sentence += (
                f". {later} of {len(refused)} recipients may be accepted later: send the message to"
                " these again"
            )
    else:
        advice = _advice(cause, stage, knows_tls).format_map(names)
        sentence = f"{_BROKEN[stage]} {server}: {reason}. {advice}".rstrip()
    made: Any = kind(sentence, stage=stage, response=reply, refused=refused)
    for name in _ATTRIBUTES:
        value = getattr(error, name, None)
        if value is not None:
            setattr(made, name, value)
    return made  # type: ignore[no-any-return]


def refusals(replies: object) -> dict[str, Refusal]:
    """Return the refused recipients from smtplib's dict; empty if a mock gave anything else."""
    if not isinstance(replies, dict):
        return {}
    return {address: reply_of(answer).refusal for address, answer in replies.items()}


def _row(error: Exception) -> type[DeliveryError]:
    return next(ours for theirs, ours in TABLE if isinstance(error, theirs))


def hidden_cause(error: BaseException) -> OSError | None:
    """Return the operating system's error that smtplib hides behind one of its own."""
    hidden = error.__context__
    if not isinstance(error, smtplib.SMTPServerDisconnected) or not isinstance(hidden, OSError):
        return None
    # Not the error that the program was handling, such as one that it reports by mail.
    trace = hidden.__traceback__
    is_smtplibs = trace is None or trace.tb_frame.f_globals is vars(smtplib)
    return hidden if is_smtplibs else None


def _replies(error: Exception) -> list[Reply]:
    if isinstance(error, smtplib.SMTPResponseException):
        return [reply_of((error.smtp_code, error.smtp_error))]
    recipients = getattr(error, "recipients", None)
    return [reply_of(each) for each in recipients.values()] if isinstance(recipients, dict) else []


def _decisive(error: Exception, kind: type[DeliveryError]) -> Reply | None:
    """Return the reply that caused the error, if any."""
    replies = _judgements(error) if kind is RecipientsRefused else _replies(error)[-1:]
    return replies[0] if replies else None


def _judgements(error: Exception) -> list[Reply]:
    """Return the replies that refuse the message permanently."""
    is_recipients = isinstance(error, smtplib.SMTPRecipientsRefused)
    return [
        each
        for each in _replies(error)
        if 500 <= each.code < 600
        and not each.advice
        # At RCPT, 552 means 452 (RFC 5321 section 4.5.3.1.10).
        and not (is_recipients and each.code == 552 and each.is_too_many)
    ]


def _advice(cause: Exception, stage: str, knows_tls: bool) -> str:
    """Return advice, with options in place of their settings."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            "For a server of your own, set {tls_ca_file} to the certificate (PEM) of the authority"
            " that signed the server's, and {server} to a name in that. With {tls_verify} off,"
            " any certificate is accepted, even an attacker's."
        )
    if isinstance(cause, ssl.SSLError):
        return (
            "Ports that start without TLS, such as 25 and 587, need {use_tls}; those that start"
            " with TLS, such as 465, need {use_ssl}; a server that asks for a client certificate"
            " needs {tls_cert_file}."
        )
    if isinstance(cause, ValueError | socket.gaierror):
        return "Check {server}."
    if isinstance(cause, ConnectionRefusedError):
        return (
            "Is a mail server running there? Check {server} and {port}, or set"
            ' {backend}="console" for development.'
        )
    advice = ""
    if isinstance(cause, DeadlinePassed):
        advice = "{deadline} has passed. "
    elif isinstance(cause, TimeoutError):
        advice = "The server did not answer within {timeout}. "
    # A server that restarts resets connections, too.
    if stage == "greeting" and not knows_tls and not isinstance(cause, ConnectionError):
        advice += "If the port starts with TLS, such as 465, set {use_ssl}."
    return advice


def is_own_deadline(error: BaseException) -> bool:
    """Return True if one message's own deadline passed while a connection was opened."""
    cause = error.__cause__
    return isinstance((cause and hidden_cause(cause)) or cause, DeadlinePassed)
