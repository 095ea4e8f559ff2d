"""Connect to the first address of a server that sends a greeting (RFC 5321 section 5.1)."""

from __future__ import annotations

import smtplib
import socket
import ssl
from typing import Any

from . import dialing
from .alarms import TOLERANT
from .deadline import Deadline, DeadlinePassed
from .dialing import Address
from .server import OWN_SMTP, OWN_SMTP_SSL, Server, wire_of
from .tls import wrapped
from .wire import Wire

_STAGES = ("connect", "tls", "greeting")
_BRIEF = 2.0
"""Seconds for the remaining addresses once another one has answered, even with a refusal."""

# As imported, before anything is patched.
_GET_SOCKET = OWN_SMTP._get_socket  # noqa: SLF001
_GET_SOCKET_SSL = OWN_SMTP_SSL._get_socket  # noqa: SLF001


class WithoutHandshake:
    """TLS context for smtplib that leaves the handshake to the wire, which has a deadline."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def wrap_socket(self, sock: socket.socket, server_hostname: str) -> ssl.SSLSocket:
        return wrapped(
            self._context, sock, server_hostname=server_hostname, do_handshake_on_connect=False
        )


def context_for(server: Server, made: Any) -> Any:
    """Return the TLS context for a session of the class `made`, with implicit TLS."""
    context = server.tls_context()
    # A program's own _get_socket may inspect the certificate, after the handshake.
    return WithoutHandshake(context) if made._get_socket is _GET_SOCKET_SSL else context  # noqa: SLF001


def reach(host: Any, server: Server, deadline: Deadline) -> None:
    """Connect a session to the first address that sends a greeting.

    No address can use up the time: some is left for the others.

    :raises DeliveryError: no address did. The error is that of the one that got furthest; nothing
        stays open.
    """
    if server.implicit_tls:
        host.context = context_for(server, type(host))
    try:
        addresses = _addresses(host, server)
    except (OSError, ValueError) as error:
        raise server.failure(error, "connect") from error
    at_most = server.timeout
    furthest = None
    while (failed := _try_next(host, server, deadline, addresses, at_most)) is not None:
        stage, why = failed
        is_interruption = dialing.is_interruption(why)
        if furthest is None or is_interruption or _is_further(stage, furthest[0]):
            furthest = failed
        if not addresses or is_interruption or isinstance(why, DeadlinePassed):
            stage, why = furthest
            is_known = server.implicit_tls
            raise server.failure(why, stage, knows_tls=is_known) from why
        if furthest[0] != "connect":
            at_most = min(at_most, _BRIEF)
    wire_of(host, server).wait_for(server.timeout)


def _is_further(stage: str, than: str) -> bool:
    return _STAGES.index(stage) >= _STAGES.index(than)


def _try_next(
    host: Any, server: Server, deadline: Deadline, addresses: list[Address], at_most: float
) -> tuple[str, Exception] | None:
    """Try one address and remove it from `addresses`; return the stage and error if it failed."""
    stage, address = "connect", None
    try:
        address = _connect(host, server, deadline, addresses, at_most)
        if server.implicit_tls:
            stage = "tls"
            _patient(host, server, deadline, addresses).shake_hands()
        stage = "greeting"
        reply = _patient(host, server, deadline, addresses).hear()
        if reply.code != 220:
            raise smtplib.SMTPConnectError(*reply.answer)
    except (OSError, ValueError) as error:
        drop(host)
        if address is not None:
            dialing.memory.failed(address)
        return stage, error
    return None


def _connect(
    host: Any, server: Server, deadline: Deadline, addresses: list[Address], at_most: float
) -> Address:
    """Connect to one of `addresses`; leave those that may still be tried."""
    at_most = deadline.left(at_most)
    if len(addresses) > 1 and dialing.may_race():
        sock, address = dialing.Race(addresses).run(at_most)
    else:
        # The program overrides connecting: each address gets its share of the time left.
        shares = len(addresses)
        sock, address = None, addresses.pop(0)
        at_most = min(at_most, deadline.left(at_most * shares) / shares)
    host.timeout = at_most
    # smtplib reads the greeting without a limit: here the wire reads it later.
    host.getreply = lambda: (0, b"")
    if sock is not None:
        host._get_socket = lambda *_: _dressed(host, server, sock)  # noqa: SLF001
    try:
        host.connect(*address.numeric)
    except OSError:
        dialing.memory.failed(address)
        raise
    finally:
        del host.getreply
        vars(host).pop("_get_socket", None)
        host.timeout = server.timeout
    return address


def _dressed(host: Any, server: Server, sock: Any) -> Any:
    """Return a connected socket with timeout and implicit TLS set up for the session."""
    try:
        sock.settimeout(server.timeout)
        if server.implicit_tls:
            return host.context.wrap_socket(sock, server_hostname=server.host)
    except BaseException:
        sock.close()
        raise
    return sock


def _addresses(host: Any, server: Server) -> list[Address]:
    if type(host)._get_socket not in (_GET_SOCKET, _GET_SOCKET_SSL):  # noqa: SLF001
        # The program may connect through a proxy, which may look up names itself.
        return [Address(0, 0, 0, (server.host, server.port))]
    found = dialing.addresses_of(server.host, server.port)
    if not found:
        raise OSError("the name has no address")
    return found


def _patient(host: Any, server: Server, deadline: Deadline, others: list[Address]) -> Wire:
    """Return the wire of a new connection; it waits for half of the time if there are `others`."""
    wire = wire_of(host, server)
    wire.deadline = deadline
    wire.wait_for(deadline.left(2 * server.timeout) / 2 if others else server.timeout)
    return wire


def drop(host: Any) -> None:
    """Close the connection without QUIT. Never raises."""
    with TOLERANT:
        host.close()
