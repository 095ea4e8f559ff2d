"""What is said of a message that was not delivered."""

from __future__ import annotations

from typing import Any

from ... import DeliveryError, MessageRefused
from ...backends import Backend, Outcome, Refusal
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
    must_send,
    pickled,
    send_many,
)


class Failures(Fixtures):
    """What is said of a message that was not delivered."""

    def test_a_failure_is_raised_and_signalled(self, failing: Backend[Any] | None) -> None:
        """A message that was not delivered raises a DeliveryError whose receipt tells the outcome.

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
            f"{type(error).__name__} is raised, and its receipt says {receipt.outcome}: raise"
            " MessageRefused, BackendUnavailable or DeliveryUnknown."
        )

    def test_send_many_reports_failures_and_raises_none(self, failing: Backend[Any] | None) -> None:
        """A batch that cannot be delivered has a receipt for each message, with its error."""
        failing = given(failing, "failing")
        messages = [hello(f"Number {number}") for number in range(3)]
        with listening() as heard:
            receipts = send_many(failing, messages)
        names = [each.signal for each in heard]
        assert sorted(names) == ["email-failed"] * 3 + ["email-sending"] * 3, (
            f"For three messages that failed the signals were {names}."
        )
        assert [each.message_id for each in receipts] == [each.msgId for each in messages], (
            "send_many() must give one receipt for each message, in their order."
        )
        for receipt in receipts:
            assert receipt.outcome is not Outcome.SENT, "A message that failed has SENT."
            assert receipt.error is not None, "A message that failed has no error."

    def test_errors_and_receipts_can_be_pickled(
        self, backend: Backend[Any], failing: Backend[Any] | None
    ) -> None:
        """Task queues pickle errors and receipts: both come back as they were."""
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
        """The others get the message, and the receipt names who does not, and why."""
        refusing = given(refusing, "refusing")
        receipt = must_send(refusing, hello(recipients=[RECIPIENT, NOBODY]))
        assert list(receipt.refused) == [NOBODY], (
            f"{NOBODY} was refused, and the receipt names {list(receipt.refused)}: give"
            " accepted(refused=...)."
        )
        refusal = receipt.refused[NOBODY]
        assert isinstance(refusal, Refusal), f"What was refused is {refusal!r}: give a Refusal."
        assert 400 <= refusal.code < 600, f"The reply code {refusal.code} refuses nobody."

    def test_a_refusal_is_never_tried_again(self, refusing: Backend[Any] | None) -> None:
        """Who was refused by the peer is told so: at once, and as refused."""
        refusing = given(refusing, "refusing")
        error = must_fail(refusing, hello(recipients=[NOBODY]))
        assert isinstance(error, MessageRefused), (
            f"Nobody may get the message, for good: raise MessageRefused, not {error!r}."
        )
        assert list(error.refused) == [NOBODY], f"The error names {list(error.refused)} as refused."
        assert error.receipt is not None
        assert error.receipt.attempts == 1, (
            f"It was tried {error.receipt.attempts} times, though the peer had said no."
        )
