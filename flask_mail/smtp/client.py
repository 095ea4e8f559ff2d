"""Connections, on top of smtplib: greeting, EHLO, TLS and login, and the end.

A session is an :class:`smtplib.SMTP`.
"""

from __future__ import annotations

import contextlib
import logging
import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any

from ..errors import DeliveryError
from . import errors
from .login import log_in
from .replies import Reply, reply_of
from .secret import Secret

log = logging.getLogger("flask_mail.smtp")

QUIT_SECONDS = 1.0
"""How long QUIT may take: the messages were accepted before, and nobody waits for a goodbye."""


@dataclass(frozen=True)
class Server:
    """Where to connect, and how."""

    host: str
    port: int
    timeout: float
    implicit_tls: bool = False
    starttls: bool = False
    context: ssl.SSLContext | None = field(default=None, repr=False)
    local_hostname: str | None = None
    username: str | None = None
    password: Secret | None = None
    debug: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def trace(self, stage: str, reply: Reply) -> None:
        """Log a step of the dialogue, if that is wanted."""
        if self.debug:
            log.debug("%s %s: %s", self, stage, reply)


def connect(server: Server) -> smtplib.SMTP:
    """Open a connection that is ready for transactions.

    :raises DeliveryError: from the table in :mod:`flask_mail.smtp.errors`; nothing stays open.
    """
    # Looked up here because programs and tests replace smtplib.SMTP. Any name keeps smtplib from
    # looking up this host's, which takes seconds where DNS is slow.
    arguments: dict[str, Any] = {
        "timeout": server.timeout,
        "local_hostname": server.local_hostname or "localhost",
    }
    host: Any
    if server.implicit_tls:
        host = smtplib.SMTP_SSL(context=server.context, **arguments)
    else:
        host = smtplib.SMTP(**arguments)
    host._host = server.host  # noqa: SLF001 (the name that SMTP_SSL checks)
    establish(host, server)
    return host  # type: ignore[no-any-return]


def establish(host: smtplib.SMTP, server: Server) -> None:
    """Connect a session that is not connected, or not any more; as :func:`connect`."""
    stage = "connect"
    try:
        reply = reply_of(host.connect(server.host, server.port))
        server.trace("greeting", reply)
        stage = "greeting"
        if reply.code != 220:
            raise smtplib.SMTPConnectError(reply.code, reply.text)
        if server.local_hostname is None:
            host.local_hostname = _own_name(host)
        _greet(host, server)
        if server.starttls:
            stage = "tls"
            _start_tls(host, server)
            _greet(host, server)
        if server.username is not None and server.password is not None:
            stage = "login"
            log_in(host, server.username, server.password)
            server.trace("login", Reply(235, "accepted"))
    except BaseException as error:
        drop(host)
        if isinstance(error, DeliveryError) or not isinstance(error, (OSError, UnicodeError)):
            raise
        raise errors.failure(error, stage, str(server)) from error


def end(host: smtplib.SMTP) -> None:
    """Say QUIT, wait a second at most, and close. Never raises."""
    if host.sock is not None:
        with contextlib.suppress(Exception):
            host.sock.settimeout(QUIT_SECONDS)
            host.docmd("QUIT")
    drop(host)


def drop(host: smtplib.SMTP) -> None:
    """Close the connection without a word. Never raises."""
    with contextlib.suppress(Exception):
        host.close()


def _greet(host: smtplib.SMTP, server: Server) -> None:
    host.does_esmtp = False
    reply = reply_of(host.ehlo())
    server.trace("ehlo", reply)
    if not 200 <= reply.code < 300:
        reply = reply_of(host.helo())
        server.trace("helo", reply)
    if not 200 <= reply.code < 300:
        raise errors.HeloFailed(
            f"The server {server} refused the greeting (MAIL_LOCAL_HOSTNAME): {reply}",
            stage="greeting",
            response=str(reply),
        )


def _start_tls(host: Any, server: Server) -> None:
    if not host.has_extn("starttls"):
        raise errors.NotSupported(
            f"MAIL_USE_TLS demands STARTTLS, but the server {server} does not offer it: somebody may"
            " be in between. Set MAIL_USE_SSL if the port speaks TLS at once (465), or unset"
            " MAIL_USE_TLS if the link needs none.",
            stage="tls",
        )
    reply = reply_of(host.docmd("STARTTLS"))
    server.trace("tls", reply)
    if reply.code != 220:
        raise errors.UnexpectedReply(
            f"The server {server} refused STARTTLS: {reply}", stage="tls", response=str(reply)
        )
    if _has_unread(host):
        # Somebody in between put commands' answers before the handshake (CVE-2011-0411).
        raise errors.ServerDisconnected(
            f"The server {server} sent data between STARTTLS and the handshake: somebody may be in"
            " between. Nothing was sent.",
            stage="tls",
        )
    context = server.context or ssl.create_default_context()
    host.sock = context.wrap_socket(host.sock, server_hostname=server.host)
    # What was announced before TLS is forgotten (RFC 3207 section 4.2).
    host.file = None
    host.helo_resp = None
    host.ehlo_resp = None
    host.esmtp_features = {}
    host.does_esmtp = False


def _has_unread(host: Any) -> bool:
    host.sock.setblocking(False)
    try:
        return bool(host.file.peek(1))
    finally:
        host.sock.settimeout(host.timeout)


def _own_name(host: Any) -> str:
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    address = host.sock.getsockname()[0]
    # An address literal where there is no full name (RFC 5321 section 4.1.4).
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
