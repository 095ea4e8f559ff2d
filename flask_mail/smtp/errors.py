"""Errors of SMTP, each of which is one of Flask-Mail's and one that 0.10 raised.

Programs written for 0.10 catch ``smtplib.SMTPRecipientsRefused`` or ``ConnectionRefusedError``, so
each class here derives from both. The classes are static, so that they pickle.
"""

from __future__ import annotations

import smtplib
import socket
import ssl

from ..errors import BackendUnavailable, DeliveryUnknown, MessageRefused

# Flask-Mail's class comes first: its constructor and text win over the foreign class.


class SMTPUnavailable(BackendUnavailable, smtplib.SMTPException):
    """Nothing was accepted; smtplib has no more specific class for the reason."""


class ServerDisconnected(BackendUnavailable, smtplib.SMTPServerDisconnected):
    """The connection broke before the message was complete."""


class NoAnswer(BackendUnavailable, smtplib.SMTPServerDisconnected, TimeoutError):
    """The server stopped responding before the message was complete."""


class ConnectFailed(BackendUnavailable, smtplib.SMTPConnectError):
    """The server greeted with a refusal."""


class HeloFailed(BackendUnavailable, smtplib.SMTPHeloError):
    """The server refused EHLO and HELO."""


class AuthenticationFailed(BackendUnavailable, smtplib.SMTPAuthenticationError):
    """The server refused the login."""


class NotSupported(BackendUnavailable, smtplib.SMTPNotSupportedError):
    """The server does not offer what the settings require."""


class UnexpectedReply(BackendUnavailable, smtplib.SMTPResponseException):
    """The server's reply was an error or invalid."""


class SenderDeferred(BackendUnavailable, smtplib.SMTPSenderRefused):
    """MAIL FROM got a 4xx reply, or one that the settings caused."""


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
    """No valid reply came after the last byte of the content."""


class _OfTheSystem(BackendUnavailable):
    """Base of errors that keep OSError's attributes in ``__dict__``, which is pickled."""

    errno: int | None = None
    strerror: str | None = None


class NetworkFailed(_OfTheSystem, OSError):
    """The operating system failed to connect, write or read."""


class ConnectionWasRefused(_OfTheSystem, ConnectionRefusedError):
    """No server is listening on the port."""


class ConnectionWasReset(_OfTheSystem, ConnectionResetError):
    """The peer reset the connection."""


class ConnectionWasAborted(_OfTheSystem, ConnectionAbortedError):
    """The connection was aborted on this side."""


class PipeBroke(_OfTheSystem, BrokenPipeError):
    """The peer had closed the connection when data was written."""


class TimedOut(_OfTheSystem, TimeoutError):
    """No connection was established in time."""


class NameNotResolved(_OfTheSystem, socket.gaierror):
    """The server's name could not be resolved."""


class TLSFailed(_OfTheSystem, ssl.SSLError):
    """The TLS handshake failed."""


class CertificateNotVerified(_OfTheSystem, ssl.SSLCertVerificationError):
    """The server's certificate is not trusted or is another host's."""
