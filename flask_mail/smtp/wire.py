"""I/O of one connection: replies in, bounded in size and time; commands and content out.

RFC 2920 and RFC 3030 let a client write while replies are outstanding. A client that only writes
may deadlock with a server that waits for its replies to be read, so each wait here is for both.
"""

from __future__ import annotations

import errno
import logging
import os
import smtplib
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..util.clocks import monotonic
from .alarms import TOLERABLE, TOLERANT, is_of_link, is_tolerable
from .deadline import Clock, Deadline, DeadlinePassed, Silence
from .polling import is_ready
from .reader import Incoming
from .replies import Reply, printable
from .writer import WOULD_BLOCK, Unsent

if TYPE_CHECKING:
    from ..mime.content import Content, Portion
    from ..util.secret import Secrets

log = logging.getLogger("flask_mail.smtp")

_BLOCK = 64 * 1024
"""More than a TLS record: polling the socket would not notice data left in OpenSSL's buffer."""

FIRST_MESSAGES = 4
"""Maximum number of messages in flight on a new connection."""

_VERDICT, _VERDICT_FACTOR = 600.0, 30
"""Seconds for the reply to content, which may be scanned and delivered first (RFC 5321 section
4.5.3.2.6); less if MAIL_TIMEOUT is short."""

_PROGRESS = 16 * 1024
"""Octets that the peer must take within MAIL_TIMEOUT: a byte now and then is not progress."""

_QUIET = 1.0
"""Seconds without a reply after which a reply is awaited before content is sent."""

_MOMENT = 0.002
"""Seconds for which the result of a probe for a stale connection is valid."""

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)  # Linux alone has it


