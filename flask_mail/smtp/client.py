"""Connections, on top of smtplib: greeting, EHLO, TLS and login, and the end.

A session is an :class:`smtplib.SMTP`.
"""

from __future__ import annotations

import contextlib
import logging
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any

from . import errors
from .login import log_in
from .replies import Reply, reply_of
from .secret import Secret

log = logging.getLogger("flask_mail.smtp")

QUIT_SECONDS = 1.0
"""How long QUIT may take: the messages were accepted before, and nobody waits for a goodbye."""

_FULL_NAME = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


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

    def tls_context(self) -> ssl.SSLContext:
        """Return the TLS context, which verifies certificates unless another one was given."""
        return self.context or ssl.create_default_context()

    def trace(self, stage: str, reply: Reply) -> None:
        """Log a step of the dialogue, if that is wanted."""
        if self.debug:
            log.debug("%s %s: %s", self, stage, reply)


def connect(server: Server) -> smtplib.SMTP:
    """Open a connection that is ready for transactions.

    :raises DeliveryError: from the table in :mod:`flask_mail.smtp.errors`; nothing stays open.
    """
    # Any name keeps smtplib from looking up this host's, which takes seconds where DNS is slow.
    arguments: dict[str, Any] = {"timeout": server.timeout, "local_hostname": "localhost"}
    # Looked up here because programs replace smtplib's classes by subclasses.
    if server.implicit_tls:
        host: smtplib.SMTP = smtplib.SMTP_SSL(context=server.tls_context(), **arguments)
        host._host = server.host  # type: ignore[attr-defined]  # noqa: SLF001 (checked by TLS)
    else:
        host = smtplib.SMTP(**arguments)
    establish(host, server)
    return host


def establish(host: smtplib.SMTP, server: Server) -> None:
    """Connect a session that is not connected, or not any more; as :func:`connect`."""
    stage = "connect"
    try:
        reply = reply_of(host.connect(server.host, server.port))
        server.trace("greeting", reply)
        stage = "greeting"
        if reply.code != 220:
            raise smtplib.SMTPConnectError(*reply.answer)
        host.local_hostname = server.local_hostname or _own_name(host)
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
        if not isinstance(error, (OSError, ValueError)):
            raise
        if stage == "connect":  # smtplib takes several steps at once
            if isinstance(error, ssl.SSLError):
                stage = "tls"
            elif isinstance(error, smtplib.SMTPException):
                stage = "greeting"
        raise errors.failure(error, stage, str(server)) from error


def end(host: smtplib.SMTP) -> None:
    """Say QUIT, wait a second at most, and close. Never raises."""
    try:
        if host.sock is not None:
            with contextlib.suppress(Exception):
                host.sock.settimeout(QUIT_SECONDS)
                host.docmd("QUIT")
    finally:
        drop(host)


def drop(host: smtplib.SMTP) -> None:
    """Close the connection without a word. Never raises."""
    with contextlib.suppress(Exception):
        host.close()


def _greet(host: smtplib.SMTP, server: Server) -> None:
    # What was announced before is forgotten, also after TLS (RFC 3207 section 4.2).
    host.does_esmtp = False
    reply = reply_of(host.ehlo())
    server.trace("ehlo", reply)
    if 500 <= reply.code < 600:  # it knows no EHLO (RFC 5321 section 3.2)
        reply = reply_of(host.helo())
        server.trace("helo", reply)
    if reply.code != 250:
        raise smtplib.SMTPHeloError(*reply.answer)


def _start_tls(host: smtplib.SMTP, server: Server) -> None:
    if not host.has_extn("starttls"):
        raise smtplib.SMTPNotSupportedError(
            "it does not offer STARTTLS, which MAIL_USE_TLS demands, so somebody may be in between."
            " Set MAIL_USE_SSL if the port speaks TLS at once (465), or unset MAIL_USE_TLS if the"
            " link needs none"
        )
    reply = reply_of(host.docmd("STARTTLS"))
    server.trace("tls", reply)
    if reply.code != 220:
        raise smtplib.SMTPResponseException(*reply.answer)
    if _has_unread(host):
        # Commands' answers from somebody in between, before the handshake (CVE-2011-0411).
        raise smtplib.SMTPServerDisconnected(
            "it sent data between STARTTLS and the handshake, so somebody may be in between"
        )
    # The handshake comes after, so that whatever interrupts it, the new socket is closed.
    plain: Any = host.sock
    sock = server.tls_context().wrap_socket(
        plain, server_hostname=server.host, do_handshake_on_connect=False
    )
    host.sock, host.file = sock, None
    sock.do_handshake()


def _has_unread(host: Any) -> bool:
    host.sock.setblocking(False)
    try:
        return bool(host.file.peek(1))
    finally:
        host.sock.settimeout(host.timeout)


def _own_name(host: Any) -> str:
    name = socket.gethostname()
    if _FULL_NAME.fullmatch(name):
        return name
    address = host.sock.getsockname()[0].partition("%")[0]  # without an IPv6 zone
    # An address literal where there is no full name (RFC 5321 section 4.1.4).
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
