"""Tests of connections over HTTP that break, are slow, or are kept."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from ...backends import Backend, Outcome
from .data import hello
from .http_fixtures import (
    CLOSINGS,
    LARGE,
    HttpFixtures,
    check_outcome,
    check_requests,
    check_stage,
    large_message,
    outcome_of,
)
from .http_service import Ending, Plan, ScriptedService, answer, scripted_service

_DEADLINES = (0.2, 1.0, 5.0)
"""Seconds: the first one is enough, unless this machine is too busy to send the request in time."""


class HttpConnections(HttpFixtures):
    """Tests of connections that break, are slow, or are kept."""

    @pytest.mark.parametrize("ending", CLOSINGS)
    def test_request_that_is_cut_is_not_sent(
        self,
        backend_at: Callable[..., Backend[Any]],
        scripted: ScriptedService,
        secrets: Iterable[str],
        ending: Ending,
    ) -> None:
        """A service that did not get the last octet of a request did not accept it."""
        for octets in (1, 500, LARGE // 2):
            scripted.plan(Plan(b"", ending, reads=octets))
            receipt = outcome_of(backend_at(scripted.url), large_message(), secrets)
            check_outcome(receipt, Outcome.NOT_SENT, f"the connection broke after {octets} octets")
        assert scripted.connections == 3, "A request was repeated after it was cut."

    def test_slow_service_is_given_up_at_the_deadline(
        self, backend_at: Callable[..., Backend[Any]], scripted: ScriptedService
    ) -> None:
        """The deadline applies to writing and to the answer, even if octets arrive."""
        for plan, message, expected in (
            (Plan(b"", Ending.WAIT), hello, Outcome.UNKNOWN),
            (Plan(b"HTTP/1.1 200 OK\r\nX-Slow: x", Ending.TRICKLE), hello, Outcome.UNKNOWN),
            (Plan(b"", Ending.WAIT, reads=1), large_message, Outcome.NOT_SENT),
        ):
            scripted.plan(plan)
            for seconds in _DEADLINES:
                receipt = outcome_of(backend_at(scripted.url, deadline=seconds), message())
                if receipt.outcome is expected:
                    break
            check_outcome(receipt, expected, f"the service did this: {plan}")

    def test_proxy_of_the_environment_is_not_used(
        self,
        backend_at: Callable[..., Backend[Any]],
        scripted: ScriptedService,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A variable that other programs need does not redirect mail."""
        with scripted_service() as other:
            other.answers = scripted.answers
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, other.url)
                monkeypatch.setenv(name.upper(), other.url)
            receipt = outcome_of(backend_at(scripted.url), hello())
            check_outcome(receipt, Outcome.SENT, "a proxy is in the environment")
            assert not other.connections, "A proxy of the environment got the request."

    def test_service_that_cannot_be_reached_is_not_sent_to(
        self, backend_at: Callable[..., Backend[Any]], scripted: ScriptedService
    ) -> None:
        """Without a connection nothing was sent; the stage says why."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"127.0.0.1:{closed.getsockname()[1]}"
            receipt = outcome_of(backend_at(f"http://{url}"), hello())
            check_outcome(receipt, Outcome.NOT_SENT, "nothing listens there")
            check_stage(receipt, "connect", "nothing listens there")
        scripted.plan(Plan(b"HTTP/1.1 400 No TLS here\r\n\r\n", Ending.CLOSE, reads=5))
        receipt = outcome_of(backend_at(scripted.url.replace("http:", "https:")), hello())
        check_outcome(receipt, Outcome.NOT_SENT, "the service does not know TLS")
        check_stage(receipt, "tls", "the service does not know TLS")

    def test_kept_connection_that_was_closed_is_replaced(
        self, backend_at: Callable[..., Backend[Any]], scripted: ScriptedService
    ) -> None:
        """It is noticed before anything is written, and the attempt does not count."""
        backend = backend_at(scripted.url)
        for count in (1, 2, 3):
            receipt = outcome_of(backend, hello())
            check_outcome(receipt, Outcome.SENT, "the service had closed the connection before")
            assert receipt.attempts == 1, f"It counts {receipt.attempts} attempts."
            check_requests(scripted, count)
            scripted.hang_up()

    @pytest.mark.parametrize("ending", CLOSINGS)
    def test_kept_connection_that_breaks_later_is_not_replaced(
        self,
        backend_at: Callable[..., Backend[Any]],
        scripted: ScriptedService,
        ending: Ending,
    ) -> None:
        """Once the request is complete it is never repeated, on no connection."""
        backend = backend_at(scripted.url)
        scripted.plan(Plan(), Plan(b"", ending), Plan())
        for count, expected in enumerate((Outcome.SENT, Outcome.UNKNOWN, Outcome.SENT), 1):
            check_outcome(outcome_of(backend, hello()), expected, f"this was request {count}")
            check_requests(scripted, count)

    def test_answer_too_many_is_not_taken_for_the_next(
        self, backend_at: Callable[..., Backend[Any]], scripted: ScriptedService
    ) -> None:
        """Octets after an answer end the use of the connection."""
        backend = backend_at(scripted.url)
        scripted.plan(Plan(self.accepts * 2), Plan(answer(415, {"message": "No."})))
        check_outcome(outcome_of(backend, hello()), Outcome.SENT, "the service accepted it, twice")
        expected = self.outcomes.get(415, Outcome.REFUSED)
        check_outcome(outcome_of(backend, hello()), expected, "the second was refused")
