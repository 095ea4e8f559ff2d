"""The contract of backends that read events: a sound one passes, and each fault is found."""

from __future__ import annotations

import inspect
import json
import re
import uuid
from datetime import datetime, timezone
from functools import partial
from typing import Any, NamedTuple

import pytest
from event_service import KEY, NEXT, signed

from flask_mail import DeliveryEvent, EventKind, EventsRefused
from flask_mail.backends import Backend, EventsSecret, verify_webhook
from flask_mail.testing.contract import ReportsEvents
from flask_mail.testing.contract.event_requests import Reporting

KINDS = {"bounce": EventKind.BOUNCED, "spam": EventKind.COMPLAINED}


def report_of(kind, *recipients):
    return {"kind": kind, "to": list(recipients) or ["ann@example.com"], "seconds": 1_700_000_000}


REPORTS = {
    EventKind.BOUNCED: report_of("bounce"),
    EventKind.COMPLAINED: report_of("spam"),
    EventKind.OTHER: report_of("of tomorrow"),
}
SEVERAL = report_of("bounce", "ann@example.com", "bob@example.com")


def request_of(report, *, secret, at):
    body = report if isinstance(report, bytes) else json.dumps(report).encode()
    return signed(
        body, key=secret, at=int(at), number=f"msg_{uuid.uuid5(uuid.NAMESPACE_URL, body.hex())}"
    ), body


class Owl(Backend[None]):
    """A sound backend."""

    name = "owl"

    def __init__(self, *, events_secret: EventsSecret | None = None) -> None:
        self.secret: Any = events_secret

    def deliver(self, mail, session):
        raise AssertionError

    def verify(self, headers, body):
        return verify_webhook(self.secret, headers, body)

    def kind_of(self, report):
        return KINDS.get(str(report["kind"]), EventKind.OTHER)

    def id_of(self, number, place):
        return f"{number}-{place}"

    def recipients_of(self, report):
        return report["to"]

    def read_events(self, headers, body):
        number = self.verify(headers, body)
        try:
            report = json.loads(body)
            at = datetime.fromtimestamp(report["seconds"], timezone.utc)
            kind, recipients = self.kind_of(report), self.recipients_of(report)
            return [
                DeliveryEvent(kind, at, self.id_of(number, place), recipient=str(each))
                for place, each in enumerate(recipients)
            ]
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            raise EventsRefused(self.explain(error, body), status=400) from None

    def explain(self, error, body):
        return "It cannot be read."


class TestOwl(ReportsEvents):
    @pytest.fixture
    def backend(self):
        return Owl()

    @pytest.fixture
    def reports(self):
        return REPORTS

    @pytest.fixture
    def signed(self):
        return request_of

    @pytest.fixture
    def events_secrets(self):
        return KEY, NEXT

    @pytest.fixture
    def several(self):
        return SEVERAL


class Believing(Owl):
    def verify(self, headers, body):
        return headers.get("webhook-id", "")


class ReadingFirst(Owl):
    def read_events(self, headers, body):
        json.loads(body)
        return super().read_events(headers, body)


class Partial(Owl):
    """Looks for a signature, but does not compare it with the body."""

    def verify(self, headers, body):
        given = {name.lower(): value for name, value in headers.items()}
        if "webhook-signature" not in given:
            raise EventsRefused("No.")
        return given["webhook-id"]


class Timeless(Owl):
    def verify(self, headers, body):
        return verify_webhook(self.secret, headers, body, tolerance=10.0**10)


class Hasty(Owl):
    def verify(self, headers, body):
        return verify_webhook(self.secret, headers, body, tolerance=10)


class OneSecret(Owl):
    def verify(self, headers, body):
        return verify_webhook(EventsSecret(self.secret.reveal()), headers, body)


class Strict(Owl):
    def kind_of(self, report):
        return KINDS[report["kind"]]


class Misreading(Owl):
    def kind_of(self, report):
        return EventKind.BOUNCED


class Silent(Owl):
    def recipients_of(self, report):
        return []


class Forgetful(Owl):
    def id_of(self, number, place):
        return uuid.uuid4().hex


class Constant(Owl):
    def id_of(self, number, place):
        return "event"


class OfRequest(Owl):
    def id_of(self, number, place):
        return number


class FirstOnly(Owl):
    def recipients_of(self, report):
        return report["to"][:1]


class Fragile(Owl):
    def explain(self, error, body):
        raise error


class Talkative(Owl):
    def explain(self, error, body):
        return f"It cannot be read: {body[:1000]!r}"


