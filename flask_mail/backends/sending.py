"""Around a delivery: which receipt an error means, logging, signals, and batches kept in order."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import signals
from ..errors import (
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    MessageError,
    MessageRefused,
)
from ..outgoing import Outcome, Outgoing, Receipt

if TYPE_CHECKING:
    from ..message import Message

_log = logging.getLogger("flask_mail")

_OUTCOMES: tuple[tuple[type[DeliveryError], Outcome], ...] = (
    (MessageRefused, Outcome.REFUSED),
    (BackendUnavailable, Outcome.NOT_SENT),
    (DeliveryUnknown, Outcome.UNKNOWN),
)


def failure_of(backend: str, error: Exception, mail: Outgoing | None, handed_over: bool) -> Receipt:
    """Return the receipt that `error` means; a :class:`DeliveryError` carries it from then on.

    :param handed_over: whether the backend had the message when it was raised.
    """
    message_id = mail.message_id if mail else ""
    if not isinstance(error, DeliveryError):
        # What a backend raises besides tells nothing about what the peer got.
        unknown = handed_over and not isinstance(error, MessageError)
        outcome = Outcome.UNKNOWN if unknown else Outcome.NOT_SENT
        return Receipt(message_id, backend, outcome, error=error)
    receipt = error.receipt or Receipt(
        message_id,
        backend,
        next((each for kind, each in _OUTCOMES if isinstance(error, kind)), Outcome.UNKNOWN),
        refused=error.refused,
        response=error.response,
    )
    return replace(receipt, error=error)


def error_of(receipt: Receipt) -> Exception:
    """Return the error that a receipt which is not :attr:`Outcome.SENT` means."""
    if receipt.error is not None:
        return receipt.error
    kind = next(kind for kind, outcome in _OUTCOMES if outcome is receipt.outcome)
    return kind(
        f"The {receipt.backend} backend says: {receipt.outcome.value}. {receipt.response}".rstrip(),
        receipt=receipt,
        response=receipt.response,
        refused=receipt.refused,
    )


def conclude(
    app: object, message: Message, receipt: Receipt, started: float
) -> tuple[Receipt, Exception | None]:
    """Log the outcome of a message and fire its signal, once.

    Returns the final receipt, and what a receiver raised if Flask would let it through.
    """
    receipt = replace(receipt, seconds=receipt.seconds or time.perf_counter() - started)
    error = receipt.error
    if isinstance(error, DeliveryError):
        error.receipt = receipt
    _log.info(
        "%s %s by %s in %.3f s%s",
        receipt.message_id or "message",
        receipt.outcome.value,
        receipt.backend,
        receipt.seconds,
        f": {type(error).__name__}" if error else "",
    )
    if receipt.refused:
        _log.warning(
            "%s: %d recipients were refused; the receipt names them",
            receipt.message_id,
            len(receipt.refused),
        )
    if error is None:
        return receipt, signals.dispatched(app, message, receipt)
    signals.failed(app, message, receipt, error)
    return receipt, None


@dataclass
class _Waiting:
    """A message whose receipt has not been given yet."""

    message: Message
    started: float
    mail: Outgoing | None = None
    failure: Receipt | None = None


class Batch:
    """The messages of one `send_many`, their receipts kept in order.

    Messages are taken as the backend asks for them. Those that cannot be sent never reach it and
    wait for their turn beside those that do.
    """

    def __init__(self, backend: str, app: object) -> None:
        self.raised: Exception | None = None
        """What a receiver raised that Flask would let through."""
        self._backend = backend
        self._app = app
        self._waiting: deque[_Waiting] = deque()

    def valid(self, messages: Iterable[Message]) -> Iterator[Outgoing]:
        """Yield the messages that can be delivered."""
        for message in messages:
            waiting = _Waiting(message, time.perf_counter())
            self._waiting.append(waiting)
            try:
                signals.sending(self._app, message)
                waiting.mail = Outgoing.of(message)
            except Exception as error:  # noqa: BLE001 (the receipt tells)
                waiting.failure = failure_of(self._backend, error, None, handed_over=False)
            else:
                yield waiting.mail

    def settled(self) -> Iterator[Receipt]:
        """Yield the receipts of those at the front that cannot be delivered."""
        while self._waiting and (failure := self._waiting[0].failure) is not None:
            yield self._conclude(self._waiting.popleft(), failure)

    def answered(
        self, outcomes: Callable[[], Iterator[Receipt]], mails: Iterator[Outgoing]
    ) -> Iterator[Receipt]:
        """Yield one receipt for each message: the backend's own, as long as it gives them."""
        handed_over = False
        try:
            receipts = outcomes()
            handed_over = True
            for receipt in receipts:
                yield from self.settled()
                yield self._conclude(self._waiting.popleft(), receipt)
                yield from self.settled()
            problem: Exception = DeliveryUnknown(
                f"The {self._backend} backend gave no receipt for this message."
            )
        except Exception as error:  # noqa: BLE001 (the receipts tell)
            problem = error
        # First what the backend took without an answer, then what it never took.
        yield from self._abandoned(problem, handed_over)
        for _ in mails:
            yield from self._abandoned(problem, handed_over=False)

    def _abandoned(self, problem: Exception, handed_over: bool) -> Iterator[Receipt]:
        while self._waiting:
            waiting = self._waiting.popleft()
            if waiting.failure is None:
                outcome = Outcome.UNKNOWN if handed_over else Outcome.NOT_SENT
                message_id = waiting.mail.message_id if waiting.mail else ""
                waiting.failure = Receipt(message_id, self._backend, outcome, error=problem)
            yield self._conclude(waiting, waiting.failure)

    def _conclude(self, waiting: _Waiting, receipt: Receipt) -> Receipt:
        if receipt.outcome is not Outcome.SENT and receipt.error is None:
            receipt = replace(receipt, error=error_of(receipt))
        final, raised = conclude(self._app, waiting.message, receipt, waiting.started)
        self.raised = self.raised or raised
        return final
