"""One session of a batch: its pipeline, and new connections if it breaks."""

from __future__ import annotations

import smtplib
from collections import deque
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, Protocol

from ..errors import MailError, MessageError
from . import errors
from .alarms import is_of_link
from .deadline import Deadline
from .pipeline import Pipeline
from .results import Result
from .session import drop, end, greet_if_needed, reconnect, wire_of
from .transaction import is_break
from .wire import Wire

if TYPE_CHECKING:
    from .lessons import Lessons
    from .replies import Reply
    from .session import Server
    from .transaction import Transaction

_IN_VAIN = 3
"""Connections in a row on which no message got a result, before the server is given up."""

IMPATIENCE = 5.0
"""Seconds to connect while other connections of the batch wait for it."""

WAIT = methodcaller("advance", wait=True)
"""Step of :meth:`Channel.attempt`: wait for the next reply and process it."""


class Reopen(Protocol):
    """Reconnects a session.

    :param is_patient: True to retry for a while if the server is full for now.
    """

    def __call__(self, deadline: Deadline, *, is_patient: bool) -> None: ...


class Channel:
    """One session of a batch.

    :param host: the session; may be closed.
    :param reopen: reconnects it; ``None`` if that is left to the program.
    :param max_emails: maximum number of messages per connection; ``None`` for no limit.
    :param settle: completes what is in flight, before other code uses the session.
    """

    def __init__(
        self,
        host: smtplib.SMTP,
        server: Server,
        *,
        reopen: Reopen | None,
        max_emails: int | None,
        lessons: Lessons,
        settle: Callable[[], None],
    ) -> None:
        self.host = host
        self.again: deque[Transaction] = deque()
        """Messages to be started again, in order."""
        self.deferred: list[Transaction] = []
        """Messages for which the server asked to slow down."""
        self.wire: Wire | None = None
        """The present connection, if it has carried messages of this batch."""
        self.is_busy = False
        """True if messages are in flight."""
        self.is_awake = False
        """True if it may have replies that waiting for its socket would not report."""
        self.is_alone = True
        """False while the batch uses other sessions too, which can deliver its messages."""
        self.is_leaving = False
        """True if it must not start any more messages."""
        self.is_unwelcome = False
        """True if the server did not serve its present connection at all."""
        self.gone: Exception | None = None
        """Why no more connections are tried."""
        self._server = server
        self._reopen = reopen
        self._max_emails = max_emails
        self._lessons = lessons
        self._settle = settle
        self._pipeline: Pipeline | None = None
        self._in_vain = 0

    @property
    def load(self) -> int:
        """Number of messages in flight."""
        return len(self._pipeline.under_way) if self._pipeline is not None else 0

    @property
    def has_room(self) -> bool:
        """True if another message may be started."""
        pipeline = self._pipeline
        if self.is_leaving or pipeline is None or not self.is_busy:
            return not self.is_leaving
        return pipeline.has_room and not self._is_full(pipeline.wire, self.load)

    def push(self) -> bool:
        """Write what can be written; return True if nothing is left of the messages in flight."""
        pipeline = self._pipeline
        if pipeline is None or not self.is_busy:
            return True
        last = pipeline.under_way[-1]
        if not (last.is_pipelined and last.has_said_all):
            return False
        self.attempt(lambda pipeline: pipeline.wire.push())
        return not pipeline.under_way or pipeline.wire.output.sent == pipeline.wire.output.put

    def begin(self, transaction: Transaction) -> None:
        """Start a message.

        :raises MailError: there is no connection, and none can be opened.
        """
        if self.gone is not None:
            raise self.gone
        self._make_ready(transaction.deadline)
        self.is_awake = True
        self.attempt(lambda pipeline: self._add(pipeline, transaction))

    def look(self) -> None:
        """Write what can be written, and process the next reply if there is one."""
        self.is_awake = False

        def advance(pipeline: Pipeline) -> None:
            self.is_awake = pipeline.advance(wait=False)

        self.attempt(advance)

    def settle(self) -> None:
        """Wait until nothing is in flight."""
        self.attempt(Pipeline.settle)

    def attempt(self, step: Callable[[Pipeline], object]) -> None:
        """Take a step, and handle a connection that breaks."""
        pipeline = self._pipeline
        if pipeline is None:
            return
        try:
            step(pipeline)
        except OSError as error:
            if not is_of_link(error):
                raise
            self._lose(pipeline, error)
        except MessageError as error:
            # An attached file has changed. The server does not accept content without its end.
            drop(self.host)
            pipeline.break_off(error)
        else:
            if not pipeline.under_way and (pipeline.wire.is_closing or pipeline.wire.has_unread):
                drop(self.host)
        self.is_busy = bool(pipeline.under_way)
        for each in pipeline.unfinished:
            (self.deferred if each.is_deferred else self.again).append(each)
        pipeline.unfinished.clear()

    def leave_to_parent(self) -> None:
        """Give up the connection in a forked child: the parent process continues to use it."""
        wire = self.host.file
        if isinstance(wire, Wire) and not wire.is_own:
            drop(self.host)
        self._pipeline = self.wire = None
        self.is_busy = False
        self.again.clear()
        self.deferred.clear()

    def end(self) -> None:
        """Return the session to its owner; if messages are in flight, it was interrupted."""
        pipeline = self._pipeline
        if pipeline is not None:
            if pipeline.under_way and self.host.file is pipeline.wire:
                drop(self.host)
            pipeline.wire.settle = None
            pipeline.wire.give_back()

    def _add(self, pipeline: Pipeline, transaction: Transaction) -> None:
        try:
            pipeline.add(transaction)
        except MailError as error:  # it cannot be sent here, and no command was written
            error.with_traceback(None)
            transaction.end_with(Result(error=error, attempts=transaction.attempts + 1))
        else:
            while pipeline.under_way and pipeline.has_room and pipeline.advance(wait=False):
                pass

    def _lose(self, pipeline: Pipeline, error: OSError) -> None:
        if not pipeline.wire.is_own:
            return  # a child process: the parent continues
        drop(self.host)
        self._lessons.note_break(pipeline)
        is_unserved = not pipeline.concluded
        self.is_unwelcome = is_unserved and not self.is_alone
        # Another connection may be refused by 421 after its greeting, whatever the message is.
        is_blamed = not (self.is_unwelcome and pipeline.wire.is_closing and is_break(error))
        for transaction in reversed(pipeline.end(error, blames_first=is_blamed)):
            if self._reopen is None:
                transaction.give_up()
            else:
                self.again.appendleft(transaction)
        self._in_vain = self._in_vain + 1 if is_unserved else 0
        if self._in_vain >= _IN_VAIN:
            self.gone = errors.ServerDisconnected(
                f"The server {self._server} closed {_IN_VAIN} connections in a row without"
                " answering a message, so no more were tried.",
                stage="connect",
            )

    def _make_ready(self, deadline: Deadline) -> None:
        """Ensure that there is a usable connection.

        :raises DeliveryError: none can be opened.
        """
        if self.is_busy:
            return
        host = self.host
        if host.sock is not None:
            wire = wire_of(host, self._server)
            if not wire.was_just_probed() and wire.is_stale():
                drop(host)
            elif self._reopen is not None and self._is_used_up(wire):
                end(host)
        if host.sock is None and self._reopen is not None:
            limit = deadline if self.is_alone else deadline.within(IMPATIENCE)
            reopen = partial(self._reopen, is_patient=self.is_alone)
            reconnect(reopen, self._server, limit)
        greet_if_needed(host, self._server)
        wire = wire_of(host, self._server)
        wire.settle = self._settle
        wire.be_prompt()
        if self.wire is not wire:
            self.wire = wire
            self._pipeline = Pipeline(
                host,
                self._server,
                wire,
                moves=self._moves,
                defers=self._lessons.defers,
                overlaps=self._lessons.overlaps,
            )

    def _moves(self, reply: Reply) -> bool:
        return self._reopen is not None and self._lessons.moves(reply)

    def _is_used_up(self, wire: Wire) -> bool:
        pipeline = self._pipeline
        is_retired = pipeline is not None and pipeline.wire is wire and pipeline.is_retired
        return is_retired or self._is_full(wire) or self._is_too_old(wire)

    def _is_full(self, wire: Wire, under_way: int = 0) -> bool:
        return self._max_emails is not None and wire.messages + under_way >= self._max_emails

    def _is_too_old(self, wire: Wire) -> bool:
        max_age = self._server.max_age  # so that changes of DNS are noticed
        return max_age is not None and wire.messages > 0 and wire.age >= max_age
