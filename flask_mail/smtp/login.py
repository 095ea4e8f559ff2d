"""AUTH (RFC 4954): smtplib's own refuses passwords that are not ASCII and keeps them in its frames.

A password is only ever spelled out in an expression, never in a variable, so that no traceback that
shows the variables of its frames (Sentry, pytest) shows it.
"""

from __future__ import annotations

import base64
import hmac
import smtplib
import ssl
from collections.abc import Callable

from . import errors
from .replies import Reply, printable, reply_of
from .secret import Secret

# Without TLS the mechanism that does not send the password comes first.
_OVER_TLS = ("PLAIN", "LOGIN", "CRAM-MD5")
_IN_CLEAR = ("CRAM-MD5", "PLAIN", "LOGIN")


def log_in(host: smtplib.SMTP, username: str, password: Secret) -> None:
    """Log in with the first offered mechanism that the server accepts.

    :raises smtplib.SMTPNotSupportedError: it offers none of PLAIN, LOGIN and CRAM-MD5.
    :raises smtplib.SMTPAuthenticationError: it refused; its reply is shown without the password.
    """
    offered = printable(host.esmtp_features.get("auth", "").upper()).split()
    preferred = _OVER_TLS if isinstance(host.sock, ssl.SSLSocket) else _IN_CLEAR
    mechanisms = [each for each in preferred if each in offered]
    if not mechanisms:
        raise smtplib.SMTPNotSupportedError(
            "MAIL_USERNAME is set, and it offers no login that Flask-Mail knows (it offers:"
            f" {' '.join(offered) or 'none'}). Many servers offer it only after TLS: set"
            " MAIL_USE_TLS or MAIL_USE_SSL, or remove MAIL_USERNAME"
        )
    for mechanism in mechanisms:
        reply = _MECHANISMS[mechanism](host, username, password)
        if reply.code == 334:  # it asks for more than there is to say: cancel (section 4)
            reply = _exchange(host, password, lambda: b"*")
        if reply.code in (235, 503):  # 503: already logged in
            return
        if reply.code == 421 or not reply.refuses:
            break
        # Some servers offer what they do not support: try the next one.
    raise smtplib.SMTPAuthenticationError(*reply.answer)


def _plain(host: smtplib.SMTP, username: str, password: Secret) -> Reply:
    def response() -> bytes:
        # UTF-8 (RFC 4616 section 2).
        return base64.b64encode(f"\0{username}\0{password.reveal()}".encode())

    # Sent along, it saves a round trip; servers from before RFC 4954 ask for it all the same.
    reply = _exchange(host, password, lambda: b"AUTH PLAIN " + response())
    return _exchange(host, password, response) if reply.code == 334 else reply


def _login(host: smtplib.SMTP, username: str, password: Secret) -> Reply:
    reply = _exchange(host, password, lambda: b"AUTH LOGIN")
    if reply.code == 334:
        reply = _exchange(host, password, lambda: base64.b64encode(username.encode()))
    if reply.code == 334:
        reply = _exchange(host, password, lambda: base64.b64encode(password.reveal().encode()))
    return reply


def _cram_md5(host: smtplib.SMTP, username: str, password: Secret) -> Reply:
    reply = _exchange(host, password, lambda: b"AUTH CRAM-MD5")
    if reply.code != 334:
        return reply
    try:
        challenge = base64.b64decode(reply.text, validate=True)
        # A secret too: with the challenge at hand, passwords can be tried against it.
        digest = Secret(hmac.new(password.reveal().encode(), challenge, "md5").hexdigest())
    except ValueError:  # no base64, or a Python that does without MD5
        return reply
    return _exchange(
        host, password, lambda: base64.b64encode(f"{username} {digest.reveal()}".encode())
    )


_MECHANISMS: dict[str, Callable[[smtplib.SMTP, str, Secret], Reply]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
}


def _exchange(host: smtplib.SMTP, password: Secret, line: Callable[[], bytes]) -> Reply:
    """Say a line and return the reply, without the password if that echoes it."""
    try:
        # Past smtplib's own send(), which shows the line to audit hooks.
        host.sock.sendall(line() + b"\r\n")  # type: ignore[union-attr]  # it is connected
        code, words = host.getreply()
    except BaseException as error:  # noqa: BLE001 (raised again)
        # Without the frames below this one, which have seen the line and the reply.
        hidden = errors.hidden_cause(error)
        if hidden is not None:
            hidden.__traceback__ = None
        raise error.with_traceback(None)  # noqa: B904 (this very error)
    # A challenge is not changed: it has to be answered as it is.
    text = words.decode("utf-8", "replace")
    return reply_of((code, text if code == 334 else password.redact(text)))
