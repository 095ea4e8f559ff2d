"""Open and close sessions on top of smtplib: greeting, EHLO, TLS, login, QUIT.

A session is an :class:`smtplib.SMTP`.
"""

from __future__ import annotations

import math
import smtplib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..errors import BackendUnavailable, DeliveryError, MailError
from ..util.clocks import monotonic
from ..util.patterns import lazy_pattern
from . import dialing, errors, reaching
from .alarms import TOLERANT
from .auth import log_in
from .borrowed import forget, greet, watch
from .deadline import Deadline
from .reaching import drop
from .replies import reply_of
from .server import Server, smtp_class, wire_of
from .tls import wrapped
from .wire import Wire

__all__ = ["Server", "connect", "drop", "end", "establish", "leave", "smtp_class", "wire_of"]

QUIT_SECONDS = 1.0
"""Time limit for QUIT: the messages were accepted before, so its reply does not matter."""

_PATIENCE = 0.75
"""Fraction of the time for which a server that is full is retried; the rest is for the message."""
_PAUSE, _LONGEST_PAUSE = 0.25, 1.0
"""Seconds between two attempts; each pause is twice as long as the one before."""

_FULL_NAME = lazy_pattern(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")

_observer: ContextVar[Callable[[str, Any], None] | None] = ContextVar("_observer", default=None)


@contextmanager
def observed(by: Callable[[str, smtplib.SMTP], None]) -> Iterator[None]:
    """Call a function after each stage of opening a session, with the stage and the session.

    The stages are those of :data:`~flask_mail.errors.OPENING`. What a stage has found out is gone
    if a later one fails.
    """
    token = _observer.set(by)
    try:
        yield
    finally:
        _observer.reset(token)


def connect(
    server: Server, deadline: Deadline | None = None, *, is_patient: bool = True
) -> smtplib.SMTP:
    """Open a connection that is ready for transactions.

    :param is_patient: True to retry for a while if the server is full for now (421).
    :raises DeliveryError: from the table in :mod:`flask_mail.smtp.failures`; nothing stays open.
    """
    # Any name keeps smtplib from looking up this host's, which takes seconds if DNS is slow.
    arguments: dict[str, Any] = {"timeout": server.timeout, "local_hostname": "localhost"}
    made = smtp_class(server)
    if server.implicit_tls:
        arguments["context"] = reaching.context_for(server, made)
    host = made(**arguments)
    host._host = server.host  # noqa: SLF001 (the name that TLS checks)
    establish(host, server, deadline or Deadline(), is_patient=is_patient)
    return host  # type: ignore[no-any-return]


def establish(
    host: smtplib.SMTP, server: Server, deadline: Deadline, *, is_patient: bool = True
) -> None:
    """Connect or reconnect a session, as :func:`connect`."""
    stage = "greeting"
    started = monotonic()
    observe = _observer.get() or _ignore
    forget(host)
    try:
        (_reach_in_time if is_patient else reaching.reach)(host, server, deadline)
        if server.implicit_tls:
            observe("tls", host)
        host.local_hostname = server.local_hostname or _own_name(host)
        _greet(host, server)
        observe(stage, host)
        if server.starttls:
            stage = "tls"
            _start_tls(host, server)
            observe(stage, host)
            _greet(host, server)
        if server.username is not None and server.secret is not None:
            stage = "login"
            place = (server.host, server.port)
            log_in(host, server.username, server.secret, place, server.names)
        wire = wire_of(host, server)
        wire.opening = monotonic() - started
        wire.give_back()
        watch(host)
    except BaseException as error:
        drop(host)
        if not isinstance(error, (OSError, ValueError)) or isinstance(error, MailError):
            raise
        # It has greeted, so `implicit_tls` is right.
        raise server.failure(error, stage, knows_tls=True) from error


def _ignore(stage: str, host: smtplib.SMTP) -> None:
    """Observe nothing."""


def reconnect(reopen: Callable[[Deadline], None], server: Server, deadline: Deadline) -> None:
    """Connect a session again by `reopen`, which may be the program's.

    :raises MailError: it failed.
    """
    try:
        reopen(deadline)
    except MailError:
        raise
    except Exception as error:
        raise BackendUnavailable(
            f"Could not connect to {server}: {type(error).__name__}", stage="connect"
        ) from error


def _reach_in_time(host: smtplib.SMTP, server: Server, deadline: Deadline) -> None:
    """Connect, and retry for a while if the server is full for now (421)."""
    left = deadline.left(math.inf)  # MAIL_TIMEOUT limits waits for a reply, not these pauses
    patience = deadline.within(_PATIENCE * (server.timeout if left == math.inf else left))
    pause = _PAUSE
    no_room: errors.ConnectFailed | None = None
    try:
        while True:
            try:
                reaching.reach(host, server, deadline)
            except errors.ConnectFailed as error:
                no_room = no_room or error
                if error.smtp_code != 421:
                    raise
                dialing.memory.had_no_room((server.host, server.port))
                if not patience.has(pause):
                    raise
            except DeliveryError:
                if no_room is None:
                    raise
                raise no_room from no_room.__cause__  # the first one wins
            else:
                return
            _sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    finally:
        no_room = None  # its traceback refers to this frame


def _sleep(seconds: float) -> None:
    time.sleep(seconds)  # looked up each time: gevent replaces it


def greet_if_needed(host: smtplib.SMTP, server: Server) -> None:
    """Send EHLO on a session that a program has opened itself.

    :raises DeliveryError: the server refused it, or the session is not connected.
    """
    if host.sock is None:
        closed = smtplib.SMTPServerDisconnected("the session is not connected")
        raise server.failure(closed, "connect")
    if host.ehlo_resp is not None or host.helo_resp is not None:
        return
    try:
        greet(host)
    except OSError as error:
        drop(host)
        raise server.failure(error, "greeting") from error


def end(host: smtplib.SMTP) -> None:
    """Send QUIT, wait for the reply for at most a second, and close. Never raises."""
    try:
        with TOLERANT:
            if isinstance(host.file, Wire):
                if host.file.is_own:
                    hurry(host)
                    host.file.ask(b"QUIT", "QUIT")
            elif host.sock is not None:
                hurry(host)
                host.docmd("QUIT")
    finally:
        drop(host)


def hurry(host: Any) -> None:
    """Limit what follows to :data:`QUIT_SECONDS`."""
    if isinstance(host.file, Wire):
        host.file.deadline = Deadline(QUIT_SECONDS)
    elif host.sock is not None:
        host.sock.settimeout(QUIT_SECONDS)


def leave(host: smtplib.SMTP) -> None:
    """Send QUIT and close without waiting for the reply. Never raises."""
    with TOLERANT:
        if isinstance(host.file, Wire) and host.file.is_own:
            host.file.write(b"QUIT\r\n")
            host.file.look()
    drop(host)


def _greet(host: smtplib.SMTP, server: Server) -> None:
    # Discard what the server announced before TLS (RFC 3207 section 4.2).
    host.does_esmtp = False
    wire = wire_of(host, server)
    wire.trace("C", f"EHLO {host.local_hostname}")
    reply = reply_of(host.ehlo())
    if 500 <= reply.code < 600:  # it does not know EHLO (RFC 5321 section 3.2)
        wire.trace("C", f"HELO {host.local_hostname}")
        reply = reply_of(host.helo())
    if reply.code != 250:
        raise smtplib.SMTPHeloError(*reply.answer)


def _start_tls(host: smtplib.SMTP, server: Server) -> None:
    if not host.has_extn("starttls"):
        raise smtplib.SMTPNotSupportedError(
            "the server does not offer STARTTLS, which {use_tls} requires (or someone is tampering"
            " with the connection). Set {use_ssl} if the port starts with TLS (465), or"
            " {use_tls} to false if the connection may be unencrypted".format_map(server.names)
        )
    wire = wire_of(host, server)
    reply = wire.ask(b"STARTTLS", "STARTTLS")
    if reply.code != 220:
        raise smtplib.SMTPResponseException(*reply.answer)
    if wire.is_stale():
        # Replies injected by an attacker before the handshake (CVE-2011-0411).
        raise smtplib.SMTPServerDisconnected(
            "the server sent data between STARTTLS and the handshake, so someone may be tampering"
            " with the connection"
        )
    # The handshake comes later, so that the new socket is closed if it is interrupted.
    plain: Any = host.sock
    host.sock = wrapped(
        server.tls_context(), plain, server_hostname=server.host, do_handshake_on_connect=False
    )
    host.file = None
    encrypted = wire_of(host, server)
    encrypted.deadline = wire.deadline
    encrypted.shake_hands()


def full_name_of_host() -> str:
    """Return the name of this host, or an empty string if it is not a full name."""
    name = socket.gethostname()
    return name if _FULL_NAME.fullmatch(name) else ""


def _own_name(host: Any) -> str:
    if name := full_name_of_host():
        return name
    own = host.sock.getsockname()
    if not isinstance(own, tuple):
        return "[127.0.0.1]"  # no network: the server is on this host
    address = own[0].partition("%")[0]  # without an IPv6 zone
    # An address literal if there is no full name (RFC 5321 section 4.1.4).
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
