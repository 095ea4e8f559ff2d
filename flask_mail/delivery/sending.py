"""Receipts of errors and answers, signals, and batches with their receipts in order."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    DeliveryUnknown,
    MessageError,
    MessageRefused,
    name_mailer,
)
from ..receipt import Outcome, Receipt
from .reporting import logged
from .signals import dispatched as tell_dispatched
from .signals import failed as tell_failed
from .signals import queued as tell_queued

if TYPE_CHECKING:
    from ..message.message import Message
    from .outgoing import Outgoing

_OUTCOMES: tuple[tuple[type[DeliveryError], Outcome], ...] = (
    (MessageRefused, Outcome.REFUSED),
    (BackendUnavailable, Outcome.NOT_SENT),
    (DeliveryUnknown, Outcome.UNKNOWN),
)


def failure_of(
    backend: str, error: BaseException, mail: Outgoing | None, handed_over: bool
) -> Receipt:
    """Return the receipt for a message that failed with `error`.

    :param handed_over: True if the backend had the message when it was raised.
    """
    message_id, mailer = (mail.message_id, mail.mailer) if mail else ("", "")
    default = Outcome.UNKNOWN if handed_over else Outcome.NOT_SENT
    name_mailer(error, mailer)
    if not isinstance(error, DeliveryError):
        # Other errors of a backend do not show what the peer got.
        is_ours = isinstance(error, (ConfigurationError, MessageError))
        outcome = Outcome.NOT_SENT if is_ours else default
        return _complete(Receipt(message_id, backend, outcome, error=error, mailer=mailer), mail)
    receipt = error.receipt
    if receipt is None or receipt.taken:  # an error cannot mean that it was sent
        receipt = Receipt(
            message_id,
            backend,
            next((each for kind, each in _OUTCOMES if isinstance(error, kind)), default),
            refused=error.refused,
            response=error.response,
            attempts=error.attempts,
            mailer=mailer,
        )
    if receipt.message_id != message_id:  # the same error was raised for an earlier message
        receipt = replace(receipt, message_id=message_id, seconds=0.0)
    return _complete(replace(receipt, error=error), mail)


def checked(backend: str, answer: object, mail: Outgoing | None) -> Receipt:
    """Return a backend's answer as a receipt, with an error unless it took the message."""
    if not isinstance(answer, Receipt) or not isinstance(answer.outcome, Outcome):
        problem = DeliveryUnknown(
            f"The {backend} backend returned {type(answer).__name__} instead of a Receipt with an"
            " Outcome, so it is unknown if the message was accepted."
        )
        return failure_of(backend, problem, mail, handed_over=True)
    is_taken = answer.taken
    if mail is not None and not is_taken and answer.message_id != mail.message_id:
        # In a batch out of order: NOT_SENT of another message must not send this one again.
        problem = DeliveryUnknown(
            f"The {backend} backend returned the receipt of another message, so it is unknown if"
            " this one was accepted."
        )
        return failure_of(backend, problem, mail, handed_over=True)
    error = None if is_taken else error_of(answer)
    return _complete(answer if answer.error is error else replace(answer, error=error), mail)


def _complete(receipt: Receipt, mail: Outgoing | None) -> Receipt:
    """Add the recipients that were withheld from the backend."""
    if mail is None or not mail.withheld:
        return receipt
    return replace(receipt, refused={**mail.withheld, **receipt.refused})


def error_of(receipt: Receipt) -> BaseException:
    """Return the error of a receipt whose message was neither sent nor queued."""
    if receipt.error is not None:
        return receipt.error
    kind = next(kind for kind, outcome in _OUTCOMES if outcome is receipt.outcome)
    return kind(
        f"The {receipt.backend} backend says: {receipt.outcome.value}. {receipt.response}".rstrip(),
        receipt=receipt,
        response=receipt.response,
        refused=receipt.refused,
    )


def tell(
    app: object, message: Message, mail: Outgoing | None, receipt: Receipt
) -> BaseException | None:
    """Send the signal of an outcome; return a receiver's error if Flask would propagate it."""
    if receipt.error is not None:
        tell_failed(app, message, receipt, receipt.error, mail)
        return None
    tell_taken = tell_dispatched if receipt.sent else tell_queued
    return tell_taken(app, message, receipt, mail)


@dataclass
class _Waiting:
    """A message whose receipt was not yielded yet."""

    message: Message
    started: float
    mail: Outgoing | None = None
    failure: Receipt | None = None
    handed_over: bool = False


Item = TypeVar("Item")


