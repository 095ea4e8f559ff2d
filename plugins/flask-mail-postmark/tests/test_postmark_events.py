"""The events of Postmark."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone

import pytest
from flask import Flask
from flask_mail_postmark import PostmarkBackend
from postmark import TOKEN, backend_at

from flask_mail import EventKind, EventsRefused, Mail, email_reported

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


def signed(login=LOGIN, scheme="Basic"):
    return {"Authorization": f"{scheme} {base64.b64encode(login.encode()).decode()}"}


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
        ({**BOUNCE, "Type": "Transient"}, EventKind.DELAYED, False),
        ({**BOUNCE, "Type": "AutoResponder"}, EventKind.OTHER, False),
        ({**BOUNCE, "Type": "ManuallyDeactivated"}, EventKind.REFUSED, False),
        ({**BOUNCE, "Type": "SMTPApiError"}, EventKind.REFUSED, False),
        ({**BOUNCE, "Type": "Unsubscribe"}, EventKind.UNSUBSCRIBED, False),
        ({**BOUNCE, "Type": "of tomorrow"}, EventKind.BOUNCED, False),
        (COMPLAINT, EventKind.COMPLAINED, False),
        ({**COMPLAINT, "Type": None}, EventKind.COMPLAINED, False),
        (CHANGE, EventKind.UNSUBSCRIBED, False),
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


@pytest.mark.parametrize("body", [b"", b"[]", b"no", b"\xff", b"[" * 100_000, b'{"a"'])
def test_body_that_is_no_event_is_refused(body):
    with pytest.raises(EventsRefused) as caught:
        backend_at("http://127.0.0.1:9", events_secret=LOGIN).read_events(signed(), body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "headers",
    [{}, signed("postmark:another"), signed(scheme="Bearer"), {"Authorization": "Basic %%%"}],
)
def test_event_without_the_login_is_refused(headers):
    backend = backend_at("http://127.0.0.1:9", events_secret=LOGIN)
    with pytest.raises(EventsRefused) as caught:
        backend.read_events(headers, json.dumps(BOUNCE).encode())
    assert caught.value.status == 401
    with pytest.raises(EventsRefused, match="MAIL_POSTMARK_EVENTS_SECRET is not set"):
        backend_at("http://127.0.0.1:9").read_events(signed(), b"{}")


def test_each_login_of_a_list_is_valid():
    assert read(BOUNCE, events_secret=["old:login", LOGIN])


def test_app_receives_events_at_its_endpoint():
    app = Flask("shop")
    app.config.update(
        MAIL_BACKEND=PostmarkBackend,
        MAIL_POSTMARK_TOKEN=TOKEN,
        MAIL_POSTMARK_EVENTS_SECRET=LOGIN,
        MAIL_EVENTS="/mail-events",
    )
    Mail(app)
    heard = []

    def receive(app, event):
        heard.append((event.kind, event.mailer, event.backend))

    with email_reported.connected_to(receive):
        client = app.test_client()
        assert client.post("/mail-events/default", json=BOUNCE).status_code == 401
        assert heard == []
        sent = client.post("/mail-events/default", json=BOUNCE, headers=signed())
        assert sent.status_code == 204
    assert heard == [(EventKind.BOUNCED, "default", "postmark")]
