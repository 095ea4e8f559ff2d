"""Delivery of a batch over several sessions at the same time.

All of it happens in the thread of the caller: while one server process is busy, the others are
served. Threads would be seen by the program, whose signal receivers, generators and forks would
have to cope with them.
"""

from __future__ import annotations

import logging
import math
import smtplib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import MailError
from . import dialing, pipeline, polling
from .channel import WAIT, Channel, Reopen
from .delivery import Delivery
from .growth import Growth, Pace
from .session import drop, leave, wire_of

if TYPE_CHECKING:
    from .transaction import Transaction
    from .wire import Wire

log = logging.getLogger("flask_mail.smtp")


@dataclass(frozen=True)
class Others:
    """Further sessions of a batch.

    :ivar limit: maximum number of sessions in all.
    :ivar open: returns a session, without waiting for a server that is full.
    :ivar reopen: returns a function that reconnects one.
    :ivar close: takes one back.
    """

    limit: int
    open: Callable[[], smtplib.SMTP]
    reopen: Callable[[smtplib.SMTP], Reopen]
    close: Callable[[smtplib.SMTP], None]


class ParallelDelivery(Delivery):
    """Delivery of messages over one session, and over others beside it.

    Another one is opened if messages wait for the server. If the server refuses it, or asks to slow
    down, the batch continues with fewer.
    """

    _is_parallel = True

    def __init__(self, *arguments: Any, others: Others, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._others = others
        self._channels = [self._main]
        self._again: deque[Transaction] = deque()  # to be started again, on any session
        self._growth = Growth(others.limit)
        self._pace = Pace(self._clock)
        self._growth.opened(getattr(self._host.file, "opening", 0.0))

    def _next(self) -> tuple[Channel, Transaction] | None:
        free = [each for each in self._channels if each.has_room]
        if not free:
            return None
        channel = min(free, key=lambda each: (not each.again, each.load))
        if channel.again:
            return channel, channel.again.popleft()
        if self._pace.seconds_left():
            return None
        if self._again:
            return channel, self._again.popleft()
        item = None if self._is_window_full() else self._source.upcoming
        return (channel, self._taken(item)) if item is not None else None

    @property
    def _has_next(self) -> bool:
        """True if a message waits that any session could deliver."""
        is_ready = self._source.upcoming is not None and not self._is_window_full()
        return is_ready or bool(self._again)

    def _is_window_full(self) -> bool:
        """Return True if the first of many messages must be finished before another is started."""
        at_most = pipeline.MESSAGES * self._growth.limit
        held = sum(len(each.content) for each in self._waiting if each.result is not None)
        return len(self._waiting) >= at_most or held >= pipeline.OCTETS

    def _may_take(self) -> bool:
        if not self._busy:
            return True
        if self._source.is_slow:
            return False  # yield the results of those in flight first
        if self._source.is_trusted:
            return True
        is_all = True
        for each in list(self._channels):
            is_all = each.push() and is_all
            self._look_after(each)
        return is_all

    @property
    def _busy(self) -> list[Channel]:
        return [each for each in self._channels if each.is_busy]

    @property
    def _links(self) -> list[Wire]:
        return [wire for each in self._channels if (wire := each.wire) is not None]

    def _begin(self, channel: Channel, transaction: Transaction) -> None:
        if transaction.is_deferred and not transaction.deadline.has(0):
            transaction.give_up()
            return
        self._pace.note_start()
        super()._begin(channel, transaction)
        self._look_after(channel)

    def _fail_to_begin(self, channel: Channel, transaction: Transaction, error: MailError) -> None:
        if channel.is_alone or not transaction.deadline.has(0):
            super()._fail_to_begin(channel, transaction, error)
        else:
            channel.again.appendleft(transaction)
            self._drop(channel, error)

    def _advance(self) -> None:
        is_short = self._is_short
        seconds = math.inf
        if is_short:
            seconds = self._growth.seconds_left(len(self._channels))
        elif self._has_next and (pause := self._pace.seconds_left()):
            seconds = pause
        busy = self._busy
        if is_short and not seconds:
            self._grow()
        elif not busy:
            time.sleep(self._pace.seconds_left())  # looked up each time: gevent replaces it
        elif awake := [each for each in busy if each.is_awake]:
            for each in awake:
                each.look()
                self._look_after(each)
        else:
            started = self._clock()
            self._wait_for_any(busy, seconds)
            if is_short:
                self._growth.waited(self._clock() - started)

    def _wait_for_any(self, busy: list[Channel], seconds: float) -> None:
        waits = []
        for each, wire in [(each, wire) for each in busy if (wire := each.wire) is not None]:
            sock, write, left = wire.awaited()
            if not left:
                each.attempt(WAIT)  # takes a reply that is there, or gives up
                each.is_awake = True  # others may have been read with it
                self._look_after(each)
                return
            seconds = min(seconds, left)
            waits.append((each, sock, write))
        found = polling.ready([(sock, write) for _, sock, write in waits], seconds)
        for each, sock, _ in waits:
            each.is_awake = sock.fileno() in found

    @property
    def _is_short(self) -> bool:
        """True if a message waits that another connection could deliver."""
        is_full = len(self._channels) >= self._growth.limit
        if is_full or self._pace.seconds_left() or not self._has_next:
            return False
        # A server that has accepted nothing yet is not asked for more.
        return any(wire.messages for wire in self._links)

    def _grow(self) -> None:
        """Use another session, if there can be one."""
        moments = [(wire, wire.now()) for wire in self._links]
        try:
            host = self._others.open()
        except MailError as error:
            if error.__cause__ is not None and dialing.is_interruption(error.__cause__):
                raise error.__cause__ from None
            self._settle_for(error)
            return
        finally:
            for wire, moment in moments:
                wire.was_left_alone_since(moment)
        self._channels.append(self._channel(host, self._others.reopen(host)))
        for each in self._channels:
            each.is_alone = False
        self._growth.opened(wire_of(host, self._server).opening)

    def _look_after(self, channel: Channel) -> None:
        """Handle what the last step left on a channel."""
        if channel.deferred:
            self._again.extend(channel.deferred)
            channel.deferred.clear()
            if self._pace.slow_down():
                self._growth.limit = max(1, len(self._channels) - 1)
                channel.is_leaving = not channel.is_alone
        is_useless = channel.is_leaving or channel.is_unwelcome or channel.gone is not None
        if is_useless and not channel.is_alone and not channel.is_busy:
            self._drop(channel, channel.gone)

    def _drop(self, channel: Channel, reason: Exception | None) -> None:
        """Continue without one of several sessions, and open no others."""
        self._channels.remove(channel)
        self._settle_for(reason)
        self._again.extendleft(reversed(channel.again))
        channel.again.clear()
        leave(channel.host)
        channel.end()
        channel.is_alone = True
        if len(self._channels) == 1:
            last = self._channels[0]
            last.is_alone = True
            last.is_leaving = last.is_unwelcome = False

    def _settle_for(self, reason: Exception | None) -> None:
        """Open no more connections."""
        self._growth.limit = len(self._channels)
        why = f": {reason}" if reason is not None else ""
        log.info("The batch continues over %d connection(s)%s", len(self._channels), why)

    def _leave_to_parent(self) -> None:
        for each in self._channels:
            each.leave_to_parent()
        self._channels = [self._main]
        self._main.is_alone = True
        self._again.clear()
        super()._leave_to_parent()

    def _end(self, *, is_done: bool) -> None:
        left = list(self._channels)
        try:
            while left:
                left[-1].end()
                if left[-1] is not self._main:
                    (self._others.close if is_done else drop)(left[-1].host)
                left.pop()
        finally:
            for each in left:  # a signal handler has interrupted it
                drop(each.host)