class Batch(Generic[Item]):
    """Messages of one `send_many` or `dispatch_many`, with their receipts in order.

    Messages are taken as the backend asks for them. Those that cannot be sent never reach it; their
    receipts wait for their turn.

    :param prepare: returns the rendered message of an item, or raises.
    :param message_of: returns the message of an item.
    """

    def __init__(
        self,
        backend: str,
        app: object,
        receipts: list[Receipt] | None,
        *,
        prepare: Callable[[Item], Outgoing],
        message_of: Callable[[Item], Message],
    ) -> None:
        self.raised: BaseException | None = None
        """Error of the caller's generator, or of a receiver if Flask would propagate it."""
        self._receipts = receipts
        self._backend = backend
        self._app = app
        self._prepare = prepare
        self._message_of = message_of
        self._waiting: deque[_Waiting] = deque()

    def valid(
        self, items: Iterable[Item], admit: Callable[[Outgoing], Outgoing]
    ) -> Iterator[Outgoing]:
        """Yield the messages that can be delivered.

        :param admit: returns a message as it may be delivered, or raises.
        """
        for item in self._given(items):
            waiting = _Waiting(self._message_of(item), time.perf_counter())
            self._waiting.append(waiting)
            try:
                waiting.mail = self._prepare(item)
                waiting.mail = admit(waiting.mail)
            except Exception as error:  # noqa: BLE001 (see the receipt)
                waiting.failure = failure_of(self._backend, error, waiting.mail, handed_over=False)
            else:
                yield waiting.mail

    def handing_over(self, first: Outgoing, others: Iterator[Outgoing]) -> Iterator[Outgoing]:
        """Yield messages to the backend, which may have delivered them from then on."""
        for mail in chain((first,), others):
            self._waiting[-1].handed_over = True
            yield mail

    def settled(self) -> Iterator[Receipt]:
        """Yield the receipts of messages at the front that cannot be delivered."""
        while self._waiting and (failure := self._waiting[0].failure) is not None:
            yield self._conclude(failure)

    def interrupted(self, error: BaseException) -> None:
        """Log and signal the messages in progress when `error` ends the batch."""
        for _ in self._abandoned(error):
            pass

    def answered(
        self, outcomes: Callable[[], Iterable[object]], mails: Iterator[Outgoing]
    ) -> Iterator[Receipt]:
        """Yield one receipt for each message: the backend's own, as long as it returns them."""
        problem: BaseException | None = None
        try:
            for answer in outcomes():
                yield from self.settled()
                yield self._answer(answer)
                yield from self.settled()
        except Exception as error:  # noqa: BLE001 (see the receipts)
            problem = error
        # First the messages that the backend took without an answer, then those that it never took.
        for _ in chain((None,), mails):
            yield from self._abandoned(problem)
        yield from self.settled()

    def _given(self, items: Iterable[Item]) -> Iterator[Item]:
        # If the caller's generator raises, the messages before still get their receipts.
        upcoming = iter(items)
        while True:
            try:
                item = next(upcoming)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 (raised after the last receipt)
                self.raised = self.raised or error
                return
            yield item

    def _answer(self, answer: object) -> Receipt:
        if not (self._waiting and self._waiting[0].handed_over):
            raise BackendUnavailable(
                f"The {self._backend} backend returned more receipts than it took messages."
            )
        return self._conclude(checked(self._backend, answer, self._waiting[0].mail))

    def _abandoned(self, problem: BaseException | None) -> Iterator[Receipt]:
        while self._waiting:
            waiting = self._waiting[0]
            receipt = waiting.failure
            if receipt is None:
                receipt = self._unanswered(waiting, problem)
            yield self._conclude(receipt)

    def _unanswered(self, waiting: _Waiting, problem: BaseException | None) -> Receipt:
        mail = waiting.mail
        message_id, mailer = (mail.message_id, mail.mailer) if mail else ("", "")
        if waiting.handed_over:
            outcome = Outcome.UNKNOWN
            if problem is None or isinstance(problem, (BackendUnavailable, MessageRefused)):
                # Such an error would mean that this message was not accepted.
                unanswered = DeliveryUnknown(
                    f"The {self._backend} backend returned no receipt for this message."
                )
                unanswered.__cause__ = problem
                problem = unanswered
        else:
            outcome = Outcome.NOT_SENT
            problem = problem or BackendUnavailable(
                f"The {self._backend} backend stopped before this message."
            )
            first: Receipt | None = getattr(problem, "receipt", None)
            if first is not None and first.earlier:  # a composite could open no child
                return replace(first, message_id=message_id, refused={}, seconds=0.0, error=problem)
        return Receipt(message_id, self._backend, outcome, error=problem, mailer=mailer)

    def _conclude(self, receipt: Receipt) -> Receipt:
        """Log and signal the outcome of the first message in the queue."""
        waiting = self._waiting[0]
        error = receipt.error
        if isinstance(error, DeliveryError) and _belongs_to_another(error, receipt):
            receipt = replace(receipt, error=_copy(error))
        final = logged(waiting.message, waiting.mail, receipt, waiting.started)
        # Before the receivers: one of them may be interrupted.
        if self._receipts is not None:
            self._receipts.append(final)
        self._waiting.popleft()
        raised = tell(self._app, waiting.message, waiting.mail, final)
        self.raised = self.raised or raised
        return final


def _belongs_to_another(error: DeliveryError, receipt: Receipt) -> bool:
    return error.receipt is not None and error.receipt.message_id != receipt.message_id


def _copy(error: DeliveryError) -> DeliveryError:
    # If one error ends several messages, each needs a copy with its own receipt.
    own = copy.copy(error).with_traceback(error.__traceback__)
    own.__cause__ = error.__cause__
    return own
