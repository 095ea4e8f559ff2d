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
from .replies import Reply, reply_of
from .secret import Secret

# Without TLS the mechanism that does not send the password comes first.
_OVER_TLS = ("PLAIN", "LOGIN", "CRAM-MD5")
_IN_CLEAR = ("CRAM-MD5", "PLAIN", "LOGIN")


def log_in(host: smtplib.SMTP, username: str, password: Secret) -> None:
    """Log in with the first offered mechanism that the server accepts.

    :raises NotSupported: the server offers no AUTH, or none of PLAIN, LOGIN and CRAM-MD5.
    :raises AuthenticationFailed: it refused; its reply is shown without the password.
    """
    offered = host.esmtp_features.get("auth", "").upper().split()
    preferred = _OVER_TLS if isinstance(host.sock, ssl.SSLSocket) else _IN_CLEAR
    mechanisms = [each for each in preferred if each in offered]
    if not mechanisms:
        raise errors.NotSupported(
            "MAIL_USERNAME is set, but the server offers no login that Flask-Mail knows (it offers:"
            f" {' '.join(offered) or 'none'}). Many servers offer it only after TLS: set"
            " MAIL_USE_TLS or MAIL_USE_SSL, or remove MAIL_USERNAME.",
            stage="login",
        )
    reply = Reply(0, "")
    for mechanism in mechanisms:
        reply = _MECHANISMS[mechanism](host, username, password)
        # 503: already logged in. Some servers offer what they do not support: try the next.
        if reply.code in (235, 503):
            return
    text = password.redact(reply.text)
    raise errors.AuthenticationFailed(
        f"The server refused the login (MAIL_USERNAME, MAIL_PASSWORD): {reply.code} {text}",
        stage="login",
        response=f"{reply.code} {text}",
    )


def _plain(host: smtplib.SMTP, username: str, password: Secret) -> Reply:
    # The initial response saves a round trip; the encoding is UTF-8 (RFC 4616 section 2).
    return _exchange(
        host, lambda: b"AUTH PLAIN " + _base64(f"\0{username}\0{password.reveal()}".encode())
    )


def _login(host: smtplib.SMTP, username: str, password: Secret) -> Reply:
    reply = _exchange(host, lambda: b"AUTH LOGIN")
    if reply.code == 334:
        reply = _exchange(host, lambda: _base64(username.encode()))
    if reply.code == 334:
        reply = _exchange(host, lambda: _base64(password.reveal().encode()))
    return reply


def _cram_md5(host: smtplib.SMTP, username: str, password: Secret) -> Reply:
    reply = _exchange(host, lambda: b"AUTH CRAM-MD5")
    if reply.code != 334:
        return reply
    try:
        challenge = base64.b64decode(reply.text, validate=True)
    except ValueError:
        return _exchange(host, lambda: b"*")  # cancels (RFC 4954 section 4)

    def answer() -> bytes:
        digest = hmac.new(password.reveal().encode(), challenge, "md5").hexdigest()
        return _base64(f"{username} {digest}".encode())

    return _exchange(host, answer)


_MECHANISMS: dict[str, Callable[[smtplib.SMTP, str, Secret], Reply]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
}


def _base64(octets: bytes) -> bytes:
    return base64.b64encode(octets)


def _exchange(host: smtplib.SMTP, line: Callable[[], bytes]) -> Reply:
    # Past smtplib's own send(), whose frame would keep the line.
    try:
        host.sock.sendall(line() + b"\r\n")  # type: ignore[union-attr]  # it is connected
        return reply_of(host.getreply())
    except OSError as error:
        # Without its traceback: the frames below this one saw the server's words.
        problem = error.with_traceback(None)
    raise problem
