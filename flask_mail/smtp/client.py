"""Connections, on top of smtplib: greeting, EHLO, TLS and login, and the end.

A session is an :class:`smtplib.SMTP`.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any

from ..secret import Secret, Token
from . import errors, lending
from .deadline import Deadline
from .link import Link
from .login import log_in
from .replies import reply_of
from .tls import wrapped

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
    token: Token | None = None
    pipelining: bool = True
    chunking: bool = True
    debug: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def secret(self) -> Secret | None:
        """What it logs in with."""
        return self.token or self.password

    def tls_context(self) -> ssl.SSLContext:
        """Return the TLS context, which verifies certificates unless another one was given."""
        return self.context or ssl.create_default_context()


def kind(server: Server) -> Any:
    """Return the class of smtplib's that makes the sessions, or what a program has put there."""
    return smtplib.SMTP_SSL if server.implicit_tls else smtplib.SMTP


def connect(server: Server, deadline: Deadline | None = None) -> smtplib.SMTP:
    """Open a connection that is ready for transactions.

    :raises DeliveryError: from the table in :mod:`flask_mail.smtp.errors`; nothing stays open.
    """
    # Any name keeps smtplib from looking up this host's, which takes seconds where DNS is slow.
    arguments: dict[str, Any] = {"timeout": server.timeout, "local_hostname": "localhost"}
    made = kind(server)
    if server.implicit_tls:
        context: Any = server.tls_context()
        # A program's own way of connecting may look at the certificate at once.
        is_plain = made._get_socket is _GET_SOCKET_SSL  # noqa: SLF001
        arguments["context"] = _WithoutHandshake(context) if is_plain else context
    host = made(**arguments)
    host._host = server.host  # noqa: SLF001 (the name that TLS checks)
    establish(host, server, deadline or Deadline())
    return host  # type: ignore[no-any-return]


def establish(host: smtplib.SMTP, server: Server, deadline: Deadline) -> None:
    """Connect a session that is not connected, or not any more; as :func:`connect`."""
    stage = "connect"
    lending.forget(host)
    try:
        _connect(host, server, deadline)
        link = link_of(host, server)
        link.deadline = deadline
        if server.implicit_tls:
            stage = "tls"
            link.shake_hands()
        stage = "greeting"
        reply = link.hear()
        if reply.code != 220:
            raise smtplib.SMTPConnectError(*reply.answer)
        host.local_hostname = server.local_hostname or _own_name(host)
        _greet(host, server)
        if server.starttls:
            stage = "tls"
            _start_tls(host, server)
            _greet(host, server)
        if server.username is not None and server.secret is not None:
            stage = "login"
            log_in(host, server.username, server.secret, (server.host, server.port))
        link_of(host, server).give_back()
        lending.watch(host)
    except BaseException as error:
        drop(host)
        if not isinstance(error, (OSError, ValueError)):
            raise
        raise errors.failure(error, stage, str(server)) from error


def link_of(host: Any, server: Server) -> Link:
    """Return the link of a session; one that a program has opened gets its own here."""
    link = host.file
    if not isinstance(link, Link):
        link = host.file = Link(host.sock, server.timeout, str(server), debug=server.debug)
    return link


def greet_if_needed(host: smtplib.SMTP, server: Server) -> None:
    """Say EHLO on a session that a program has opened itself.

    :raises DeliveryError: the server does not take it, or the session is not connected.
    """
    if host.sock is None:
        closed = smtplib.SMTPServerDisconnected("the session is not connected")
        raise errors.failure(closed, "connect", str(server))
    if host.ehlo_resp is not None or host.helo_resp is not None:
        return
    try:
        host.ehlo_or_helo_if_needed()
    except OSError as error:
        drop(host)
        raise errors.failure(error, "greeting", str(server)) from error


def end(host: smtplib.SMTP) -> None:
    """Say QUIT, wait a second at most, and close. Never raises."""
    try:
        with contextlib.suppress(Exception):
            if isinstance(host.file, Link):
                if host.file.is_own:
                    hurry(host)
                    host.file.ask(b"QUIT", "QUIT")
            elif host.sock is not None:
                hurry(host)
                host.docmd("QUIT")
    finally:
        drop(host)


def hurry(host: Any) -> None:
    """Let what follows take no longer than QUIT may."""
    if isinstance(host.file, Link):
        host.file.deadline = Deadline(QUIT_SECONDS)
    elif host.sock is not None:
        host.sock.settimeout(QUIT_SECONDS)


