"""What a program says itself on a session of ours: ``connection.host`` is there for that."""

from __future__ import annotations

import smtplib
import weakref
from typing import Any

from .wire import Link


def watch(host: smtplib.SMTP) -> None:
    """Notice commands of a program's own from now on."""
    vars(host)["send"] = _Send(host)


def forget(host: smtplib.SMTP) -> None:
    """Notice no commands any more: those that follow are ours."""
    vars(host).pop("send", None)


def was_used(host: smtplib.SMTP) -> bool:
    """Whether a program has said something on this connection, such as a login."""
    send = vars(host).get("send")
    return isinstance(send, _Send) and send.was_used


def occupy(host: smtplib.SMTP, is_busy: bool) -> None:
    """Say whether messages are being sent on a session right now.

    What Python runs in between, such as a signal handler, would corrupt them by using it.
    """
    vars(host)["is_busy"] = is_busy


def is_busy(host: smtplib.SMTP) -> bool:
    """Whether whoever asks has interrupted what is going on there."""
    return bool(vars(host).get("is_busy"))


class _Send:
    """In the place of :meth:`smtplib.SMTP.send`, through which all commands of smtplib go.

    A program's must not come in between those of messages that are under way, nor into a
    transaction that a refused message has left open; and what they leave open is no message's.
    """

    def __init__(self, host: smtplib.SMTP) -> None:
        self.was_used = False
        self._host = weakref.ref(host)

    def __call__(self, data: Any) -> None:
        host: Any = self._host()
        if is_busy(host):
            # No OSError: that would be taken for one of the connection, if it gets that far.
            raise RuntimeError(
                "This session is in the middle of a message, which a signal handler, a finalizer or"
                " a log handler has interrupted: use another connection there."
            )
        self.was_used = True
        link = host.file
        if isinstance(link, Link):
            if link.settle is not None:
                link.settle()
            if link.is_dirty and not link.is_lent:
                link.ask(b"RSET", "RSET")
            link.is_lent = link.is_dirty = True
            link.lend()
        type(host).send(host, data)
