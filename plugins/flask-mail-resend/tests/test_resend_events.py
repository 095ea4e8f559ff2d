"""Events, signed as Svix signs them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import datetime, timezone

import pytest
from resend_backend import message, new_backend, options_of
from service import KEY

from flask_mail import EventKind, EventsRefused
from flask_mail.testing.contract import ReportsEvents

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


def test_tags_may_be_a_list_of_names_and_values(service):
    """Resend documents them so, and sends an object."""
    named = [{"name": "order", "value": "4711"}, {"name": "welcome", "value": "true"}, "odd", {}]
    given = [*named, {"name": "flask_mail_id", "value": "PDFAZXhhbXBsZS5jb20-"}]
    result = read(service, event(tags=given))
    assert result.message_id == "<1@example.com>"
    assert (result.tags, result.metadata) == (("welcome",), {"order": "4711", "welcome": "true"})


@pytest.mark.parametrize(
    ("given", "response"),
    [
        (["smtp; 550 5.1.1 No such user"], "550 5.1.1 No such user"),
        (["smtp;550-5.1.1 No", "550 5.1.1 such user", 7], "550-5.1.1 No 550 5.1.1 such user"),
        ("550", ""),
    ],
)
def test_reply_of_the_server_is_the_response(service, given, response):
    bounce = {"type": "Permanent", "subType": "General", "diagnosticCode": given}
    result = read(service, event("email.bounced", bounce=bounce))
    assert (result.reason, result.response) == ("Permanent General", response)


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
            event("email.bounced", bounce={"type": "Permanent", "subType": "Suppressed"}),
            *(EventKind.REFUSED, False, "Permanent Suppressed"),
        ),
        (
            event("email.bounced", bounce={"type": "Permanent", "subType": ["Suppressed"]}),
            *(EventKind.BOUNCED, True, "Permanent"),
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
    [
        {"to": ["bob@example.com", "joe@example.com"]},
        {"cc": ["joe@example.com"]},
        {"headers": ["odd", {"name": "X-Ref", "value": "1"}, {"name": "Cc", "value": "joe@a.b"}]},
        {"to": []},
    ],
)
def test_one_of_several_recipients_is_not_guessed(service, data):
    """The event does not say which one it is about."""
    assert read(service, event("email.bounced", **data)).recipient == ""


@pytest.mark.parametrize(
    ("others", "recipient"),
    [({}, "bob@example.com"), ({"bcc": ["blind@example.com"]}, ""), ({"cc": ["joe@a.b"]}, "")],
    ids=["none", "bcc", "cc"],
)
def test_bounce_of_a_copy_does_not_blame_the_recipient_in_to(service, others, recipient):
    """The event may be about a copy that it does not list."""
    sent = message(recipients=["bob@example.com"], **others)
    new_backend(service).send(sent)
    tags = {each["name"]: each["value"] for each in service.requests[0]["tags"]}
    bounce = {"type": "Permanent", "subType": "General"}
    result = read(service, event("email.bounced", tags=tags, bounce=bounce))
    assert (result.recipient, result.message_id) == (recipient, sent.msgId)


@pytest.mark.parametrize("tag", ["", "a", "_w"])
def test_message_id_of_another_program_is_not_guessed(service, tag):
    assert read(service, event(tags={"flask_mail_id": tag})).message_id == ""


def test_without_a_secret_nothing_is_read(service):
    body = json.dumps(event()).encode()
    with pytest.raises(EventsRefused, match="MAIL_RESEND_EVENTS_SECRET"):
        new_backend(service).read_events(signed(body), body)


class TestResendEvents(ReportsEvents):
    @pytest.fixture
    def options(self, service):
        return options_of(service)

    @pytest.fixture
    def backend(self, service):
        return new_backend(service)

    @pytest.fixture
    def secrets(self):
        return [KEY]

    @pytest.fixture
    def events_secrets(self):
        return SECRET, OTHER

    @pytest.fixture
    def reports(self):
        return {
            EventKind.BOUNCED: event(
                "email.bounced",
                cc=["joe@example.com"],
                tags={"order": "4711", "flask_mail_id": "PDFAZXhhbXBsZS5jb20-"},
                bounce={"type": "Permanent", "subType": "General", "message": "No such user"},
            ),
            EventKind.DELIVERED: event(),
            EventKind.UNSUBSCRIBED: {
                "type": "contact.updated",
                "data": {"email": "bob@example.com", "unsubscribed": True},
            },
            EventKind.OTHER: event("email.of_tomorrow"),
        }

    @pytest.fixture
    def signed(self):
        def sign(report, *, secret, at):
            body = report if isinstance(report, bytes) else json.dumps(report).encode()
            number = f"msg_{hashlib.sha256(body).hexdigest()[:27]}"
            return signed(body, secret=secret, at=int(at), number=number), body

        return sign
