"""Batches of messages, with their receipts in order."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import BackendUnavailable, DeliveryError, DeliveryUnknown, MessageRefused
from ..receipt import Outcome, Receipt
from .reporting import Causes, logged
from .sending import checked, failure_of, tell

if TYPE_CHECKING:
    from ..message.message import Message
    from .outgoing import Outgoing
    from .policy import Policy


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
    :param causes: logs a summary of failures at the end; ``None``: this batch does.
    """

    def __init__(
        self,
        backend: str,
        app: object,
        receipts: list[Receipt] | None,
        causes: Causes | None = None,
        *,
        prepare: Callable[[Item], Outgoing],
        message_of: Callable[[Item], Message],
    ) -> None:
        self.raised: BaseException | None = None
        """Error of the caller's generator, or of a receiver if Flask would propagate it."""
        self._receipts = receipts
        self._causes = causes or Causes()
        self._is_whole = causes is None
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
            waiting = self._taken(item)
            mail = self._admitted(waiting, admit)
            if mail is not None:
                yield mail

    def groups(
        self,
        items: Iterable[Item],
        admit: Callable[[Outgoing], Outgoing],
        policy: Policy,
        size: int,
    ) -> Iterator[list[Outgoing]]:
        """Yield the messages that can be delivered, in lists.

        :param size: the number of messages that are taken for each list.
        """
        upcoming = map(self._taken, self._given(items))
        while taken := list(islice(upcoming, size)):
            admitted: list[Outgoing | None] = []
            try:
                with policy.together([each.mail for each in taken if each.mail is not None]):
                    admitted = [self._admitted(each, admit) for each in taken]
            except Exception as error:  # noqa: BLE001 (see the receipts)
                # Without what it looks up, an admission might let pass what it must not.
                admitted = []
                for each in taken:
                    self._fail(each, error)
            yield [mail for mail in admitted if mail is not None]

    def handing_over(self, first: Outgoing, others: Iterator[Outgoing]) -> Iterator[Outgoing]:
        """Yield messages to the backend, which may have delivered them from then on."""
        for mail in chain((first,), others):
            self._waiting[-1].handed_over = True
            yield mail

    def handing_over_all(self, mails: list[Outgoing]) -> list[Outgoing]:
        """Return the messages of a group to the backend, which may have delivered them then."""
        for each in self._waiting:
            each.handed_over = each.failure is None
        return mails

    def settled(self) -> Iterator[Receipt]:
        """Yield the receipts of messages at the front that cannot be delivered."""
        while self._waiting and (failure := self._waiting[0].failure) is not None:
            yield self._conclude(failure)

    def interrupted(self, error: BaseException) -> None:
        """Log and signal the messages in progress when `error` ends the batch."""
        for _ in self._abandoned(error):
            pass
        self.ended()

    def ended(self) -> None:
        """Log a summary of the failures, unless this is a part of a batch."""
        if self._is_whole:
            self._causes.summarize()

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

    def _taken(self, item: Item) -> _Waiting:
        """Add a message to those whose receipts are waited for, and render it."""
        waiting = _Waiting(self._message_of(item), time.perf_counter())
        self._waiting.append(waiting)
        self._try(waiting, lambda: self._prepare(item))
        return waiting

    def _admitted(
        self, waiting: _Waiting, admit: Callable[[Outgoing], Outgoing]
    ) -> Outgoing | None:
        """Return a message as it may be delivered, or ``None``."""
        mail = waiting.mail
        if mail is not None:
            self._try(waiting, lambda: admit(mail))
        return waiting.mail if waiting.failure is None else None

    def _try(self, waiting: _Waiting, make: Callable[[], Outgoing]) -> None:
        try:
            waiting.mail = make()
        except Exception as error:  # noqa: BLE001 (see the receipt)
            self._fail(waiting, error)

    def _fail(self, waiting: _Waiting, error: Exception) -> None:
        """Let a message fail with `error` that was not handed over, unless it has failed before."""
        if waiting.failure is None:
            waiting.failure = failure_of(self._backend, error, waiting.mail, handed_over=False)

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
        final = logged(waiting.message, waiting.mail, receipt, waiting.started, self._causes)
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