class Link:
    """One connection of a session.

    Replaces :attr:`smtplib.SMTP.file`, so that reads by smtplib are bounded too.

    :param timeout: seconds to wait for a complete reply, and for progress in writing; thirty times
        as long for the reply to content, up to ten minutes.
    :ivar awaits_verdict: True if the next reply is that to content.
    :ivar deadline: limit for the operation in progress.
    :ivar messages: number of messages that were accepted on it.
    :ivar window: maximum number of messages in flight.
    :ivar is_dirty: True if a transaction may be open, which RSET must end.
    :ivar is_unheard: True if the next replies may have waited to be read.
    :ivar is_lent: True if a program has used it since the last message.
    :ivar is_closing: True if the server has sent 421, after which it closes.
    :ivar is_tired: True if the server takes no more messages on it, at least for now.
    :ivar is_traced: True if its dialogue is logged.
    :ivar secret: secrets to redact from replies and the transcript.
    :ivar settle: completes what is in flight, before other code uses the connection.
    :ivar spent: seconds spent on opening it, not yet attributed to a message.
    """

    def __init__(
        self, sock: Any, timeout: float, name: str, *, debug: bool, clock: Clock = monotonic
    ) -> None:
        self.deadline = Deadline()
        self.messages = 0
        self.window = FIRST_MESSAGES
        self.is_dirty = False
        self.is_lent = False
        self.is_unheard = False
        self.is_closing = False
        self.is_tired = False
        self.spent = 0.0
        self.secret: Secrets | None = None
        self.settle: Callable[[], None] | None = None
        self._sock = sock
        self.awaits_verdict = False
        self._timeout = timeout
        self._verdict_timeout = max(timeout, min(_VERDICT, _VERDICT_FACTOR * timeout))
        self._name = name
        self.is_traced = debug
        self._clock = clock
        self._opened = clock()
        self._pid = os.getpid()
        self._is_prompt = False
        self._wants_read = False  # before more can be written
        self._since: float | None = None  # start of the current wait
        self._written = 0  # octets written since then
        self._out = Unsent(sock)
        self._failure: OSError | None = None
        self._in = Incoming()
        self._is_over = False
        self._lent_timeout: float | None = timeout
        self._heard_at = clock()
        self._probed_at: float | None = None  # when it was not stale, if nothing was written since

    def take(self) -> None:
        """Make the socket non-blocking, until :meth:`lend`.

        :raises ConnectionAbortedError: another process has opened it.
        """
        if self._pid != os.getpid():
            raise ConnectionAbortedError(errno.ECONNABORTED, "it belongs to another process")
        timeout = self._sock.gettimeout()
        if timeout != 0:
            self._lent_timeout = timeout
            self._sock.settimeout(0)

    def give_back(self) -> None:
        """Return the session to the program."""
        self.awaits_verdict = False
        self.deadline = Deadline()
        self.lend()

    def lend(self) -> None:
        """Make the socket blocking again, as smtplib's methods need it."""
        if self._pid == os.getpid():  # the mode is shared with the parent
            try:
                self._sock.settimeout(self._lent_timeout)
            except TOLERABLE as error:  # it is closed
                if not is_tolerable(error):
                    raise

    def be_prompt(self) -> None:
        """Disable Nagle's algorithm, which delays the end of a message.

        Only after the TLS handshake, where it would cost a round trip more than it saves.
        """
        if not self._is_prompt:
            self._is_prompt = True
            with TOLERANT:  # not TCP
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def readline(self, limit: int = -1) -> bytes:
        """Return the next line, for smtplib; empty if the peer has hung up."""
        while (line := self._in.line()) is None:
            if self._is_over:
                return b""
            self._wait()
            self._fill()
        self._heard_at = self._clock()
        if line[3:4] != b"-":
            self._since = None
        self.trace("S", printable(line.decode("utf-8", "replace")))
        return line

    def close(self) -> None:
        """Discard unsent data; the socket is closed by its owner."""
        self._is_over = True
        self._out.clear()

    @property
    def is_own(self) -> bool:
        """True if this process opened it: a forked child must not write to it."""
        return self._pid == os.getpid()

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return self._clock() - self._opened

    @property
    def unread(self) -> bytes:
        """Octets received after the replies that were taken."""
        return self._in.rest

    @property
    def has_unread(self) -> bool:
        """True if there are :attr:`unread` octets."""
        return bool(self._in.unread or self._in.code)

    def is_stale(self) -> bool:
        """Return True if an idle connection is unusable: the peer has closed it or is about to."""
        self._probed_at = None
        is_own = self._pid == os.getpid()
        received = self._in
        try:
            if is_own and not (received.unread or received.code or self._is_over):
                is_lent = self._sock.gettimeout() != 0
                self._fill()
                if is_lent:
                    self.lend()
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

    @property
    def put(self) -> int:
        """Octets passed to :meth:`write` so far."""
        return self._out.put

    @property
    def sent(self) -> int:
        """Octets of them that the operating system has taken."""
        return self._out.sent

    def write(self, data: bytes | memoryview | Content | Portion) -> None:
        """Queue `data` for the next :meth:`look` or :meth:`hear`."""
        self._probed_at = None
        self._out.write(data)

    def push(self) -> None:
        """Write what can be written without waiting."""
        self._flush()

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

    def hurry(self, seconds: float) -> None:
        """Limit each wait from now on to `seconds`."""
        self._timeout = min(self._timeout, seconds)
        self._verdict_timeout = min(self._verdict_timeout, seconds)

    def wait_for(self, seconds: float) -> None:
        """Set the timeout for each reply except that to content."""
        self._timeout = seconds

    def shake_hands(self) -> None:
        """Do the TLS handshake, within the deadline.

        :raises OSError: it failed.
        """
        self.take()
        since = self._clock()
        while True:
            try:
                self._sock.do_handshake()
            except ssl.SSLWantReadError:
                self._await(since, write=False)
            except ssl.SSLWantWriteError:
                self._await(since, write=True)
            else:
                return

    def _wait(self) -> None:
        """Wait until data can be read or, if any is queued, written."""
        if self._since is None:
            self._since, self._written = self._clock(), 0
        if _QUICKACK is not None:
            # Nagle's algorithm on the server may wait for an ACK, which Linux delays by 40 ms. It
            # resets this option after a while.
            try:
                self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            except TOLERABLE as error:
                if not is_tolerable(error):
                    raise
        self._await(self._since, write=bool(self._out) and not self._wants_read)

    def _await(self, since: float, *, write: bool) -> None:
        is_verdict = self.awaits_verdict and not self._out
        timeout = self._verdict_timeout if is_verdict else self._timeout
        left = max(0.0, since + timeout - self._clock())
        try:
            left = self.deadline.left(left)
        except DeadlinePassed:
            # A reply that arrived before the deadline is in time, even if it is read later.
            if not is_ready(self._sock, write=False, seconds=0):
                raise
        else:
            if not is_ready(self._sock, write, left):
                self.deadline.left(1.0)  # raises if the deadline was the limit
                raise Silence("timed out")

    def _flush(self) -> None:
        """Write as much as the operating system takes without waiting, within bounds."""
        self._wants_read = False
        if self._failure is not None:
            self._out.clear()  # after a gap, it would be taken for the missing data
            return
        before = self._out.sent
        try:
            self.take()
            self._out.flush()
        except ssl.SSLWantReadError:
            self._wants_read = True
        except WOULD_BLOCK as error:
            if not is_of_link(error):
                self._fail(error)
        except BaseException as error:  # noqa: BLE001 (raised again)
            # The peer's reason for closing may be waiting to be read.
            self._fail(error)
        written = self._out.sent - before
        self._written += written
        if self._written >= _PROGRESS or (written and not self._out):
            self._since = None

    def _fill(self) -> None:
        """Read without waiting."""
        try:
            self.take()
            data = self._sock.recv(_BLOCK)
            self._in.unread += data
            self._is_over = not data
        except WOULD_BLOCK as error:
            if not is_of_link(error):
                self._fail(error)
        except BaseException as error:  # noqa: BLE001 (raised again)
            failure = self._fail(error)
            if not self.has_unread:
                raise failure from None

    def _fail(self, error: BaseException) -> OSError:
        """Stop writing and return the reason; raise `error` if it is not one of a connection."""
        self._out.clear()
        if isinstance(error, OSError) and is_of_link(error):
            self._failure = self._failure or error
            return self._failure
        # Received octets may be lost, and queued ones may have been sent.
        self._failure = ConnectionAbortedError(errno.ECONNABORTED, "it was interrupted")
        raise error

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
