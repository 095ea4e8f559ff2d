"""SASL mechanisms for AUTH (RFC 4954).

A secret is only revealed in expressions, never in a variable, so that tracebacks with variables
(Sentry, pytest) do not show it. :func:`flask_mail.smtp.auth.log_in` cuts off the frames of
functions that are called with it.
"""

from __future__ import annotations

import base64
import hmac
import json
import smtplib
from binascii import b2a_base64
from collections.abc import Callable
from functools import partial
from typing import Any

from ..util.secret import Secret, Secrets
from .replies import Reply, printable

MAX_COMMAND = 512
"""Octets of a command with its CRLF (RFC 5321 section 4.5.3.1.4); the answer to a challenge may be
longer."""

_encoded = partial(b2a_base64, newline=False)  # unlike b64encode, without a Python frame
_MAX_DETAIL = 200  # characters of a server's explanation


class Login:
    """Dialogue of one login.

    :param place: host and port, as the settings name them.
    :raises BackendUnavailable: the secret is a callable that failed.
    :ivar secret: the current secret; never a callable.
    :ivar secrets: all secrets that were sent, to be redacted from replies.
    :ivar challenge: the raw text of the last reply, which may repeat a secret.
    :ivar is_judged: True if the server has refused the token, rather than the mechanism.
    :ivar is_cancelled: True if the server's last challenge could not be answered.
    """

    def __init__(
        self, host: smtplib.SMTP, username: str, secret: Secret, place: tuple[str, int]
    ) -> None:
        self.username = username
        self.place = place
        self.secret = secret.current()
        self.secrets = Secrets()
        self.challenge = Secret("")
        self.is_judged = False
        self.is_cancelled = False
        self._source = secret
        wire: Any = host.file
        wire.secret = self.secrets
        self._wire = wire
        self.hide(self.secret)

    def attempt(self, mechanism: str) -> Reply:
        """Log in by `mechanism` and return the reply that ends it."""
        reply = _MECHANISMS[mechanism](self)
        self.is_cancelled = reply.code == 334
        if self.is_cancelled:  # it asks for more than there is to send (section 4)
            reply = self.exchange(lambda: b"*", "*")
        return reply

    def renew(self) -> bool:
        """Ask the callable for another secret; return ``False`` if it is the same.

        :raises BackendUnavailable: it failed.
        """
        fresh = self._source.current()
        if fresh == self.secret:  # what was refused will be refused again
            return False
        self.secret = fresh
        self.hide(fresh)
        return True

    def hide(self, secret: Secret) -> None:
        """Redact `secret` from replies from now on."""
        self.secrets.add(secret)
        shown = Secret(printable(secret.reveal()))
        if shown != secret:
            self.secrets.add(shown)

    def begin(
        self, mechanism: str, response: Callable[[], bytes], *, may_object: bool = False
    ) -> Reply:
        """Send AUTH with the initial response if that is short enough, to save a round trip.

        :param may_object: a challenge with text is the server's objection to the response.
        """
        command = f"AUTH {mechanism}".encode()
        is_short = len(command) + len(b" ") + len(response()) + len(b"\r\n") <= MAX_COMMAND
        if is_short:
            reply = self.exchange(lambda: command + b" " + response(), f"AUTH {mechanism} ***")
        else:
            reply = self.exchange(lambda: command, f"AUTH {mechanism}")
        # Servers from before RFC 4954 ask for it all the same.
        if reply.code == 334 and not (may_object and is_short and reply.text):
            reply = self.exchange(response)
        return reply

    def exchange(self, line: Callable[[], bytes], shown: str = "***") -> Reply:
        """Send a line and return the reply, with echoed secrets redacted.

        :param shown: the line as the transcript shows it.
        """
        reply: Reply = self._wire.ask(line(), shown)
        self.challenge = Secret(reply.text)
        return Reply(reply.code, self.secrets.redact(reply.text))


def _plain(login: Login) -> Reply:
    # UTF-8 (RFC 4616 section 2).
    return login.begin(
        "PLAIN",
        lambda: _encoded(f"\0{login.username}\0{login.secret.reveal()}".encode()),
    )


def _login(login: Login) -> Reply:
    reply = login.exchange(lambda: b"AUTH LOGIN", "AUTH LOGIN")
    if reply.code == 334:
        reply = login.exchange(lambda: _encoded(login.username.encode()))
    if reply.code == 334:
        reply = login.exchange(lambda: _encoded(login.secret.reveal().encode()))
    return reply


def _cram_md5(login: Login) -> Reply:
    reply = login.exchange(lambda: b"AUTH CRAM-MD5", "AUTH CRAM-MD5")
    if reply.code != 334:
        return reply
    try:
        # A secret too: with the challenge at hand, passwords can be tried against it.
        digest = Secret(
            hmac.new(
                login.secret.reveal().encode(),
                base64.b64decode(login.challenge.reveal(), validate=True),
                "md5",
            ).hexdigest()
        )
    except ValueError:  # invalid base64, or a Python without MD5
        return reply
    login.hide(digest)
    return login.exchange(lambda: _encoded(f"{login.username} {digest.reveal()}".encode()))


def _oauthbearer(login: Login) -> Reply:
    """Log in with OAUTHBEARER (RFC 7628)."""
    name = login.username.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 section 4
    host, port = login.place
    where = f"host={host if host.isascii() else host.encode('idna').decode()}\1port={port}"
    return _bearer(
        login,
        "OAUTHBEARER",
        lambda: f"n,a={name},\1{where}\1auth=Bearer {login.secret.reveal()}\1\1",
        b"AQ==",
    )


def _xoauth2(login: Login) -> Reply:
    """Log in with XOAUTH2, older than RFC 7628 and still all that some servers have."""
    return _bearer(
        login,
        "XOAUTH2",
        lambda: f"user={login.username}\1auth=Bearer {login.secret.reveal()}\1\1",
        b"",
    )


def _bearer(login: Login, mechanism: str, message: Callable[[], str], dummy: bytes) -> Reply:
    """Send a token.

    :param dummy: the answer to an objection, after which the server replies 535.
    """
    reply = login.begin(mechanism, lambda: _encoded(message().encode()), may_object=True)
    objects = reply.code == 334
    if objects:
        why = _objection(login)
        reply = login.exchange(lambda: dummy, dummy.decode())
        if why:
            reply = reply._replace(text=f"{reply.text} ({why})")
    # 503 is not a verdict (already logged in), and after 421 the connection is closed.
    login.is_judged = reply.code == 535 or (
        objects and reply.refuses and reply.code not in (421, 503)
    )
    return reply


def _objection(login: Login) -> str:
    """Return why a server objects to a token (RFC 7628 section 3.2.2), safe to be shown."""
    try:
        said = json.loads(base64.b64decode(login.challenge.reveal(), validate=True))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    # The rest is for programs, and a token may be in it.
    parts = [f"{key} {said[key]}" for key in ("status", "scope") if isinstance(said.get(key), str)]
    return login.secrets.redact(printable(", ".join(parts)))[:_MAX_DETAIL]


_MECHANISMS: dict[str, Callable[[Login], Reply]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "OAUTHBEARER": _oauthbearer,
    "XOAUTH2": _xoauth2,
}