def drop(host: smtplib.SMTP) -> None:
    """Close the connection without a word. Never raises."""
    with contextlib.suppress(Exception):
        host.close()


def leave(host: smtplib.SMTP) -> None:
    """Say QUIT and close without waiting for the answer. Never raises."""
    with contextlib.suppress(Exception):
        if isinstance(host.file, Link) and host.file.is_own:
            host.file.write(b"QUIT\r\n")
            host.file.look()
    drop(host)


class _WithoutHandshake:
    """A TLS context for smtplib that leaves the handshake to the link, which has a deadline."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def wrap_socket(self, sock: socket.socket, server_hostname: str) -> ssl.SSLSocket:
        return wrapped(
            self._context, sock, server_hostname=server_hostname, do_handshake_on_connect=False
        )


# As it was imported, before anything is patched.
_GET_SOCKET = smtplib.SMTP._get_socket  # type: ignore[attr-defined]  # noqa: SLF001
_GET_SOCKET_SSL = smtplib.SMTP_SSL._get_socket  # type: ignore[attr-defined]  # noqa: SLF001


def _connect(host: Any, server: Server, deadline: Deadline) -> None:
    failure: OSError | None = None
    for address, port in _addresses(host, server):
        host.timeout = deadline.left(server.timeout)
        # smtplib reads the greeting without a bound: here it is read later, by the link.
        host.getreply = lambda: (0, b"")
        try:
            host.connect(address, port)
        except OSError as error:
            failure = error
        else:
            return
        finally:
            del host.getreply
            host.timeout = server.timeout
    raise failure or OSError("the name has no address")


def _addresses(host: Any, server: Server) -> list[tuple[str, int]]:
    """Return what to connect to: each address of the server, which gets a time-out of its own."""
    if type(host)._get_socket not in (_GET_SOCKET, _GET_SOCKET_SSL):  # noqa: SLF001
        # A program's way through a proxy, which may look up names itself.
        return [(server.host, server.port)]
    # Positional, as socket.create_connection() does it: programs replace this by what takes that.
    found = socket.getaddrinfo(server.host, server.port, 0, socket.SOCK_STREAM)
    return list(dict.fromkeys(_numeric(*address) for *_, address in found))


def _numeric(host: str, port: int, flow: int = 0, scope: int = 0) -> tuple[str, int]:
    return f"{host}%{scope}" if scope else host, port  # a link-local address is one of an interface


def _greet(host: smtplib.SMTP, server: Server) -> None:
    # What was announced before is forgotten, also after TLS (RFC 3207 section 4.2).
    host.does_esmtp = False
    link = link_of(host, server)
    link.trace("C", f"EHLO {host.local_hostname}")
    reply = reply_of(host.ehlo())
    if 500 <= reply.code < 600:  # it knows no EHLO (RFC 5321 section 3.2)
        link.trace("C", f"HELO {host.local_hostname}")
        reply = reply_of(host.helo())
    if reply.code != 250:
        raise smtplib.SMTPHeloError(*reply.answer)


def _start_tls(host: smtplib.SMTP, server: Server) -> None:
    if not host.has_extn("starttls"):
        raise smtplib.SMTPNotSupportedError(
            "it does not offer STARTTLS, which MAIL_USE_TLS demands, so somebody may be in between."
            " Set MAIL_USE_SSL if the port speaks TLS at once (465), or unset MAIL_USE_TLS if the"
            " link needs none"
        )
    link = link_of(host, server)
    reply = link.ask(b"STARTTLS", "STARTTLS")
    if reply.code != 220:
        raise smtplib.SMTPResponseException(*reply.answer)
    if link.is_stale():
        # Commands' answers from somebody in between, before the handshake (CVE-2011-0411).
        raise smtplib.SMTPServerDisconnected(
            "it sent data between STARTTLS and the handshake, so somebody may be in between"
        )
    # The handshake comes after, so that whatever interrupts it, the new socket is closed.
    plain: Any = host.sock
    host.sock = wrapped(
        server.tls_context(), plain, server_hostname=server.host, do_handshake_on_connect=False
    )
    host.file = None
    encrypted = link_of(host, server)
    encrypted.deadline = link.deadline
    encrypted.shake_hands()


def _own_name(host: Any) -> str:
    name = socket.gethostname()
    if _FULL_NAME.fullmatch(name):
        return name
    own = host.sock.getsockname()
    if not isinstance(own, tuple):
        return "[127.0.0.1]"  # no network: the server is on this host
    address = own[0].partition("%")[0]  # without an IPv6 zone
    # An address literal where there is no full name (RFC 5321 section 4.1.4).
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
