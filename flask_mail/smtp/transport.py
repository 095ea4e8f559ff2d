"""Octets of one connection: written and read without blocking, with each wait limited in time.

RFC 2920 and RFC 3030 let a client write while replies are outstanding. A client that only writes
may deadlock with a server that waits for its replies to be read, so each wait here is for both.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import TYPE_CHECKING, Any

from ..util.clocks import monotonic
from .alarms import TOLERABLE, TOLERANT, is_of_link, is_tolerable
from .deadline import UNLIMITED, Clock, DeadlinePassed, Silence
from .polling import is_ready
from .reader import Reader
from .writer import WOULD_BLOCK, Writer

if TYPE_CHECKING:
    from ..mime.content import Content, Portion

_BLOCK = 64 * 1024
"""More than a TLS record: polling the socket would not notice data left in OpenSSL's buffer."""

_VERDICT, _VERDICT_FACTOR = 600.0, 30
"""Seconds for the reply to content, which may be scanned and delivered first (RFC 5321 section
4.5.3.2.6); less if MAIL_TIMEOUT is short."""

_PROGRESS = 16 * 1024
"""Octets that the peer must take within MAIL_TIMEOUT: a byte now and then is not progress."""

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)  # Linux alone has it


class Transport:
    """Non-blocking socket of a connection, with its buffers.

    :param timeout: seconds to wait for a complete reply, and for progress in writing; thirty times
        as long for the reply to content, up to ten minutes.
    :ivar awaits_verdict: True if the next reply is that to content.
    :ivar deadline: limit for the operation in progress.
    """

    def __init__(self, sock: Any, timeout: float, *, clock: Clock = monotonic) -> None:
        self.deadline = UNLIMITED
        self.awaits_verdict = False
        self._sock = sock
        self._timeout = timeout
        self._verdict_timeout = max(timeout, min(_VERDICT, _VERDICT_FACTOR * timeout))
        self._clock = clock
        self._pid = os.getpid()
        self._is_prompt = False
        self._wants_read = False  # before more can be written
        self._since: float | None = None  # start of the current wait
        self._written = 0  # octets written since then
        self.output = Writer(sock)
        """The octets to be sent, and how many the operating system has taken."""
        self._failure: OSError | None = None
        self._in = Reader()
        self._is_over = False
        self._lent_timeout: float | None = timeout
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

    @property
    def is_own(self) -> bool:
        """True if this process opened it: a forked child must not write to it."""
        return self._pid == os.getpid()

    @property
    def unread(self) -> bytes:
        """Octets received after the replies that were taken."""
        return self._in.rest

    @property
    def has_unread(self) -> bool:
        """True if there are :attr:`unread` octets."""
        return bool(self._in.unread or self._in.code)

    def write(self, data: bytes | memoryview | Content | Portion) -> None:
        """Queue `data` for the next :meth:`look` or :meth:`hear`."""
        self._probed_at = None
        self.output.write(data)

    def push(self) -> None:
        """Write what can be written without waiting."""
        self._flush()

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
        while True:
            try:
                self._sock.do_handshake()
            except ssl.SSLWantReadError:
                self._wait(write=False)
            except ssl.SSLWantWriteError:
                self._wait(write=True)
            else:
                self._since = None
                return

    def awaited(self, *, write: bool | None = None) -> tuple[Any, bool, float]:
        """Return the socket to wait for, True if it may be written too, and the seconds left.

        Without seconds left, or after a failure, :meth:`hear` takes what is there or raises.

        :param write: True to wait until it can be written; default: if data is queued.
        """
        if self._failure is not None:
            return self._sock, False, 0.0  # the socket may not report it a second time
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
        is_verdict = self.awaits_verdict and not self.output.pieces
        timeout = self._verdict_timeout if is_verdict else self._timeout
        left = max(0.0, self._since + timeout - self._clock())
        try:
            left = self.deadline.left(left)
        except DeadlinePassed:
            # A reply that arrived before the deadline is in time, even if it is read later.
            return self._sock, False, 0.0
        if write is None:
            write = bool(self.output.pieces) and not self._wants_read
        return self._sock, write, left

    def _wait(self, *, write: bool | None = None) -> None:
        """Wait until data can be read or, if any is queued, written."""
        if not is_ready(*self.awaited(write=write)):
            self.deadline.left(1.0)  # raises if the deadline was the limit
            raise Silence("timed out")

    def _flush(self) -> None:
        """Write as much as the operating system takes without waiting, within bounds."""
        self._wants_read = False
        if self._failure is not None:
            self.output.clear()  # after a gap, it would be taken for the missing data
            return
        before = self.output.sent
        try:
            self.take()
            self.output.flush()
        except ssl.SSLWantReadError:
            self._wants_read = True
        except WOULD_BLOCK as error:
            if not is_of_link(error):
                self._fail(error)
        except BaseException as error:  # noqa: BLE001 (raised again)
            # The peer's reason for closing may be waiting to be read.
            self._fail(error)
        written = self.output.sent - before
        self._written += written
        if self._written >= _PROGRESS or (written and not self.output.pieces):
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
        self.output.clear()
        if isinstance(error, OSError) and is_of_link(error):
            self._failure = self._failure or error
            return self._failure
        # Received octets may be lost, and queued ones may have been sent.
        self._failure = ConnectionAbortedError(errno.ECONNABORTED, "it was interrupted")
        raise error
