"""Messages made ready, receipts of errors and answers, and the signals of both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    DeliveryUnknown,
    MessageError,
    MessageRefused,
    name_mailer,
)
from ..message.message import Message
from ..receipt import Outcome, Receipt
from . import signals
from .outgoing import Outgoing

if TYPE_CHECKING:
    from .policy import Policy

_OUTCOMES: tuple[tuple[type[DeliveryError], Outcome], ...] = (
    (MessageRefused, Outcome.REFUSED),
    (BackendUnavailable, Outcome.NOT_SENT),
    (DeliveryUnknown, Outcome.UNKNOWN),
)


def prepared(
    message: Any,  # a Message, or of a program's own class
    app: object,
    policy: Policy,
    envelope_from: str | tuple[str, str] | None = None,
) -> Outgoing:
    """Return a message completed, validated and rendered, after `email_sending`."""
    if policy.complete is not None:
        policy.complete(message)
    signals.sending(app, message)
    if isinstance(message, Message):
        return Outgoing.of(message, envelope_from, mailer=policy.mailer)
    from .foreign import outgoing_of

    return outgoing_of(message, envelope_from, policy.mailer)


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
        signals.failed(app, message, receipt, receipt.error, mail)
        return None
    send_signal = signals.dispatched if receipt.sent else signals.queued
    return send_signal(app, message, receipt, mail)