class Revealing(Owl):
    def verify(self, headers, body):
        try:
            return super().verify(headers, body)
        except EventsRefused:
            raise EventsRefused(f"It is not signed with {self.secret.reveal()}.") from None


class Case(NamedTuple):
    test: str
    broken: type[Backend[None]]
    says: str

    def __str__(self) -> str:
        return f"{self.test.removeprefix('test_')}-{self.broken.__name__}"


CASES = [
    Case("test_signed_report_reaches_the_receivers", Strict, "OTHER should be 204, not 400"),
    Case("test_signed_report_reaches_the_receivers", Misreading, "was read as"),
    Case("test_signed_report_reaches_the_receivers", Silent, "no event in a report"),
    Case("test_request_that_is_not_signed_is_refused", Believing, "not signed reached a receiver"),
    Case("test_request_that_is_not_signed_is_refused", ReadingFirst, "not 500"),
    Case("test_each_of_several_secrets_is_valid", Partial, "another secret reached a receiver"),
    Case("test_each_of_several_secrets_is_valid", OneSecret, "of a list should be valid"),
    Case("test_altered_request_is_refused", Partial, "An altered request was accepted"),
    Case("test_time_of_the_signature_is_checked", Timeless, "should not be 204"),
    Case("test_time_of_the_signature_is_checked", Hasty, "should not be 401"),
    Case("test_repeated_request_has_the_same_ids", Forgetful, "should have the id"),
    Case("test_repeated_request_has_the_same_ids", Constant, "have the same id"),
    Case("test_each_of_several_events_is_read", FirstOnly, "should be several events, not 1"),
    Case("test_each_of_several_events_is_read", OfRequest, "They have the same id"),
    Case("test_signed_garbage_is_read_or_refused", Fragile, "read_events() raised"),
    Case("test_signed_garbage_is_read_or_refused", Talkative, "may be an address"),
    Case("test_refusals_show_no_secret_and_no_address", Revealing, "A secret is in the error"),
]
# What the endpoint does whatever a backend says.
OF_THE_ENDPOINT = {
    "test_without_a_secret_nothing_is_received",
    "test_request_that_is_too_large_is_refused",
}
TESTS = {name for name in dir(ReportsEvents) if name.startswith("test_")}


def run(test, cls):
    """Run a test of the contract on a backend class, as pytest would."""
    given = {
        "reporting": Reporting(cls(), {}, REPORTS, request_of, (KEY, NEXT), (KEY, NEXT)),
        "several": SEVERAL,
        "direction": -1,
    }
    method = getattr(ReportsEvents(), test)
    method(**{name: given[name] for name in inspect.signature(method).parameters})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault_fails_the_test_that_is_meant_for_it(case):
    with pytest.raises((AssertionError, pytest.fail.Exception), match=re.escape(case.says)):
        run(case.test, case.broken)


def test_every_test_has_a_backend_that_fails_it():
    assert {case.test for case in CASES} == TESTS - OF_THE_ENDPOINT


@pytest.mark.parametrize("test", sorted(OF_THE_ENDPOINT))
def test_endpoint_that_lets_everything_in_is_found(test, monkeypatch):
    monkeypatch.setattr(Reporting, "post", lambda *given, **options: (204, ["event"]))
    with pytest.raises(AssertionError, match="the answer"):
        run(test, Owl)


def test_tests_that_do_not_apply_are_skipped():
    """A login proves nothing about the content, and its time."""
    contract = ReportsEvents()
    contract.tolerance = None
    with pytest.raises(pytest.skip.Exception, match="A login"):
        contract.test_altered_request_is_refused(None)
    with pytest.raises(pytest.skip.Exception, match="A login"):
        contract.test_time_of_the_signature_is_checked(None, 1)
    with pytest.raises(pytest.skip.Exception, match="`several`"):
        contract.test_each_of_several_events_is_read(None, function_of("several")())


def function_of(name):
    """Return the function of a fixture, bound to the contract."""
    fixture = inspect.unwrap(
        getattr(ReportsEvents, name), stop=lambda each: not hasattr(each, "__wrapped__")
    )
    return partial(getattr(fixture, "_fixture_function", fixture), ReportsEvents())


@pytest.mark.parametrize("name", ["reports", "signed", "events_secrets"])
def test_contract_says_which_fixture_is_missing(name):
    with pytest.raises(NotImplementedError, match=f"must define the fixture `{name}`"):
        function_of(name)()
