"""DeliveryEvent, EventKind, EventsRefused, and the signal email_reported."""

from __future__ import annotations

import json
import logging
import pickle
from datetime import datetime, timedelta, timezone

import pytest
from flask import Flask

from flask_mail import (
    DeliveryEvent,
    EventKind,
    EventsRefused,
    MailError,
    email_reported,
    events,
    signals,
)
from flask_mail.backends import Backend, ConfigurationError
from flask_mail.backends import DeliveryEvent as ForAuthors
from flask_mail.backends.null import NullBackend
from flask_mail.delivery.signals import reported

NOON = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)


def bounced(**fields):
    return DeliveryEvent(**{"kind": EventKind.BOUNCED, "at": NOON, "id": "1", **fields})


def test_programs_and_authors_import_the_same_names():
    assert ForAuthors is DeliveryEvent is events.DeliveryEvent
    assert events.EventsRefused is EventsRefused
    assert signals["email-reported"] is email_reported


def test_a_kind_may_be_given_as_its_text_and_is_text_in_json():
    assert bounced(kind="bounced").kind is EventKind.BOUNCED
    assert json.dumps(EventKind.BOUNCED) == '"bounced"'
    assert f"{EventKind.BOUNCED} {EventKind.OTHER!s}" == "EventKind.BOUNCED EventKind.OTHER"
    with pytest.raises(ValueError, match="exploded"):
        bounced(kind="exploded")


def test_a_time_without_zone_is_taken_as_utc():
    assert bounced(at=datetime(2026, 11, 30, 12)).at == NOON
    later = NOON.astimezone(timezone(timedelta(hours=2)))
    assert bounced(at=later).at is later


@pytest.mark.parametrize(("given", "expected"), [("", ""), ("a@b", "<a@b>"), ("<a@b>", "<a@b>")])
def test_a_message_id_is_in_angle_brackets(given, expected):
    assert bounced(message_id=given).message_id == expected


def test_an_event_without_id_gets_one_that_repeats_have_too():
    first = bounced(id="", recipient="ann@example.com")
    assert first.id
    assert first.id == bounced(id="", recipient="ann@example.com", reason="again").id
    others = [
        bounced(id="", recipient="bob@example.com"),
        bounced(id="", recipient="ann@example.com", kind="complained"),
        bounced(id="", recipient="ann@example.com", peer_id="2"),
        bounced(id="", recipient="ann@example.com", message_id="2@example.com"),
        bounced(id="", recipient="ann@example.com", at=NOON + timedelta(seconds=1)),
        bounced(id="", recipient="\udcff"),
    ]
    assert len({first.id, *(each.id for each in others)}) == 7


def test_an_event_is_copied_pickled_and_frozen():
    metadata = {"order": "1"}
    event = bounced(metadata=metadata, tags=["news"], raw={"a": 1})
    metadata["order"] = "2"
    assert (event.metadata, event.tags) == ({"order": "1"}, ("news",))
    copy = pickle.loads(pickle.dumps(event))
    assert (copy, copy.raw) == (event, {"a": 1})
    assert "raw" not in repr(event)
    with pytest.raises(AttributeError):
        event.kind = EventKind.OTHER


def test_a_refusal_has_the_status_of_the_answer():
    assert EventsRefused("It is not signed.").status == 401
    error = pickle.loads(pickle.dumps(EventsRefused("It is cut off.", status=400)))
    assert (str(error), error.status, isinstance(error, MailError)) == (
        *("It is cut off.", 400),
        True,
    )


def test_a_backend_reads_no_events_unless_it_says_so():
    backend = NullBackend()
    assert list(backend.read_events({}, b"{}")) == []
    assert Backend.events_option == "events_secret"
    with pytest.raises(ConfigurationError, match="need no confirmation"):
        backend.confirm_events("https://example.com")


class TestReported:
    def test_each_receiver_gets_the_event_even_if_others_raise(self, caplog):
        app, calls = Flask("shop"), []

        def fail(app, event):
            calls.append("fail")
            raise OSError("database")

        def fail_too(app, **extra):
            calls.append("fail too")
            raise ValueError

        def note(app, event):
            calls.append((app, event))

        with (
            caplog.at_level(logging.ERROR, "flask_mail"),
            email_reported.connected_to(fail),
            email_reported.connected_to(note, sender=app),
            email_reported.connected_to(fail_too),
        ):
            error = reported(app, bounced())
        assert len(calls) == 3
        assert (app, bounced()) in calls
        assert isinstance(error, (OSError, ValueError))
        assert [each.exc_info is not None for each in caplog.records] == [True, True]

    def test_without_receivers_nothing_happens(self):
        assert reported(Flask("shop"), bounced()) is None

    def test_a_coroutine_function_is_an_error_and_loses_no_event(self):
        async def remember(app, event):
            raise AssertionError

        with email_reported.connected_to(remember):
            error = reported(Flask("shop"), bounced())
        assert isinstance(error, TypeError)
        assert "connect a plain function" in str(error)

    def test_an_interrupt_propagates(self):
        def interrupt(app, event):
            raise KeyboardInterrupt

        with email_reported.connected_to(interrupt), pytest.raises(KeyboardInterrupt):
            reported(Flask("shop"), bounced())
