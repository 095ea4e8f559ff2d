"""A worker: claims rows that are due, gives them to their mailers, and records the outcomes."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from flask_mail import MailError

from ..backend import QueueBackend
from ..database import queries, upkeep
from ..database.files import wipe_unused
from ..database.schema import State
from ..database.store import describe_failure
from ..feedback import events
from ..queues import contents_of
from ..tracing import observe
from .claims import Claimed, Result
from .delivery import Delivery, Mailer
from .jitter import spread
from .leases import LeaseLost, Leases
from .protocol import Protocol
from .rehearsal import rehearse
from .renewal import Renewal
from .signals import signal_ended
from .stopping import Stop

_log = logging.getLogger("flask_mail.queue")
_T = TypeVar("_T")
_IDLE: Final = 2.0
_HOUR: Final = 3600.0
_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 30.0


class Worker:
    """Sends the mail of one queue.

    :param queues: all backends of the app that share its tables; each has one mailer.
    :param mailers: the names of the mailers whose mail it sends; default: of all queues.
    :param batch: the number of rows to claim in one transaction.
    :param once: end when no row is due.
    :param seconds: end after this time; ``None``: never.
    """

    def __init__(
        self,
        app: Any,
        queues: Sequence[QueueBackend],
        *,
        mailers: Collection[str] | None = None,
        stop: Stop | None = None,
        batch: int = 50,
        once: bool = False,
        seconds: float | None = None,
    ) -> None:
        self._app = app
        self._queues = {each.target: each for each in queues}
        self._names = [each for each in self._queues if mailers is None or each in mailers]
        self._lease = self._queues[self._names[0]].lease
        self._store = queues[0].store
        self._stop = stop or Stop()
        self._batch = batch
        self._once = once
        self._until = None if seconds is None else time.monotonic() + seconds
        self._rests: dict[str, tuple[float, float]] = {}  # mailer -> (until, seconds)
        self._in_doubt = False
        self._claim_in_doubt = False
        self._reaped = self._purged = float("-inf")
        self._complained: dict[str, float] = {}
        self.count = 0
        """The number of rows that were claimed."""
        self.outcomes: Counter[State] = Counter()
        """What became of them: a row that is tried again is counted each time, as queued."""

    def run(self) -> None:
        """Work until a signal, the end of the time, or with `once`, until no row is due.

        :raises SQLAlchemyError: the tables do not exist, or have other columns.
        """
        with self._store.engine.connect() as connection:
            rehearse(connection, list(self._queues.values()))
        self._begin()
        observe(self._app, self._store, self._names)
        try:
            while not self._must_stop():
                if not (self._swept() or self._worked()):
                    if self._once:
                        break
                    self._stop.wait(spread(_IDLE))
        finally:
            self._end()

    def _begin(self) -> None:
        # Random, after a fork: no other worker ever has this name.
        owner = secrets.token_hex(16)
        self._protocol = Protocol(self._store.tables, owner)
        self._leases = Leases(self._store.tables, owner, self._lease)
        self._renewal = Renewal(self._store, self._leases, self._lease)
        self._committed(lambda c: self._leases.register(c, socket.gethostname(), os.getpid()))
        if not self._store.is_in_memory:  # else all threads would share one connection
            self._renewal.start()

    def _end(self) -> None:
        self._renewal.stop()
        try:
            with self._store.begin() as connection:
                self._protocol.release(connection)
                self._leases.unregister(connection)
        except SQLAlchemyError as error:
            _log.warning("The worker could not sign off: %s.", describe_failure(error))

    def _must_stop(self) -> bool:
        is_late = self._until is not None and time.monotonic() >= self._until
        return self._stop.requested or is_late

    def _swept(self) -> bool:
        """Release what dead workers have left, if it is time to; return True if there was any."""
        if self._renewal.lost.is_set():
            self._renewed()
        if time.monotonic() - self._reaped < self._lease / 2:
            return False
        return self._sweep()

    def _sweep(self) -> bool:
        tables, queues = self._store.tables, list(self._queues.values())
        ended = self._committed(lambda c: [*self._leases.reap(c), *upkeep.expire(c, tables)])
        self._reaped = time.monotonic()
        for number in ended:
            row = self._committed(partial(queries.row, tables=tables, number=number))
            if row is not None:
                signal_ended(self._app, row, contents_of(queues, row["mailer"]))
        for number, state in self._committed(lambda c: events.settle_earlier(c, queues)):
            _log.info("Row %d %s, as an event has said before", number, state.value)
        self._committed(lambda c: wipe_unused(c, tables))
        for name in self._committed(lambda c: queries.mailers_due(c, tables)):
            if name not in self._queues:  # another worker may send its mail, if it exists
                self._target(name)
        if gone := [each.target for each in queues if each.contents.keep == "nothing"]:
            self._committed(lambda c: upkeep.purge_sent(c, tables, gone))
        if time.monotonic() - self._purged >= _HOUR and not any([*map(self._purge, queues)]):
            self._committed(lambda c: events.forget_old(c, tables))
            self._purged = time.monotonic()
        return bool(ended)

    def _purge(self, queue: QueueBackend) -> int:
        """Delete what the rules of a queue say of its own mailer, and return the number of rows."""
        name, age, tables = queue.target, queue.retention, self._store.tables
        whole = [name] if queue.contents.keep == "everything" else []
        return self._committed(lambda c: upkeep.purge(c, tables, age, mailer=name, keep=whole))

    def _worked(self) -> bool:
        """Do one round of all mailers; return True if there was anything to do."""
        found = False
        for name in self._names:
            if self._must_stop():
                return True
            self._renewal.progress()
            if self._rests.get(name, (0.0, 0.0))[0] <= time.monotonic():
                found |= self._worked_for(name)
        # Whenever nothing is due: a worker that runs once sees no other time.
        return found or self._sweep()

    def _worked_for(self, name: str) -> bool:
        mailer = self._mailer(name)
        if mailer is None:
            return False
        try:
            rows = self._claim(name)
        except LeaseLost:
            self._renewed()
            return True
        if not rows:
            return False
        self.count += len(rows)
        delivery = Delivery(
            mailer,
            rows,
            commit=partial(self._commit, repeatable=mailer.repeatable),
            give_back=self._give_back,
            window=self._queues[name].window,
            is_stopping=self._progressing,
        )
        delivery.run()
        self._rest(name, delivery)
        return True

    def _progressing(self) -> bool:
        self._renewal.progress()
        return self._must_stop()

    def _renewed(self) -> None:
        _log.warning("Another worker took this one for dead. It goes on under another name.")
        self._renewal.stop()
        self._begin()

    def _target(self, name: str) -> Any:
        """Return the backend and the policy of a mailer; ``None`` if it does not exist."""
        # As the settings are now: under TESTING another backend replaces it.
        try:
            return self._app.extensions["mail"].selection.child_target(name)
        except MailError as error:
            if time.monotonic() - self._complained.get(name, float("-inf")) > 60:
                self._complained[name] = time.monotonic()
                _log.error("Mail of mailer %r stays in the queue: %s", name, error)
            return None

    def _mailer(self, name: str) -> Mailer | None:
        target = self._target(name)
        if target is None:
            return None
        backend, policy = target
        queue = self._queues[name]
        pause = self._rests.get(name, (0.0, _PAUSE))[1]
        return Mailer(self._app, name, backend, policy, queue.give_up, queue.contents, pause)

    def _rest(self, name: str, delivery: Delivery) -> None:
        if delivery.unreachable is not None and not delivery.answers:
            pause = self._rests.get(name, (0.0, _PAUSE))[1]
            self._rests[name] = time.monotonic() + pause, min(pause * 2, _LONGEST_PAUSE)
        elif delivery.unreachable is not None:
            self._rests[name] = time.monotonic() + _PAUSE, 2 * _PAUSE
        else:
            self._rests.pop(name, None)

    def _claim(self, name: str) -> list[Claimed]:
        def claim(connection: Connection) -> list[Claimed]:
            if self._claim_in_doubt:
                self._protocol.release(connection)
            self._claim_in_doubt = True
            return self._protocol.claim(connection, name, self._batch)

        rows = self._committed(claim)
        self._claim_in_doubt = False
        return rows

    def _commit(
        self, results: list[Result], rows: list[Claimed], repeatable: float | None
    ) -> tuple[set[int], set[int]]:
        def exchange(connection: Connection) -> tuple[set[int], set[int]]:
            again, self._in_doubt = self._in_doubt, True
            return self._protocol.exchange(
                connection, results, rows, again=again, repeatable=repeatable
            )

        recorded, marked = self._committed(exchange)
        self._in_doubt = False
        self.outcomes.update(each.state for each in results if each.row.id in recorded)
        return recorded, marked

    def _give_back(self, rows: list[Claimed]) -> None:
        if rows:
            self._committed(lambda c: self._protocol.give_back(c, rows))
            self.outcomes[State.QUEUED] += len(rows)

    def _committed(self, do: Callable[[Connection], _T]) -> _T:
        """Run a transaction until it succeeds: until then this worker does nothing else.

        :raises Interrupted: a second signal came.
        """
        wait = _FIRST_WAIT
        while True:
            try:
                with self._store.begin() as connection:
                    return do(connection)
            except (DBAPIError, PoolTimeoutError) as error:
                # A rehearsal has shown that the statements are right.
                _log.error(  # not its text, which contains addresses
                    "The database of the queue fails: %s. Next try in %.1f seconds.",
                    describe_failure(error),
                    wait,
                )
            self._renewal.progress()
            time.sleep(spread(wait))
            wait = min(wait * 2, _LONGEST_WAIT)
