"""SMTP authentication (RFC 4954). smtplib's refuses passwords that are not ASCII, leaves them in
tracebacks, and does not support tokens."""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
import sys

from ..errors import BackendUnavailable
from ..util.patterns import lazy_pattern
from ..util.secret import Secret, Token
from .deadline import DeadlinePassed
from .replies import Reply, printable
from .sasl import Login
from .setting_names import FLAT, SettingNames

# Without TLS the mechanism that does not send the password comes first.
_OVER_TLS = ("PLAIN", "LOGIN", "CRAM-MD5")
_IN_CLEAR = ("CRAM-MD5", "PLAIN", "LOGIN")
_BY_TOKEN = ("OAUTHBEARER", "XOAUTH2")

# Some servers offer what they do not support: try the next mechanism (RFC 4954 sections 4, 6).
# Any other reply is a verdict on the credentials, or on all mechanisms.
_OF_THE_MECHANISM = frozenset({500, 501, 502, 503, 504, 534, 538})
# Gmail's 534 for accounts that need an application-specific password: no mechanism would work.
# Several phrases, because redaction hides those that the secret contains.
_OF_THE_ACCOUNT = lazy_pattern(
    r"\bapplication-specific\b|\bpassword\b|\bbrowser\b|\b5\.7\.14\b", re.IGNORECASE
)
# Not every OSError: a signal handler may raise one.
_HANG_UPS = (smtplib.SMTPServerDisconnected, ConnectionError, ssl.SSLError, DeadlinePassed)


def log_in(
    host: smtplib.SMTP,
    username: str,
    secret: Secret,
    place: tuple[str, int],
    names: SettingNames = FLAT,
) -> None:
    """Log in with the first offered mechanism that the server accepts.

    Refused credentials are not tried again, because servers lock accounts after some failed logins.
    A token is only sent by mechanisms that are made for tokens.

    :param place: host and port, as the settings name them.
    :param names: the settings, for errors.
    :raises smtplib.SMTPNotSupportedError: it offers no mechanism for such a secret.
    :raises smtplib.SMTPAuthenticationError: it refused; the secret is redacted from its reply.
    :raises BackendUnavailable: the secret is a callable that failed.
    """
    of_the_program = sys.exc_info()[1]  # the error that the program was handling
    try:
        refusal = _refusal(host, username, secret, place, names)
    except BackendUnavailable:
        raise  # raised by a callable, whose author needs the frames
    except BaseException as error:  # noqa: BLE001 (raised again)
        # Cut off the frames below, whose variables may show the secret, even after a signal.
        each: BaseException | None = error
        while each is not None and each is not of_the_program:
            each.__traceback__ = None
            each = each.__context__
        raise error.with_traceback(None)  # noqa: B904 (this very error)
    if refusal is not None:
        raise smtplib.SMTPAuthenticationError(*refusal.answer)


def _refusal(
    host: smtplib.SMTP,
    username: str,
    secret: Secret,
    place: tuple[str, int],
    names: SettingNames,
) -> Reply | None:
    """Log in, and return the reply that refused it; ``None`` if it was accepted."""
    offered = printable(host.esmtp_features.get("auth", "").upper()).split()
    mechanisms = [each for each in _preferred(host, secret) if each in offered]
    if not mechanisms:
        raise smtplib.SMTPNotSupportedError(_advice(secret, " ".join(offered) or "none", names))
    login = Login(host, username, secret, place)
    first: Reply | None = None
    for mechanism in mechanisms:
        try:
            reply = login.attempt(mechanism)
        except _HANG_UPS:
            if first is None:
                raise
            return first  # why it hung up
        if login.is_judged and login.renew():
            with contextlib.suppress(*_HANG_UPS):
                reply = login.attempt(mechanism)
        if reply.code in (235, 503):  # 503: already logged in
            return None
        first = first or reply
        is_unable = reply.code in _OF_THE_MECHANISM or (login.is_cancelled and reply.refuses)
        if reply.code == 534 and _OF_THE_ACCOUNT.search(reply.text):
            is_unable = False
        if login.is_judged or not is_unable:
            return reply
    return first


def _preferred(host: smtplib.SMTP, secret: Secret) -> tuple[str, ...]:
    if isinstance(secret, Token):
        return _BY_TOKEN
    return _OVER_TLS if isinstance(host.sock, ssl.SSLSocket) else _IN_CLEAR


def _advice(secret: Secret, offered: str, names: SettingNames) -> str:
    if isinstance(secret, Token):
        token = names["oauth2_token"]
        problem = f"{token} is set, but the server offers neither OAUTHBEARER nor XOAUTH2"
        remedy = f"set {names['password']} instead of {token}"
    else:
        problem = f"{names['username']} is set, but the server offers no supported login method"
        remedy = f"remove {names['username']}"
    return (
        f"{problem} (it offers: {offered}). Many servers offer login only over TLS: set"
        f" {names['use_tls']} or {names['use_ssl']}, or {remedy}"
    )
