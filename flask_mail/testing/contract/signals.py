"""Signals are sent once and in order."""

from __future__ import annotations

from typing import Any

import pytest

from ... import email_sending
from ...backends import Backend, Outcome
from .data import Delivered, bad_message, hello
from .fixtures import Fixtures
from .helpers import (
    check_failure,
    check_signals,
    listening,
    make_app,
    must_arrive,
    must_refuse,
    send_many,
)


class Signalling(Fixtures):
    """Signals are sent once and in order."""

    def test_signals_fire_once_and_in_order(self, backend: Backend[Any]) -> None:
        """`email_sending`, then `email_dispatched` with the receipt, both sent by the app.

        A queue sends `email_queued` instead.
        """
        app, message = make_app(), hello()
        with listening() as heard:
            receipt = self._must_send(backend, message, app=app)
        check_signals(heard, app, message, ["email-sending", self._taken_signal.name])
        assert heard[-1].receipt == receipt, (
            f"{heard[-1].signal} has the receipt {heard[-1].receipt}, send() returned {receipt}."
        )

    def test_a_refused_message_fires_email_failed_once(self, backend: Backend[Any]) -> None:
        """`email_failed` has the error of the caller, and a receipt with NOT_SENT."""
        app, message = make_app(), bad_message()
        with listening() as heard:
            error = must_refuse(backend, message, "a line break in the subject", app=app)
        check_signals(heard, app, message, ["email-sending", "email-failed"])
        check_failure(heard[-1], error)
        assert heard[-1].receipt is not None
        assert heard[-1].receipt.outcome is Outcome.NOT_SENT, (
            f"A refused message is NOT_SENT, not {heard[-1].receipt.outcome}."
        )

    def test_a_receiver_may_stop_a_message(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """An error of a receiver of `email_sending` is raised, and nothing is sent."""
        app, message = make_app(), hello()

        def stop(sender: object) -> None:
            raise PermissionError("not today")

        with listening() as heard, email_sending.connected_to(stop):
            with pytest.raises(PermissionError, match="not today"):
                self._must_send(backend, message, app=app)
            (receipt,) = send_many(backend, [message], app=app)
        assert receipt.outcome is Outcome.NOT_SENT, (
            f"A stopped message is NOT_SENT, not {receipt.outcome}."
        )
        name = self._taken_signal.name
        assert name not in {each.signal for each in heard}, (
            f"{name} was sent for a stopped message."
        )
        must_arrive(delivered, 0)

    def test_a_receiver_that_raises_does_not_undo_the_delivery(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """An error of a receiver of `email_dispatched` is logged; in tests it is raised afterwards.

        The message stays sent, and is not sent again.
        """

        def break_down(sender: object) -> None:
            raise ZeroDivisionError("a receiver")

        with listening() as heard, self._taken_signal.connected_to(break_down):
            self._must_send(backend, hello())
            with pytest.raises(ZeroDivisionError, match="a receiver"):
                self._must_send(backend, hello(), app=make_app(TESTING=True))
        names = [each.signal for each in heard]
        assert names == ["email-sending", self._taken_signal.name] * 2, f"The signals were {names}."
        must_arrive(delivered, 2)
