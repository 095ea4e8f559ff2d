"""Tests of a backend whose service reports events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from ... import EventKind
from ...backends import Backend
from ...backends.options import secrets_of
from ...extension.events import MAX_SIZE
from .event_requests import GARBAGE, Reporting, Signing, altered, with_odd_values
from .fixtures import Fixtures
from .helpers import given


class ReportsEvents(Fixtures):
    """Tests of a backend that reads events; not part of :class:`BackendContract`.

    They send requests to the endpoint of an app, signed and not. A subclass defines the fixtures
    ``reports``, ``signed`` and ``events_secrets``, and ``options`` if the backend needs others.
    """

    tolerance: float | None = 300.0
    """Seconds that the time of a signature may differ from now. ``None`` if requests have a login
    in place of a signature: it proves nothing about their content and their time."""

    @pytest.fixture
    def reports(self) -> Mapping[EventKind, Any]:
        """A report of the service, decoded from JSON, for each kind of event that it has. Required.

        That for :attr:`.EventKind.OTHER` is one that the backend does not know.
        """
        raise _missing(self, "reports", "a dict of reports by their kind")

    @pytest.fixture
    def signed(self) -> Signing:
        """A function that returns the headers and the body of a request with a report. Required.

        It is called as ``signed(report, secret=secret, at=seconds)``: `report` may be bytes,
        `secret` is one of ``events_secrets``, and `at` the time of the signature, since the epoch.
        The headers are those of the signature. Different reports have different ids, if any.
        """
        raise _missing(self, "signed", "a function that returns headers and body of a request")

    @pytest.fixture
    def events_secrets(self) -> tuple[str, str]:
        """Two values of the option :attr:`.Backend.events_option`. Required."""
        raise _missing(self, "events_secrets", "two values of the option with the secret")

    @pytest.fixture
    def several(self) -> Any:
        """A report with several events, if the service has such reports."""
        return None

    @pytest.fixture
    def reporting(
        self,
        backend: Backend[Any],
        options: Mapping[str, Any],
        reports: Mapping[EventKind, Any],
        signed: Signing,
        events_secrets: tuple[str, str],
        secrets: Iterable[str],
    ) -> Reporting:
        """The service, made of the other fixtures."""
        is_secret = backend.events_option in secrets_of(type(backend))  # not the name of a topic
        hidden = (*secrets, *(events_secrets if is_secret else ()))
        return Reporting(backend, options, reports, signed, events_secrets, hidden)

    def test_signed_report_reaches_the_receivers(self, reporting: Reporting) -> None:
        assert EventKind.OTHER in reporting.reports, "Add a report that is not known, as OTHER."
        for kind, report in reporting.reports.items():
            status, events = reporting.post(*reporting.request(report))
            assert status == 204, f"The answer to a report of {kind} should be 204, not {status}."
            assert events, f"There is no event in a report of {kind}."
            for each in events:
                assert each.kind is kind, f"A report of {kind} was read as {each.kind}."

    def test_request_that_is_not_signed_is_refused(self, reporting: Reporting) -> None:
        for body in (json.dumps(reporting.report).encode(), *GARBAGE):
            reporting.must_refuse({}, body, "is not signed")
        headers, body = reporting.request(reporting.report)
        for missing in headers:
            others = {name: value for name, value in headers.items() if name != missing}
            reporting.must_refuse(others, body, f"has no header {missing}")

    def test_each_of_several_secrets_is_valid(self, reporting: Reporting) -> None:
        """So that one is replaced without a gap; and no other is valid."""
        first, second = (reporting.request(reporting.report, secret=each) for each in (0, 1))
        reporting.must_refuse(*second, "is signed with another secret")
        app = reporting.app(list(reporting.secrets))
        for each in (first, second):
            status, events = reporting.post(*each, app=app)
            assert events, f"Each secret of a list should be valid; the answer was {status}."

    def test_without_a_secret_nothing_is_received(self, reporting: Reporting) -> None:
        answer = reporting.post(*reporting.request(reporting.report), app=reporting.app())
        assert answer == (404, []), f"Without a secret, the answer should be 404, not {answer}."

    def test_altered_request_is_refused(self, reporting: Reporting) -> None:
        """Unless it does not matter for the events what was altered."""
        self._must_sign()
        headers, body = reporting.request(reporting.report)
        app = reporting.app(reporting.secrets[0])
        original = reporting.post(headers, body, app).events
        for each in altered(headers, body):
            found = reporting.post(*each, app=app).events
            assert found in ([], original), "An altered request was accepted."

    @pytest.mark.parametrize("direction", [-1, 1], ids=["old", "future"])
    def test_time_of_the_signature_is_checked(self, reporting: Reporting, direction: int) -> None:
        """A copy of an old request is refused, but one that is late is not."""
        tolerance = self._must_sign()
        for seconds, is_valid in ((tolerance - 60, True), (tolerance + 60, False)):
            at = time.time() + direction * seconds
            status, events = reporting.post(*reporting.request(reporting.report, at=at))
            assert bool(events) is is_valid, (
                f"The answer to a signature {seconds:g} seconds from now should not be {status}."
            )

    def test_repeated_request_has_the_same_ids(self, reporting: Reporting) -> None:
        """Receivers know a repeated event by its id, which no other event has."""
        ids: list[str] = []
        for report in reporting.reports.values():
            request = reporting.request(report)
            first, second = ([each.id for each in reporting.post(*request).events] for _ in "12")
            assert first == second, f"A repeated event should have the id {first}, not {second}."
            ids += first
        assert len(set(ids)) == len(ids), f"Different events have the same id: {ids}."

    def test_each_of_several_events_is_read(self, reporting: Reporting, several: Any) -> None:
        report = given(several, "several")
        events = reporting.post(*reporting.request(report)).events
        assert len(events) > 1, f"There should be several events, not {len(events)}."
        assert len({each.id for each in events}) == len(events), "They have the same id."

    def test_request_that_is_too_large_is_refused(self, reporting: Reporting) -> None:
        answer = reporting.post(*reporting.request(b" " * (MAX_SIZE + 1)))
        assert answer == (413, []), f"For a large request, the answer should be 413, not {answer}."

    def test_signed_garbage_is_read_or_refused(self, reporting: Reporting) -> None:
        """Any other error makes the service send it again, and give up in the end."""
        odd = (each for report in reporting.reports.values() for each in with_odd_values(report))
        reporting.check_reading(map(reporting.request, (*GARBAGE, *odd)))

    def test_refusals_show_no_secret_and_no_address(self, reporting: Reporting) -> None:
        """Their texts are logged."""
        report = reporting.report
        reporting.check_reading([({}, json.dumps(report).encode())])
        reporting.check_reading([reporting.request(report, secret=1)])
        reporting.check_reading(altered(*reporting.request(report)))

    def _must_sign(self) -> float:
        if self.tolerance is None:
            pytest.skip("A login proves nothing about the content of a request and its time.")
        return self.tolerance


def _missing(test: object, name: str, what: str) -> NotImplementedError:
    return NotImplementedError(
        f"{type(test).__name__} must define the fixture `{name}`, which returns {what}."
    )
