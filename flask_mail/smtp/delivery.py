"""Delivery of messages over one session, with new connections if it breaks."""

from __future__ import annotations

import copy
import os
import smtplib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from operator import methodcaller
from typing import TYPE_CHECKING

from ..errors import MailError, MessageError
from ..util.clocks import monotonic
from . import borrowed as lending
from . import errors, failures
from . import session as client
from .alarms import is_of_link
from .deadline import Clock, Deadline
from .lessons import Lessons
from .pipeline import Pipeline
from .results import Result
from .transaction import Transaction
from .wire import Wire

if TYPE_CHECKING:
    from ..mime.content import Content
    from ..receipt import Envelope
    from .replies import Reply
    from .session import Server

_IN_VAIN = 3
"""Connections in a row on which no message got a result, before the server is given up."""

_advance = methodcaller("advance", wait=True)

_SLOW = 0.1
"""Seconds: if a message takes longer to be made, those in flight are finished before the next."""

Item = tuple["Envelope", "bytes | Content"]


class Delivery:
    """Delivery of messages over one session.

    :param host: the session; may be closed.
    :param reopen: reconnects it; ``None`` if that is left to the program.
    :param max_emails: maximum number of messages per connection; ``None`` for no limit.
    :param seconds: returns the time limit for a message of so many octets; ``None`` for no limit.
    """

    def __init__(
        self,
        host: smtplib.SMTP,
        server: Server,
        *,
        reopen: Callable[[Deadline], None] | None,
        max_emails: int | None = None,
        seconds: Callable[[int], float | None] = lambda octets: None,
        clock: Clock = monotonic,
    ) -> None:
        self._host = host
        self._server = server
        self._reopen = reopen
        self._max_emails = max_emails
        self._seconds = seconds
        self._clock = clock
        self._pid = os.getpid()
        self._flight: Pipeline | None = None
        self._waiting: deque[Transaction] = deque()  # not yet yielded, in order
        self._upcoming: Item | None = None
        self._again: deque[Transaction] = deque()  # to be started again, in order
        self._gone: Exception | None = None  # why there is no connection any more
        self._in_vain = 0
        self._lessons = Lessons()
        self._is_slow = False

    def carry(self, items: Iterable[Item]) -> Iterator[Result]:
        """Yield the result of each message, in order.

        Messages are taken from `items` as there is room for them, and one more, which is made while
        the server is busy.
        """
        source: Iterator[Item] | None = iter(items)
        waiting = self._waiting
        with self._alone():
            while True:
                if self._pid != os.getpid():  # a child; not by the property, for its price
                    self._leave_to_parent()
                while waiting and (result := waiting[0].result) is not None:
                    self._lessons.note_result(waiting.popleft(), result)
                    lending.occupy(self._host, False)
                    yield result
                    lending.occupy(self._host, True)
                if self._again and self._has_room():
                    self._begin(self._again.popleft())
                elif self._upcoming is not None and not self._again and self._has_room():
                    self._begin(self._taken(self._upcoming))
                elif self._upcoming is None and source is not None and self._may_take():
                    self._upcoming = self._next(source)
                    if self._upcoming is None:
                        source = None
                elif self._flight is not None and self._flight.under_way:
                    self._attempt(_advance)
                else:
                    return

    def settle(self) -> None:
        """Wait until nothing is in flight, before other code uses the session."""
        self._attempt(Pipeline.settle)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Reserve the session. Completes a batch in flight first, such as one whose signal receiver
        sends a message."""
        link = self._host.file
        if isinstance(link, Wire) and link.settle is not None:
            link.settle()
        lending.occupy(self._host, True)
        try:
            yield
        finally:
            if self._flight is not None:
                if self._flight.under_way and self._host.file is self._flight.link:
                    client.drop(self._host)  # it was interrupted
                self._flight.link.settle = None
                self._flight.link.give_back()
            lending.occupy(self._host, False)

    def _has_room(self) -> bool:
        flight = self._flight
        if flight is None or not flight.under_way:
            return True
        return flight.has_room and not self._is_full(flight.link, len(flight.under_way))

    def _may_take(self) -> bool:
        flight = self._flight
        if flight is None or not flight.under_way:
            return True
        if self._is_slow:
            return False  # yield the results of those in flight first
        # The server must not wait for the rest of a message while the program makes the next one,
        # which may take longer than the server's timeout.
        last = flight.under_way[-1]
        if not (last.is_pipelined and last.has_said_all):
            return False
        self._attempt(lambda flight: flight.link.push())
        return not flight.under_way or flight.link.sent == flight.link.put

    def _next(self, source: Iterator[Item]) -> Item | None:
        asked = self._clock()
        link = self._flight.link if self._flight is not None else None
        since = link.now() if link is not None else 0.0
        lending.occupy(self._host, False)
        item = next(source, None)
        lending.occupy(self._host, True)
        if link is not None:
            link.was_left_alone_since(since)
        self._is_slow = self._clock() - asked > _SLOW
        return item

    def _taken(self, item: Item) -> Transaction:
        envelope, content = item
        deadline = Deadline(self._seconds(len(content)), self._clock)
        self._waiting.append(Transaction(envelope, content, deadline))
        self._upcoming = None
        return self._waiting[-1]

    @property
    def _is_child(self) -> bool:
        """True in a child process, after a generator, receiver or signal handler forked."""
        return self._pid != os.getpid()

    def _leave_to_parent(self) -> None:
        """Give up the messages that were taken: the parent process continues the batch."""
        link = self._host.file
        if isinstance(link, Wire) and not link.is_own:
            client.drop(self._host)
        self._flight = None
        self._again.clear()
        if self._upcoming is not None:
            self._taken(self._upcoming)
        for transaction in self._waiting:
            if transaction.result is None:
                transaction.leave_to_parent()

    def _begin(self, transaction: Transaction) -> None:
        try:
            if self._gone is not None:
                raise copy.copy(self._gone)  # each message needs a copy, which gets its own receipt
            self._make_ready(transaction.deadline)
        except MailError as error:
            if self._is_child:
                self._leave_to_parent()
                return
            error.with_traceback(None)  # its frames would keep the content alive
            if not failures.is_own_deadline(error):
                self._gone = error
            transaction.give_up()  # the first error wins
            transaction.end_with(transaction.result or Result(error=error))
        else:
            self._attempt(lambda flight: self._add(flight, transaction))

    def _add(self, flight: Pipeline, transaction: Transaction) -> None:
        try:
            flight.add(transaction)
        except MailError as error:  # it cannot be sent here, and no command was written
            error.with_traceback(None)
            transaction.end_with(Result(error=error, attempts=transaction.attempts + 1))
        else:
            while flight.under_way and flight.has_room and flight.advance(wait=False):
                pass

    def _attempt(self, step: Callable[[Pipeline], object]) -> None:
        """Take a step, and handle a connection that breaks."""
        flight = self._flight
        if flight is None:
            return
        try:
            step(flight)
        except OSError as error:
            if not is_of_link(error):
                raise
            self._lose(flight, error)
        except MessageError as error:
            # An attached file has changed. The server does not accept content without its end.
            client.drop(self._host)
            flight.break_off(error)
        else:
            if not flight.under_way and (flight.link.is_closing or flight.link.has_unread):
                client.drop(self._host)
        self._again.extend(flight.unfinished)
        flight.unfinished.clear()

    def _lose(self, flight: Pipeline, error: OSError) -> None:
        if self._is_child:
            self._leave_to_parent()
            return
        client.drop(self._host)
        self._lessons.note_break(flight)
        for transaction in reversed(flight.end(error)):
            if self._reopen is None:
                transaction.give_up()
            else:
                self._again.appendleft(transaction)
        self._in_vain = 0 if flight.concluded else self._in_vain + 1
        if self._in_vain >= _IN_VAIN:
            self._gone = errors.ServerDisconnected(
                f"The server {self._server} closed {_IN_VAIN} connections in a row without"
                " answering a message, so no more were tried.",
                stage="connect",
            )

    def _make_ready(self, deadline: Deadline) -> None:
        """Ensure that there is a usable connection.

        :raises DeliveryError: none can be opened.
        """
        if self._flight is not None and self._flight.under_way:
            return
        host = self._host
        if host.sock is not None:
            link = client.link_of(host, self._server)
            if not link.was_just_probed() and link.is_stale():
                client.drop(host)
            elif self._reopen is not None and self._is_used_up(link):
                client.end(host)
        if host.sock is None and self._reopen is not None:
            client.reconnect(self._reopen, self._server, deadline)
        client.greet_if_needed(host, self._server)
        link = client.link_of(host, self._server)
        link.settle = self.settle
        link.be_prompt()
        if self._flight is None or self._flight.link is not link:
            self._flight = Pipeline(
                host, self._server, link, moves=self._moves, overlaps=self._lessons.overlaps
            )

    def _moves(self, reply: Reply) -> bool:
        return self._reopen is not None and self._lessons.moves(reply)

    def _is_used_up(self, link: Wire) -> bool:
        flight = self._flight
        is_retired = flight is not None and flight.link is link and flight.is_retired
        return is_retired or self._is_full(link) or self._is_too_old(link)

    def _is_full(self, link: Wire, under_way: int = 0) -> bool:
        return self._max_emails is not None and link.messages + under_way >= self._max_emails

    def _is_too_old(self, link: Wire) -> bool:
        max_age = self._server.max_age  # so that changes of DNS are noticed
        return max_age is not None and link.messages > 0 and link.age >= max_age
