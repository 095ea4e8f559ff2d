"""The events of Postmark."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone

import pytest
from postmark import TOKEN, backend_at, message

from flask_mail import EventKind, EventsRefused
from flask_mail.testing.contract import ReportsEvents

LOGIN = "postmark:l0ng-s3cret"
NUMBER = "883953f4-6105-42a2-a16a-77a8eac79483"
COMMON = {
    "MessageID": NUMBER,
    "ServerID": 23,
    "MessageStream": "outbound",
    "Tag": "welcome",
    "Metadata": {"order": "42"},
}
BOUNCE = {
    **COMMON,
    "RecordType": "Bounce",
    "ID": 42,
    "Type": "HardBounce",
    "TypeCode": 1,
    "Description": "The server was unable to deliver your message.",
    "Details": "550 5.1.1 no such user",
    "Email": "john@example.com",
    "BouncedAt": "2026-11-30T13:28:10.2735393-05:00",
}
DELIVERY = {
    **COMMON,
    "RecordType": "Delivery",
    "Recipient": "john@example.com",
    "DeliveredAt": "2026-11-30T13:28:10Z",
    "Details": "250 ok",
}
CHANGE = {
    **COMMON,
    "RecordType": "SubscriptionChange",
    "Recipient": "john@example.com",
    "ChangedAt": "2026-11-30T13:28:10Z",
    "Origin": "Recipient",
    "SuppressSending": True,
    "SuppressionReason": "ManualSuppression",
}
COMPLAINT = {**BOUNCE, "RecordType": "SpamComplaint", "Type": "SpamComplaint", "ID": 43}


def signed(login=LOGIN):
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def read(found, **options):
    backend = backend_at("http://127.0.0.1:9", **{"events_secret": LOGIN, **options})
    return list(backend.read_events(signed(), json.dumps(found).encode()))


def test_bounce_is_read():
    (event,) = read(BOUNCE)
    assert event.kind is EventKind.BOUNCED
    assert event.permanent
    assert event.at == datetime(2026, 11, 30, 18, 28, 10, tzinfo=timezone.utc)
    assert event.id == "Bounce-42"
    assert event.peer_id == NUMBER
    assert event.recipient == "john@example.com"
    assert event.reason == "HardBounce The server was unable to deliver your message."
    assert event.response == "550 5.1.1 no such user"
    assert (event.tags, event.metadata) == (("welcome",), {"order": "42"})
    assert event.raw == BOUNCE


def test_event_names_the_message_id_that_was_sent(postmark):
    """Postmark does not return it, and its own id is not known of a message without an answer."""
    receipt = backend_at(postmark.url).send(message(metadata={"order": 42}))
    (event,) = read({**DELIVERY, "Metadata": postmark.accepted[0]["Metadata"]})
    assert (event.message_id, event.metadata) == (receipt.message_id, {"order": "42"})


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {f"m{number}": 1 for number in range(10)}},
        {"sender": f"ann@{'x' * 60}.example.com"},
    ],
    ids=["ten entries", "a long id"],
)
def test_message_id_that_does_not_fit_is_left_out(postmark, fields):
    postmark.senders |= {fields.get("sender", "")}
    sent = message(**fields)
    assert backend_at(postmark.url).send(sent).sent
    given = postmark.accepted[0].get("Metadata", {})
    assert "flask_mail_id" not in given
    assert read({**DELIVERY, "Metadata": given})[0].message_id == ""


def test_delivery_is_read():
    (event,) = read(DELIVERY)
    assert event.kind is EventKind.DELIVERED
    assert event.at == datetime(2026, 11, 30, 13, 28, 10, tzinfo=timezone.utc)
    assert (event.recipient, event.response) == ("john@example.com", "250 ok")
    assert event.id
    assert event.id == read(DELIVERY)[0].id


@pytest.mark.parametrize(
    ("found", "kind", "permanent"),
    [
        ({**BOUNCE, "Type": "SoftBounce"}, EventKind.BOUNCED, False),
        ({**BOUNCE, "Type": "BadEmailAddress"}, EventKind.BOUNCED, True),
        ({**BOUNCE, "Type": "Blocked"}, EventKind.BOUNCED, False),
        # The server of the recipient takes it for spam, not the recipient.
        ({**BOUNCE, "Type": "SpamNotification"}, EventKind.BOUNCED, False),
        ({**BOUNCE, "Type": "Transient"}, EventKind.DELAYED, False),
        ({**BOUNCE, "Type": "AutoResponder"}, EventKind.OTHER, False),
        ({**BOUNCE, "Type": "ManuallyDeactivated"}, EventKind.REFUSED, False),
        ({**BOUNCE, "Type": "SMTPApiError"}, EventKind.REFUSED, False),
        ({**BOUNCE, "Type": "Unsubscribe"}, EventKind.UNSUBSCRIBED, False),
        ({**BOUNCE, "Type": "of tomorrow"}, EventKind.BOUNCED, False),
        (COMPLAINT, EventKind.COMPLAINED, False),
        ({**COMPLAINT, "Type": None}, EventKind.COMPLAINED, False),
        (CHANGE, EventKind.UNSUBSCRIBED, False),
        ({**CHANGE, "Origin": "Customer"}, EventKind.OTHER, False),
        ({**CHANGE, "Origin": "Admin"}, EventKind.OTHER, False),
        ({**CHANGE, "Origin": None}, EventKind.UNSUBSCRIBED, False),
        ({**CHANGE, "SuppressionReason": "SpamComplaint"}, EventKind.OTHER, False),
        ({**CHANGE, "SuppressSending": False}, EventKind.OTHER, False),
        ({**CHANGE, "SuppressionReason": "HardBounce"}, EventKind.OTHER, False),
        ({**COMMON, "RecordType": "Open", "Recipient": "a@example.com"}, EventKind.OTHER, False),
        ({"RecordType": "Bounce"}, EventKind.BOUNCED, False),
        ({}, EventKind.OTHER, False),
        ({"RecordType": ["x"], "Metadata": [1], "Tag": 7, "ID": "x"}, EventKind.OTHER, False),
    ],
)
def test_kind_of_each_event_is_known(found, kind, permanent):
    (event,) = read(found)
    assert (event.kind, event.permanent) == (kind, permanent)


def test_without_a_login_nothing_is_read():
    with pytest.raises(EventsRefused, match="MAIL_POSTMARK_EVENTS_SECRET is not set"):
        backend_at("http://127.0.0.1:9").read_events(signed(), b"{}")


class TestPostmarkEvents(ReportsEvents):
    tolerance = None  # Postmark logs in, and signs nothing

    @pytest.fixture
    def options(self):
        return {"token": TOKEN}

    @pytest.fixture
    def backend(self):
        return backend_at("http://127.0.0.1:9")

    @pytest.fixture
    def secrets(self):
        return [TOKEN, "l0ng-s3cret"]

    @pytest.fixture
    def events_secrets(self):
        return LOGIN, "postmark:another"

    @pytest.fixture
    def reports(self):
        return {
            EventKind.BOUNCED: BOUNCE,
            EventKind.COMPLAINED: COMPLAINT,
            EventKind.DELIVERED: DELIVERY,
            EventKind.UNSUBSCRIBED: CHANGE,
            EventKind.OTHER: {**COMMON, "RecordType": "of tomorrow"},
        }

    @pytest.fixture
    def signed(self):
        def sign(report, *, secret, at):
            body = report if isinstance(report, bytes) else json.dumps(report).encode()
            return signed(secret), body

        return sign
