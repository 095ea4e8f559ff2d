"""Sessions that a program also uses itself, through ``connection.host``."""

from __future__ import annotations

import smtplib
import weakref
from typing import Any

from .wire import Wire


def watch(host: smtplib.SMTP) -> None:
    """Detect commands that the program sends from now on."""
    vars(host)["send"] = _Send(host)


def forget(host: smtplib.SMTP) -> None:
    """Stop detecting commands: those that follow are Flask-Mail's."""
    vars(host).pop("send", None)


def was_used(host: smtplib.SMTP) -> bool:
    """Return True if the program has sent commands on this connection, such as a login."""
    send = vars(host).get("send")
    return isinstance(send, _Send) and send.was_used


def occupy(host: smtplib.SMTP, is_busy: bool) -> None:
    """Mark a session as sending messages, or not.

    Code that interrupts it, such as a signal handler, would corrupt them by using the session.
    """
    vars(host)["is_busy"] = is_busy


def is_busy(host: smtplib.SMTP) -> bool:
    """Return True if the caller has interrupted a session that is sending messages."""
    return bool(vars(host).get("is_busy"))


def greet(host: smtplib.SMTP) -> None:
    """Send EHLO, or HELO, on a session that stays marked as sending messages."""
    # smtplib sends them as a program would; code that interrupts the wait must send neither again.
    vars(host)["greetings"] = {host.ehlo_msg, "helo"}
    try:
        host.ehlo_or_helo_if_needed()
    finally:
        vars(host).pop("greetings", None)


def _is_greeting(host: smtplib.SMTP, command: Any) -> bool:
    """Return True the first time that :func:`greet` sends a command."""
    greetings = vars(host).get("greetings", set())
    is_allowed = command[:4] in greetings
    greetings.discard(command[:4])
    return is_allowed


class _Send:
    """Replacement for :meth:`smtplib.SMTP.send`, through which smtplib sends all commands.

    Commands of the program must not mix with those of messages in flight, nor continue a
    transaction that a refused message left open; the next message must reset what they leave open.
    """

    def __init__(self, host: smtplib.SMTP) -> None:
        self.was_used = False
        self._host = weakref.ref(host)

    def __call__(self, data: Any) -> None:
        host: Any = self._host()
        if is_busy(host) and not _is_greeting(host, data):
            # Not an OSError, which would be taken for an error of the connection.
            raise RuntimeError(
                "This session is in the middle of a message. Use another connection in signal"
                " handlers, finalizers and log handlers."
            )
        self.was_used = True
        wire = host.file
        if isinstance(wire, Wire):
            if wire.settle is not None:
                wire.settle()
            if wire.is_dirty and not wire.is_lent:
                wire.ask(b"RSET", "RSET")
            wire.is_lent = wire.is_dirty = True
            wire.lend()
        type(host).send(host, data)
