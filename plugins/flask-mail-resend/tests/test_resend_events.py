"""Events, signed as Svix signs them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import datetime, timezone

import pytest
from flask import Flask
from flask_mail_resend import ResendBackend
from resend_backend import new_backend
from service import KEY

from flask_mail import EventKind, EventsRefused, Mail, email_reported

SECRET = "whsec_" + base64.b64encode(b"a signing secret of 24 b").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret, and newer").decode()


def signed(body, *, secret=SECRET, at=None, number="msg_2W2D3qXLS5fOaPja1GDg7rF2CwB"):
    """Return the headers of a request, made as Svix documents."""
    at = int(time.time()) if at is None else at
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{number}.{at}.".encode() + body
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {
        "Svix-Id": number,
        "Svix-Timestamp": str(at),
        "Svix-Signature": f"v1,AAAA v1,{signature} v1a,whatever",
    }


def event(kind="email.delivered", **data):
    return {
        "type": kind,
        "created_at": "2026-02-22T23:41:12.126Z",
        "data": {
            "created_at": "2026-02-22T23:41:11.894719+00:00",
            "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
            "from": "Acme <onboarding@resend.dev>",
            "to": ["Bob <bob@example.com>"],
            "subject": "Hello",
            **data,
        },
    }


def read(service, found, **options):
    body = json.dumps(found).encode()
    backend = new_backend(service, events_secret=SECRET, **options)
    (result,) = backend.read_events(signed(body), body)
    return result


def test_event_has_the_ids_the_time_and_the_recipient(service):
    tags = {"welcome": "true", "order": "4711"}
    found = event(tags={**tags, "flask_mail_id": "PDFAZXhhbXBsZS5jb20-"})
    result = read(service, found)
    assert result.kind is EventKind.DELIVERED
    assert result.at == datetime(2026, 2, 22, 23, 41, 12, 126000, tzinfo=timezone.utc)
    assert result.id == "msg_2W2D3qXLS5fOaPja1GDg7rF2CwB"
    assert result.message_id == "<1@example.com>"
    assert result.peer_id == "56761188-7520-42d8-8898-ff6fc54ce618"
    assert result.recipient == "bob@example.com"
    assert result.tags == ("welcome",)
    assert result.metadata == tags
    assert (result.backend, result.permanent, result.raw) == ("resend", False, found)


@pytest.mark.parametrize(
    ("found", "kind", "permanent", "reason"),
    [
        (
            event("email.bounced", bounce={"type": "Permanent", "subType": "General"}),
            *(EventKind.BOUNCED, True, "Permanent General"),
        ),
        (
            event("email.bounced", bounce={"type": "Transient", "message": "Full"}),
            *(EventKind.BOUNCED, False, "Transient Full"),
        ),
        (
            event("email.bounced", bounce={"message": "Resend has suppressed sending to it"}),
            *(EventKind.REFUSED, False, "Resend has suppressed sending to it"),
        ),
        (
            event("email.suppressed", suppressed={"type": "OnAccountSuppressionList"}),
            *(EventKind.REFUSED, False, "OnAccountSuppressionList"),
        ),
        (
            event("email.failed", failed={"reason": "reached_daily_quota"}),
            *(EventKind.REFUSED, False, "reached_daily_quota"),
        ),
        (event("email.complained"), EventKind.COMPLAINED, False, ""),
        (event("email.delivery_delayed"), EventKind.DELAYED, False, ""),
        (event("email.opened"), EventKind.OTHER, False, ""),
        (event("email.sent", bounce="odd"), EventKind.OTHER, False, ""),
        ({"type": "domain.created"}, EventKind.OTHER, False, ""),
        ({"type": 7, "data": []}, EventKind.OTHER, False, ""),
    ],
)
def test_kind_is_normalised(service, found, kind, permanent, reason):
    result = read(service, found)
    assert (result.kind, result.permanent, result.reason) == (kind, permanent, reason)


@pytest.mark.parametrize(("unsubscribed", "kind"), [(True, "unsubscribed"), (False, "other")])
def test_contact_that_has_unsubscribed_is_reported(service, unsubscribed, kind):
    data = {"email": "bob@example.com", "unsubscribed": unsubscribed}
    result = read(service, {"type": "contact.updated", "data": data})
    assert (result.kind.value, result.recipient) == (kind, "bob@example.com")


@pytest.mark.parametrize(
    "data",
    [{"to": ["bob@example.com", "joe@example.com"]}, {"cc": ["joe@example.com"]}, {"to": []}],
)
def test_one_of_several_recipients_is_not_guessed(service, data):
    """The event does not say which one it is about."""
    assert read(service, event("email.bounced", **data)).recipient == ""


def test_each_of_several_secrets_is_valid(service):
    body = json.dumps(event()).encode()
    backend = new_backend(service, events_secret=[OTHER, SECRET])
    for secret in (OTHER, SECRET):
        assert len(list(backend.read_events(signed(body, secret=secret), body))) == 1


@pytest.mark.parametrize("tag", ["", "a", "_w"])
def test_message_id_of_another_program_is_not_guessed(service, tag):
    assert read(service, event(tags={"flask_mail_id": tag})).message_id == ""


def refused(service, headers, body, **options):
    backend = new_backend(service, **{"events_secret": SECRET, **options})
    with pytest.raises(EventsRefused) as caught:
        list(backend.read_events(headers, body))
    return caught.value


BODY = json.dumps(event()).encode()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, BODY),
        (signed(BODY, secret=OTHER), BODY),
        (signed(BODY), BODY + b" "),
        (signed(BODY) | {"Svix-Id": "msg_other"}, BODY),
        (signed(BODY) | {"Svix-Timestamp": "soon"}, BODY),
        (signed(BODY, at=1_700_000_000), BODY),
        (signed(BODY, at=int(time.time()) + 3600), BODY),
    ],
    ids=["unsigned", "wrong secret", "changed", "other id", "no time", "replayed", "future"],
)
def test_request_that_is_not_from_resend_is_refused(service, headers, body):
    error = refused(service, headers, body)
    assert error.status == 401
    assert SECRET not in str(error)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_body_that_is_no_event_is_refused(service, body):
    assert refused(service, signed(body), body).status == 400


def test_without_a_secret_nothing_is_read(service):
    error = refused(service, signed(BODY), BODY, events_secret=None)
    assert "MAIL_RESEND_EVENTS_SECRET" in str(error)


ODD = [None, True, 7, 1e308, "", "odd\0", "\ud800", [], ["odd"], [[]], {}, {"odd": []}]
FULL = event(
    "email.bounced",
    cc=["joe@example.com"],
    tags={"order": "4711", "flask_mail_id": "PDFAZXhhbXBsZS5jb20-"},
    bounce={"type": "Permanent", "subType": "General", "message": "No such user"},
)


def places_in(value, path=()):
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from places_in(value[name], (*path, name))


def with_odd(value, path, odd):
    if not path:
        return odd
    return {**value, path[0]: with_odd(value[path[0]], path[1:], odd)}


@pytest.mark.parametrize("path", [each for each in places_in(FULL) if each], ids=".".join)
def test_event_with_an_odd_value_is_read(service, path):
    """An error would make Resend send it again, and in the end switch the webhook off."""
    for odd in ODD:
        assert isinstance(read(service, with_odd(FULL, path, odd)).kind, EventKind)


def test_signed_request_reaches_the_receivers_of_the_app(service):
    app = Flask("shop")
    app.config.update(
        MAIL_EVENTS="/mail-events",
        MAIL_MAILERS={
            "default": {
                "BACKEND": ResendBackend,
                "KEY": KEY,
                "URL": service.url,
                "EVENTS_SECRET": [OTHER, SECRET],
            }
        },
    )
    Mail(app)
    received = []

    def receive(app, event):
        received.append(event)

    with email_reported.connected_to(receive):
        client = app.test_client()
        refused = client.post("/mail-events/default", data=BODY, headers={"Svix-Id": "msg_1"})
        assert (refused.status_code, received) == (401, [])
        accepted = client.post("/mail-events/default", data=BODY, headers=signed(BODY))
    assert accepted.status_code == 204
    assert [(each.kind, each.mailer) for each in received] == [(EventKind.DELIVERED, "default")]
