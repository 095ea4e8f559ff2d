"""Reports of messages that were not delivered."""

from __future__ import annotations

from typing import Any

from ... import DeliveryError, MessageRefused
from ...backends import Backend, Refusal
from .data import NOBODY, OUTCOMES, RECIPIENT, bad_message, hello
from .fixtures import Fixtures
from .helpers import (
    check_failure,
    check_signals,
    given,
    listening,
    make_app,
    must_fail,
    must_refuse,
    pickled,
    send_many,
)


class Failures(Fixtures):
    """Reports of messages that were not delivered."""

    def test_a_failure_is_raised_and_signalled(self, failing: Backend[Any] | None) -> None:
        """A message that was not delivered raises a DeliveryError with a receipt.

        It is never reported as sent.
        """
        failing = given(failing, "failing")
        app, message = make_app(), hello()
        with listening() as heard:
            error = must_fail(failing, message, app=app)
        check_signals(heard, app, message, ["email-sending", "email-failed"])
        check_failure(heard[-1], error)
        receipt = error.receipt
        assert receipt is not None, f"The error {error!r} carries no receipt."
        assert receipt.message_id == message.msgId, (
            f"The receipt has the Message-ID {receipt.message_id!r}, not {message.msgId!r}."
        )
        expected = [outcome for kind, outcome in OUTCOMES if isinstance(error, kind)]
        assert [receipt.outcome] == expected, (
            f"{type(error).__name__} has a receipt with {receipt.outcome}: raise"
            " MessageRefused, BackendUnavailable or DeliveryUnknown."
        )

    def test_send_many_reports_failures_and_raises_none(self, failing: Backend[Any] | None) -> None:
        """A batch that cannot be delivered returns a receipt with an error for each message."""
        failing = given(failing, "failing")
        messages = [hello(f"Number {number}") for number in range(3)]
        with listening() as heard:
            receipts = send_many(failing, messages)
        names = [each.signal for each in heard]
        assert sorted(names) == ["email-failed"] * 3 + ["email-sending"] * 3, (
            f"Three failed messages sent the signals {names}."
        )
        assert [each.message_id for each in receipts] == [each.msgId for each in messages], (
            "send_many() must return one receipt for each message, in order."
        )
        for receipt in receipts:
            assert not receipt.taken, f"A failed message has the outcome {receipt.outcome.name}."
            assert receipt.error is not None, "A failed message has a receipt without error."

    def test_errors_and_receipts_can_be_pickled(
        self, backend: Backend[Any], failing: Backend[Any] | None
    ) -> None:
        """Errors and receipts survive pickling, as task queues need."""
        receipts = send_many(backend, [hello(), bad_message()])
        errors: list[Exception] = [must_refuse(backend, bad_message(), "a line break")]
        if failing is not None:
            receipts += send_many(failing, [hello()])
            errors.append(must_fail(failing, hello()))
        for receipt in receipts:
            again = pickled(receipt)
            assert again == receipt, f"{receipt} came back as {again}."
            assert type(again.error) is type(receipt.error), (
                f"The error {receipt.error!r} came back as {again.error!r}."
            )
        for error in errors:
            again = pickled(error)
            assert (type(again), str(again)) == (type(error), str(error)), (
                f"{error!r} came back as {again!r}."
            )
            if isinstance(error, DeliveryError):
                assert again.receipt == error.receipt, (
                    f"{error!r} came back with the receipt {again.receipt}."
                )

    def test_a_recipient_that_is_refused_is_in_the_receipt(
        self, refusing: Backend[Any] | None
    ) -> None:
        """The others get the message; the receipt names the refused recipient and the reason."""
        refusing = given(refusing, "refusing")
        receipt = self._must_send(refusing, hello(recipients=[RECIPIENT, NOBODY]))
        assert list(receipt.refused) == [NOBODY], (
            f"{NOBODY} was refused, but the receipt names {list(receipt.refused)}: use"
            " accepted(refused=...)."
        )
        refusal = receipt.refused[NOBODY]
        assert isinstance(refusal, Refusal), f"{refusal!r} must be a Refusal."
        assert 400 <= refusal.code < 600, f"The reply code {refusal.code} is not a refusal."

    def test_a_refusal_is_never_tried_again(self, refusing: Backend[Any] | None) -> None:
        """A permanent refusal by the peer is reported immediately, without a retry."""
        refusing = given(refusing, "refusing")
        error = must_fail(refusing, hello(recipients=[NOBODY]))
        assert isinstance(error, MessageRefused), (
            f"All recipients are refused permanently: raise MessageRefused, not {error!r}."
        )
        assert list(error.refused) == [NOBODY], f"The error names {list(error.refused)} as refused."
        assert error.receipt is not None
        assert error.receipt.attempts == 1, (
            f"It was tried {error.receipt.attempts} times, although the peer had refused it."
        )
