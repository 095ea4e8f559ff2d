"""AUTH (RFC 4954): smtplib's own refuses passwords that are not ASCII, keeps them in its frames,
and knows no tokens."""

from __future__ import annotations

import contextlib
import smtplib
import ssl

from ..secret import Secret, Token
from .mechanisms import Login
from .replies import printable

# Without TLS the mechanism that does not send the password comes first.
_OVER_TLS = ("PLAIN", "LOGIN", "CRAM-MD5")
_IN_CLEAR = ("CRAM-MD5", "PLAIN", "LOGIN")
_BY_TOKEN = ("OAUTHBEARER", "XOAUTH2")


def log_in(host: smtplib.SMTP, username: str, secret: Secret, place: tuple[str, int]) -> None:
    """Log in with the first offered mechanism that the server accepts.

    A token is only shown to mechanisms that are made for tokens.

    :param place: host and port, as the settings name them.
    :raises smtplib.SMTPNotSupportedError: it offers no mechanism for such a secret.
    :raises smtplib.SMTPAuthenticationError: it refused; its reply is shown without the secret.
    :raises BackendUnavailable: the secret is a callable, and failed.
    """
    offered = printable(host.esmtp_features.get("auth", "").upper()).split()
    mechanisms = [each for each in _preferred(host, secret) if each in offered]
    if not mechanisms:
        raise smtplib.SMTPNotSupportedError(_advice(secret, " ".join(offered) or "none"))
    login = Login(host, username, secret, place)
    for mechanism in mechanisms:
        reply = login.attempt(mechanism)
        is_judged = login.is_judged
        if is_judged and login.renew():
            with contextlib.suppress(OSError):  # it hung up on its refusal, which is what counts
                reply = login.attempt(mechanism)
        if reply.code in (235, 503):  # 503: already logged in
            return
        if is_judged or reply.code == 421 or not reply.refuses:
            break
        # Some servers offer what they do not support: try the next one.
    raise smtplib.SMTPAuthenticationError(*reply.answer)


def _preferred(host: smtplib.SMTP, secret: Secret) -> tuple[str, ...]:
    if isinstance(secret, Token):
        return _BY_TOKEN
    return _OVER_TLS if isinstance(host.sock, ssl.SSLSocket) else _IN_CLEAR


def _advice(secret: Secret, offered: str) -> str:
    if isinstance(secret, Token):
        problem = "MAIL_OAUTH2_TOKEN is set, and it offers neither OAUTHBEARER nor XOAUTH2"
        remedy = "set MAIL_PASSWORD in place of MAIL_OAUTH2_TOKEN"
    else:
        problem = "MAIL_USERNAME is set, and it offers no login that Flask-Mail knows"
        remedy = "remove MAIL_USERNAME"
    return (
        f"{problem} (it offers: {offered}). Many servers offer it only after TLS: set"
        f" MAIL_USE_TLS or MAIL_USE_SSL, or {remedy}"
    )
