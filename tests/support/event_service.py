"""A backend whose service reports events as JSON, and signed requests of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import datetime, timezone

from flask_mail import DeliveryEvent, EventsRefused
from flask_mail.backends import Backend, EventsSecret, Feature, verify_webhook

KEY = "whsec_" + base64.b64encode(b"key of the service").decode()
NEXT = "whsec_" + base64.b64encode(b"next key of the service").decode()


class Service(Backend):
    """A service that reports a list of events."""

    name = "service"
    api_version = 1
    features = frozenset(Feature)

    def __init__(self, *, events_secret: EventsSecret | None = None):
        self.secret = events_secret

    def deliver(self, mail, session):
        raise AssertionError

    def read_events(self, headers, body):
        number = verify_webhook(self.secret, headers, body)
        try:
            items = json.loads(body)["events"]
        except (ValueError, LookupError, TypeError):
            raise EventsRefused("It cannot be read.", status=400) from None
        for place, item in enumerate(items):
            yield DeliveryEvent(
                item["kind"],
                datetime.fromtimestamp(0, timezone.utc),
                f"{number}-{place}",
                recipient="ann@example.com",
            )


class Silent(Backend):
    """A service that reports nothing."""

    name = "silent"
    api_version = 1

    def deliver(self, mail, session):
        raise AssertionError


def body_of(*kinds):
    return json.dumps({"events": [{"kind": kind} for kind in kinds]}).encode()


def signed(body, *, key=KEY, at=None, number="msg_1"):
    at = int(time.time()) if at is None else at
    octets = base64.b64decode(key.removeprefix("whsec_"))
    digest = hmac.new(octets, f"{number}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": number,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def post(app, body=None, *, to="default", headers=None, **options):
    body = body_of("bounced") if body is None else body
    options.setdefault("content_type", "application/json")
    headers = signed(body) if headers is None else headers
    return app.test_client().post(f"/mail-events/{to}", data=body, headers=headers, **options)
