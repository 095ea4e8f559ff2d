"""Delivery of messages over one session, with new connections if it breaks."""

from __future__ import annotations

import copy
import os
import smtplib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ..errors import MailError
from ..util.clocks import monotonic
from . import failures
from .borrowed import occupy
from .channel import WAIT, Channel, Reopen
from .deadline import Clock, Deadline
from .lessons import Lessons
from .results import Result
from .source import Item, Source
from .transaction import Transaction
from .wire import Wire

if TYPE_CHECKING:
    from .session import Server


class Delivery:
    """Delivery of messages over one session.

    :param host: the session; may be closed.
    :param reopen: reconnects it; ``None`` if that is left to the program.
    :param max_emails: maximum number of messages per connection; ``None`` for no limit.
    :param seconds: returns the time limit for a message of so many octets; ``None`` for no limit.
    """

    _is_parallel = False
    """True if other sessions may be used too."""

    def __init__(
        self,
        host: smtplib.SMTP,
        server: Server,
        *,
        reopen: Reopen | None,
        max_emails: int | None = None,
        seconds: Callable[[int], float | None] = lambda octets: None,
        clock: Clock = monotonic,
    ) -> None:
        self._host = host
        self._server = server
        self._max_emails = max_emails
        self._seconds = seconds
        self._clock = clock
        self._pid = os.getpid()
        self._lessons = Lessons(may_defer=self._is_parallel)
        self._source: Source
        self._waiting: deque[Transaction] = deque()  # not yet yielded, in order
        self._gone: Exception | None = None  # why there is no connection any more
        self._main = self._channel(host, reopen)

    def carry(self, items: Iterable[Item]) -> Iterator[Result]:
        """Yield the result of each message, in order.

        Messages are taken from `items` as there is room for them, and one more, which is made while
        the server is busy.
        """
        self._source = source = Source(items, self._clock)
        waiting, again, is_parallel = self._waiting, self._main.again, self._is_parallel
        self._reserve()
        is_done = False
        try:
            while True:
                if self._pid != os.getpid():  # a child; not by the property, for its price
                    self._leave_to_parent()
                while waiting and (result := waiting[0].result) is not None:
                    self._lessons.note_result(waiting.popleft(), result)
                    occupy(self._host, False)
                    yield result
                    occupy(self._host, True)
                may_start = source.upcoming is not None or again or is_parallel
                if may_start and (start := self._next()) is not None:
                    self._begin(*start)
                elif source.upcoming is None and not source.is_over and self._may_take():
                    self._take()
                elif waiting or source.upcoming is not None:
                    self._advance()
                else:
                    is_done = True
                    return
        finally:
            self._end(is_done=is_done)
            occupy(self._host, False)

    def settle(self) -> None:
        """Wait until nothing is in flight, before other code uses the session."""
        self._main.settle()

    def _reserve(self) -> None:
        """Reserve the session. Completes a batch in flight first, such as one whose signal receiver
        sends a message."""
        wire = self._host.file
        if isinstance(wire, Wire) and wire.settle is not None:
            wire.settle()
        occupy(self._host, True)

    def _end(self, *, is_done: bool) -> None:
        self._main.end()

    def _channel(self, host: smtplib.SMTP, reopen: Reopen | None) -> Channel:
        return Channel(
            host,
            self._server,
            reopen=reopen,
            max_emails=self._max_emails,
            lessons=self._lessons,
            settle=self.settle,
        )

    def _next(self) -> tuple[Channel, Transaction] | None:
        """Return the next message to be started, and the session that has room for it."""
        channel = self._main
        if not channel.has_room:
            return None
        if channel.again:
            return channel, channel.again.popleft()
        item = self._source.upcoming
        return (channel, self._taken(item)) if item is not None else None

    def _may_take(self) -> bool:
        channel = self._main
        if not channel.is_busy:
            return True
        if self._source.is_slow:
            return False  # yield the results of those in flight first
        # The server must not wait for the rest of a message while the program makes the next one,
        # which may take longer than the server's timeout.
        return channel.push()

    def _take(self) -> None:
        moments = [(wire, wire.now()) for wire in self._links]
        occupy(self._host, False)
        self._source.take()
        occupy(self._host, True)
        for wire, moment in moments:
            wire.was_left_alone_since(moment)

    @property
    def _links(self) -> list[Wire]:
        """Connections that have carried messages of this batch."""
        wire = self._main.wire
        return [wire] if wire is not None else []

    def _taken(self, item: Item) -> Transaction:
        envelope, content = item
        deadline = Deadline(self._seconds(len(content)), self._clock)
        self._waiting.append(Transaction(envelope, content, deadline))
        self._source.upcoming = None
        return self._waiting[-1]

    def _advance(self) -> None:
        """Wait for the server, and process what it sends."""
        self._main.attempt(WAIT)

    @property
    def _is_child(self) -> bool:
        """True in a child process, after a generator, receiver or signal handler forked."""
        return self._pid != os.getpid()

    def _leave_to_parent(self) -> None:
        """Give up the messages that were taken: the parent process continues the batch."""
        self._main.leave_to_parent()
        if self._source.upcoming is not None:
            self._taken(self._source.upcoming)
        for transaction in self._waiting:
            if transaction.result is None:
                transaction.leave_to_parent()

    def _begin(self, channel: Channel, transaction: Transaction) -> None:
        try:
            if self._gone is not None:
                raise copy.copy(self._gone)  # each message needs a copy, which gets its own receipt
            channel.begin(transaction)
        except MailError as error:
            if self._is_child:
                self._leave_to_parent()
                return
            error.with_traceback(None)  # its frames would keep the content alive
            self._fail_to_begin(channel, transaction, error)

    def _fail_to_begin(self, channel: Channel, transaction: Transaction, error: MailError) -> None:
        """End a message for which there is no connection."""
        if not failures.is_own_deadline(error):
            self._gone = error
        transaction.give_up()  # the first error wins
        transaction.end_with(transaction.result or Result(error=error))
