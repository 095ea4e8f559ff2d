"""Delivery of the rows that a worker has claimed for one mailer."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from flask_mail.backends import (
    Backend,
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    MessageRefused,
    Outcome,
    Outgoing,
    Receipt,
)

from ..database.contents import Contents
from ..database.files import fetch
from ..database.schema import State
from .claims import Claimed, Result
from .outcomes import is_of_opening, result_of
from .signals import signal_outcome

_log = logging.getLogger("flask_mail.queue")


@dataclass(frozen=True)
class Mailer:
    """The mailer of a delivery, and the rules of the app for it."""

    app: Any
    name: str
    backend: Backend[Any]
    policy: Any
    give_up: float
    contents: Contents
    pause: float
    """Seconds until it is tried again if it cannot be reached."""

    @property
    def repeatable(self) -> float | None:
        """Seconds for which the peer recognizes a key, or ``None``.

        Half of what it promises, as an attempt takes time.
        """
        promised = self.backend.deduplicates
        return None if promised is None else promised / 2


@dataclass(frozen=True)
class _Answered:
    result: Result
    mail: Outgoing | None
    receipt: Receipt


class Delivery:
    """Gives claimed rows to a mailer, and records their outcomes.

    A row is given to the mailer after the commit that marks it; the same commit records the results
    so far.

    :param commit: records results and marks rows, until it succeeds; returns the ids of both.
    :param give_back: releases rows that were not given to the mailer.
    :param window: the number of rows that are marked in one commit.
    :param is_stopping: returns True if no further row is to be sent.
    """

    def __init__(
        self,
        mailer: Mailer,
        rows: list[Claimed],
        *,
        commit: Callable[[list[Result], list[Claimed]], tuple[set[int], set[int]]],
        give_back: Callable[[list[Claimed]], None],
        window: int,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._mailer = mailer
        self._claimed = deque(rows)
        self._marked: deque[tuple[Claimed, Outgoing]] = deque()
        self._unmarked: list[Claimed] = []
        # With the time at which the mailer took it.
        self._under_way: deque[tuple[Claimed, Outgoing, float]] = deque()
        self._answered: list[_Answered] = []
        self._commit = commit
        self._give_back = give_back
        self._window = window
        self._is_stopping = is_stopping
        self.unreachable: BaseException | None = None
        """The error if the mailer could not be reached, so that it should rest."""
        self.answers = 0
        """The number of messages that the mailer has judged."""

    def run(self) -> None:
        """Deliver the rows. Errors of the mailer are outcomes; only an interrupt is raised."""
        backend = self._mailer.backend
        try:
            session = backend.open()
        except Exception as error:  # noqa: BLE001 (nothing was marked)
            self.unreachable = error
            _log.warning("Mailer %s cannot be reached: %s", self._mailer.name, _text(error))
            self._finish()
            return
        is_clean = False
        try:
            for receipt in backend.deliver_many(self._mails(), session):
                self._answer(receipt)
            is_clean = not self._under_way and self.unreachable is None
        except Exception as error:  # noqa: BLE001 (an outcome of the messages)
            self._abandon(error)
        except BaseException as error:
            self._abandon(error)
            raise
        finally:
            try:
                (backend.close if is_clean else backend.abort)(session)
            finally:  # an interrupt must not lose the outcomes
                self._abandon(None)
                self._finish()

    def _mails(self) -> Iterator[Outgoing]:
        while self._claimed and not self._unmarked and not self._must_stop():
            rows = [self._claimed.popleft() for _ in range(min(self._window, len(self._claimed)))]
            opened = [(row, mail) for row in rows if (mail := self._opened(row)) is not None]
            prepared = self._prepared(opened)
            # Until the commit is known to have succeeded, all of them may be marked.
            self._marked.extend(prepared)
            marked = self._exchange([row for row, _ in prepared])
            self._marked = deque(each for each in prepared if each[0].id in marked)
            # Lost to another worker, or paused: so are those behind them.
            self._unmarked = [row for row, _ in prepared if row.id not in marked]
            while self._marked and not self._must_stop():
                self._under_way.append((*self._marked.popleft(), time.perf_counter()))
                yield self._under_way[-1][1]

    def _must_stop(self) -> bool:
        return self._is_stopping() or self.unreachable is not None

    def _opened(self, row: Claimed) -> Outgoing | None:
        """Return the message of a row; ``None`` if it cannot be read."""
        mail = None
        try:
            mail = self._mailer.contents.mail_of(row.record)
            fetch(mail)
        except Exception as error:  # noqa: BLE001 (the outcome of this row)
            self._note(row, mail, self._mailer.backend.receipt_of(error, mail, handed_over=False))
            return None
        return mail

    def _prepared(self, opened: list[tuple[Claimed, Outgoing]]) -> list[tuple[Claimed, Outgoing]]:
        """Return the messages that may be delivered, with their rows."""
        prepared = None
        try:
            with self._mailer.policy.together([mail for _, mail in opened]):
                admitted = [(row, self._admitted(row, mail)) for row, mail in opened]
                prepared = [(row, mail) for row, mail in admitted if mail is not None]
        except Exception as error:  # noqa: BLE001 (the outcome of the rows that have none yet)
            for row, mail in opened if prepared is None else prepared:
                receipt = self._mailer.backend.receipt_of(error, mail, handed_over=False)
                self._note(row, mail, receipt)
            return []
        return prepared or []

    def _admitted(self, row: Claimed, mail: Outgoing) -> Outgoing | None:
        """Return a message as it may be delivered; ``None`` if it may not."""
        try:
            self._check_repetition(row)
            if self._mailer.repeatable is not None and mail.message.key is None:
                mail.message.key = key_of(row, mail)
            for admit in self._mailer.policy.admissions:
                mail = admit(mail)
            self._mailer.backend.check(mail)
        except Exception as error:  # noqa: BLE001 (the outcome of this row)
            receipt = self._mailer.backend.receipt_of(error, mail, handed_over=False)
            self._note(row, mail, receipt)
            return None
        return mail

    def _check_repetition(self, row: Claimed) -> None:
        """Raise DeliveryUnknown if a row may have been accepted, and must not be sent again."""
        if row.repeatable is None:
            return
        if self._mailer.repeatable is None or row.repeatable <= 0:
            raise DeliveryUnknown(
                "An earlier attempt may have been accepted, and the mailer does not recognize the"
                " message any more."
            )

    def _answer(self, receipt: object) -> None:
        if not self._under_way:
            raise BackendUnavailable("The backend returned more receipts than it took messages.")
        row, mail, started = self._under_way.popleft()
        if not isinstance(receipt, Receipt) or not isinstance(receipt.outcome, Outcome):
            problem = DeliveryUnknown(f"The backend returned {type(receipt).__name__}.")
            receipt = self._mailer.backend.receipt_of(problem, mail)
        if receipt.outcome is Outcome.NOT_SENT and is_of_opening(receipt.error):
            self.unreachable = receipt.error
        else:
            self.answers += 1
        self._note(row, mail, _timed(receipt, started))

    def _abandon(self, error: BaseException | None) -> None:
        """Note the messages that the mailer took without an answer."""
        while self._under_way:
            row, mail, started = self._under_way.popleft()
            problem = error
            # The outcome of such an error would concern one message, and it is unknown which one.
            if problem is None or isinstance(problem, (BackendUnavailable, MessageRefused)):
                problem = DeliveryUnknown("The mailer returned no receipt for this message.")
            receipt = self._mailer.backend.receipt_of(problem, mail)
            self._note(row, mail, _timed(receipt, started))

    def _note(self, row: Claimed, mail: Outgoing | None, receipt: Receipt) -> None:
        mailer = self._mailer
        if mail is not None and mail.withheld:
            receipt = replace(receipt, refused={**mail.withheld, **receipt.refused})
        result = result_of(
            row,
            mail,
            receipt,
            give_up=mailer.give_up,
            pause=mailer.pause,
            contents=mailer.contents,
            repeatable=mailer.repeatable,
        )
        if result.state is State.UNKNOWN and receipt.outcome is not Outcome.UNKNOWN:
            problem = DeliveryUnknown(
                f"An earlier attempt may have been accepted. {receipt.reason}"
            )
            receipt = mailer.backend.receipt_of(problem, mail)
        self._answered.append(_Answered(result, mail, receipt))

    def _exchange(self, rows: list[Claimed]) -> set[int]:
        """Record the results so far and mark `rows`; return the ids of those that are ours."""
        if not rows and not self._answered:
            return set()
        recorded, marked = self._commit([each.result for each in self._answered], rows)
        answered, self._answered = self._answered, []
        for each in answered:
            if each.result.row.id in recorded:
                signal_outcome(self._mailer.app, each.result, each.mail, each.receipt)
            else:
                _log.warning(
                    "Row %d was %s, but another worker had taken this one for dead.",
                    each.result.row.id,
                    each.result.state.value,
                )
        return marked

    def _finish(self) -> None:
        self._exchange([])
        unsent = [row for row, _ in self._marked] + self._unmarked + list(self._claimed)
        self._marked.clear()
        self._unmarked.clear()
        self._claimed.clear()
        self._give_back(unsent)


def _timed(receipt: Receipt, started: float) -> Receipt:
    return replace(receipt, seconds=time.perf_counter() - started, error=receipt.error)


def key_of(row: Claimed, mail: Outgoing) -> str:
    """Return a key of a message that has none: the same for each attempt, and for no other row."""
    return sha256(f"{mail.message_id} {row.id}".encode()).hexdigest()


def _text(error: BaseException) -> str:
    return str(error) if isinstance(error, DeliveryError) else type(error).__name__
