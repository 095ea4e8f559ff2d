"""Dialogue over one connection: commands out, replies in, and the state that they leave."""

from __future__ import annotations

import logging
import os
import smtplib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ..util.clocks import monotonic
from .alarms import is_of_link
from .deadline import UNLIMITED, Clock
from .replies import Reply, printable
from .transport import Transport

if TYPE_CHECKING:
    from ..util.secret import Secrets

log = logging.getLogger("flask_mail.smtp")

FIRST_MESSAGES = 4
"""Maximum number of messages in flight on a new connection."""

_QUIET = 1.0
"""Seconds without a reply after which a reply is awaited before content is sent."""

_MOMENT = 0.002
"""Seconds for which the result of a probe for a stale connection is valid."""


class Wire(Transport):
    """One connection of a session.

    Replaces :attr:`smtplib.SMTP.file`, so that reads by smtplib are bounded too.

    :cvar traces_all: True to log the dialogue of each new connection.
    :ivar messages: number of messages that were accepted on it.
    :ivar window: maximum number of messages in flight.
    :ivar is_dirty: True if a transaction may be open, which RSET must end.
    :ivar is_chunk_refused: True if the last message ended with a refused chunk (BDAT).
    :ivar discards_refused_chunks: True if the server has proved that it reads none as commands.
    :ivar is_unheard: True if the next replies may have waited to be read.
    :ivar is_hidden: True if no program sees it, so its socket may stay non-blocking.
    :ivar is_lent: True if a program has used it since the last message.
    :ivar is_closing: True if the server has sent 421, after which it closes.
    :ivar is_tired: True if the server takes no more messages on it, at least for now.
    :ivar is_traced: True if its dialogue is logged.
    :ivar secret: secrets to redact from replies and the transcript.
    :ivar settle: completes what is in flight, before other code uses the connection.
    :ivar spent: seconds spent on opening it, not yet attributed to a message.
    :ivar opening: seconds that it took to open it.
    """

    traces_all: ClassVar[bool] = False

    def __init__(
        self, sock: Any, timeout: float, name: str, *, debug: bool, clock: Clock = monotonic
    ) -> None:
        super().__init__(sock, timeout, clock=clock)
        self.messages = 0
        self.window = FIRST_MESSAGES
        self.is_dirty = False
        self.is_chunk_refused = False
        self.discards_refused_chunks = False
        self.is_hidden = False
        self.is_lent = False
        self.is_unheard = False
        self.is_closing = False
        self.is_tired = False
        self.spent = self.opening = 0.0
        self.secret: Secrets | None = None
        self.settle: Callable[[], None] | None = None
        self.is_traced = debug or self.traces_all
        self._name = name
        self._opened = self._heard_at = clock()

    def give_back(self) -> None:
        """Return the session to the program."""
        self.awaits_verdict = False
        self.deadline = UNLIMITED
        if not self.is_hidden:
            self.lend()

    def readline(self, limit: int = -1) -> bytes:
        """Return the next line, for smtplib; empty if the peer has hung up."""
        while (line := self._in.line()) is None:
            if self._is_over:
                return b""
            self._wait()
            self._fill()
            if self.is_lent:
                self.lend()
        self._heard_at = self._clock()
        if line[3:4] != b"-":
            self._since = None
        if self.is_traced:
            self.trace("S", printable(line.decode("utf-8", "replace")))
        return line

    def close(self) -> None:
        """Discard unsent data; the socket is closed by its owner."""
        self._is_over = True
        self.output.clear()

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return self._clock() - self._opened

    def is_stale(self) -> bool:
        """Return True if an idle connection is unusable: the peer has closed it or is about to."""
        self._probed_at = None
        is_own = self._pid == os.getpid()
        received = self._in
        try:
            if is_own and not (received.unread or received.code or self._is_over):
                self._fill()
        except OSError as error:
            if not is_of_link(error):
                raise
            return True
        is_broken = self._failure is not None or self._is_over or self.is_closing
        is_stale = is_broken or bool(received.unread or received.code) or not is_own
        self._probed_at = None if is_stale else self._clock()
        return is_stale

    def was_just_probed(self) -> bool:
        """Return True if :meth:`is_stale` was False a moment ago and nothing was written since."""
        probed_at, self._probed_at = self._probed_at, None
        if probed_at is None or self.is_lent:
            return False
        return 0 <= self._clock() - probed_at < _MOMENT

    def is_quiet(self) -> bool:
        """Return True if nothing was received for a while: the peer may be gone silently."""
        return self.is_unheard or self._clock() - self._heard_at > _QUIET

    def now(self) -> float:
        """Return the time by the clock of this connection."""
        return self._clock()

    def was_left_alone_since(self, since: float) -> None:
        """Record that nothing was read since then, so the next reply may be that old."""
        self.is_unheard = self.is_unheard or self._clock() - since > _QUIET

    def look(self) -> Reply | None:
        """Write and read without waiting; return the next reply if it is complete."""
        self._flush()
        return (self._reply() if self._in.unread else None) or self._received()

    def hear(self) -> Reply:
        """Write, and wait for the next reply.

        :raises smtplib.SMTPServerDisconnected: the peer has hung up.
        :raises smtplib.SMTPResponseException: the reply is too long.
        :raises TimeoutError: there was no progress in time.
        """
        reply = self._reply() if self._in.unread else None
        while reply is None:
            self._flush()
            if self._failure is None:
                self._wait()
            reply = self._received()
        return reply

    def ask(self, line: bytes, shown: str) -> Reply:
        """Write one command and return its reply.

        :param shown: the line as the transcript shows it, without a secret.
        """
        self.awaits_verdict = False
        self.trace("C", shown)
        self.write(line + b"\r\n")
        return self.hear()

    def trace(self, who: str, text: str) -> None:
        """Log a line of the dialogue if tracing is on."""
        if self.is_traced:
            if self.secret is not None:
                text = self.secret.redact(text)
            log.debug("%s %s: %s", self._name, who, text)

    def _received(self) -> Reply | None:
        self._fill()
        reply = self._reply()
        if reply is None and self._failure is not None:
            raise self._failure
        if reply is None and self._is_over:
            raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
        return reply

    def _reply(self) -> Reply | None:
        reply = self._in.reply()
        if reply is not None:
            self._since = None
            self._heard_at = self._clock()
            # After a malformed reply, replies may be misattributed.
            self.is_closing = self.is_closing or reply.code in (421, -1)
            if self.secret is not None and reply.code != 334:  # a challenge must stay unchanged
                reply = reply._replace(text=self.secret.redact(reply.text))
            if self.is_traced:
                self.trace("S", str(reply))
        return reply
