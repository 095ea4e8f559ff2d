"""Sessions with one server: opened, taken from a pool, reconnected."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ..util.clocks import monotonic
from . import dialing
from .borrowed import was_used
from .channel import IMPATIENCE, Reopen
from .deadline import Deadline, DeadlinePassed
from .errors import SMTPUnavailable
from .limit import ConnectionLimit
from .pool import Pool
from .server import Server
from .session import connect, establish, smtp_class, wire_of
from .wire import Wire

if TYPE_CHECKING:
    from .parallel import Others


class ServerSessions:
    """Sessions with one server.

    :param max_emails: maximum number of messages per connection; ``None`` for no limit.
    :param max_connections: maximum number of connections at the same time; ``None`` for no limit.
    """

    def __init__(
        self, server: Server, pool: Pool, max_emails: int | None, max_connections: int | None
    ) -> None:
        self._server = server
        self._limit = ConnectionLimit(max_connections)
        self._pool = pool
        self._max_emails = max_emails
        self._place = (server.host, server.port)
        self._own: WeakSet[smtplib.SMTP] = WeakSet()  # those that it may reconnect

    def take(self, deadline: Deadline) -> smtplib.SMTP:
        """Return an idle session, or a new one; wait if there are as many as allowed.

        :raises DeliveryError: it failed; nothing stays open.
        """
        started = monotonic()
        host = self._pool.take(smtp_class(self._server))
        while host is None and not self._limit.begin():
            self._wait(deadline, deadline)
            host = self._pool.take(smtp_class(self._server))
        if host is None:
            host = self._connect(deadline, is_patient=True)
        # The time to wait and to connect is part of the deadline of the message.
        wire: Any = host.file
        wire.spent = monotonic() - started
        wire.is_hidden = False
        wire.lend()  # the caller may be a program
        return host

    def notify(self) -> None:
        """Let a thread that waits look again: a session was closed or is idle now."""
        self._limit.notify()

    def _connect(self, deadline: Deadline, *, is_patient: bool) -> smtplib.SMTP:
        """Open a session for which :meth:`ConnectionLimit.begin` has returned True."""
        host = None
        try:
            host = connect(self._server, deadline, is_patient=is_patient)
        finally:
            self._limit.end(host)
        self._pool.count("opened")
        self._own.add(host)
        return host

    def _wait(self, patience: Deadline, deadline: Deadline) -> None:
        try:
            self._limit.wait(patience)
        except DeadlinePassed as passed:
            # If it is that of one message, the others of a batch may have more time.
            raise self._too_many() from (None if deadline.has(0) else passed)

    def _too_many(self) -> SMTPUnavailable:
        return SMTPUnavailable(
            f"All connections to {self._server} that {self._server.names['max_connections']} allows"
            " were in use, and none became free in time.",
            stage="connect",
        )

    def owns(self, session: Any) -> bool:
        """Return True if it has opened a session, and may reconnect it."""
        return session in self._own

    def reopen(self, session: smtplib.SMTP) -> Reopen:
        """Return a function that reconnects a session."""

        def reopen(deadline: Deadline, *, is_patient: bool) -> None:
            # This thread may itself keep the others open, in `with mail.connect()` blocks.
            patience = deadline.or_in(self._server.timeout)
            while not self._limit.begin():
                if not self._pool.make_room():
                    self._wait(patience, deadline)
            try:
                establish(session, self._server, deadline, is_patient=is_patient)
            finally:
                self._limit.end(session)
            self._pool.count("opened")

        return reopen

    def share(self, session: Any, *, is_hidden: bool) -> None:
        """Make the socket of a session blocking for the program, unless it is hidden."""
        if session in self._own:
            wire = wire_of(session, self._server)
            wire.is_hidden = is_hidden
            if not is_hidden:
                wire.lend()

    def beside(
        self, session: Any, limit: int, close: Callable[[smtplib.SMTP], None]
    ) -> Others | None:
        """Return the sessions that a batch may use beside a hidden one, if there are any."""
        is_hidden = session in self._own and wire_of(session, self._server).is_hidden
        if limit == 1 or not is_hidden or dialing.memory.is_crowded(self._place):
            return None

        def open_another() -> smtplib.SMTP:
            another = self._pool.take(smtp_class(self._server))
            if another is None:
                if not self._limit.begin():
                    raise self._too_many()
                another = self._connect(Deadline(IMPATIENCE), is_patient=False)
            spent(another)
            return another

        from .parallel import Others

        return Others(limit, open_another, self.reopen, close)

    def is_fit(self, session: Any) -> bool:
        """Return True if a session can be kept for other messages."""
        wire = session.file
        if session not in self._own or was_used(session) or not isinstance(wire, Wire):
            return False
        if dialing.memory.is_crowded(self._place):
            return False  # others wait for a connection
        is_full = self._max_emails is not None and wire.messages >= self._max_emails
        return not is_full and wire.settle is None and not wire.is_tired


def spent(session: Any) -> float:
    """Return the seconds that it took to open a session, and reset them."""
    wire, seconds = session.file, 0.0
    if isinstance(wire, Wire):
        seconds, wire.spent = wire.spent, 0.0
    return seconds
