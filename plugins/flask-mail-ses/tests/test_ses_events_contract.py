"""The contract of backends that read events, by Amazon SNS."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from hashlib import sha256

import pytest
from flask_mail_ses import SesBackend
from flask_mail_ses.sns import Topics
from notices import TOPIC, Web, body, certificate, stamp
from test_ses_events import BOUNCE, MAIL

from flask_mail import EventKind
from flask_mail.testing.contract import ReportsEvents

BOTH = [{"emailAddress": each} for each in MAIL["destination"]]


class TestSesEvents(ReportsEvents):
    tolerance = 3900.0

    @pytest.fixture(autouse=True)
    def amazon(self, monkeypatch):
        """Serve the certificate."""
        web = Web(certificate(start=datetime.fromtimestamp(time.time(), timezone.utc)))
        given = {"fetch": web.fetch, "clock": time.time}
        monkeypatch.setattr(Topics.__init__, "__kwdefaults__", given)

    @pytest.fixture
    def options(self):
        return {"region": "eu-central-1"}

    @pytest.fixture
    def backend(self, options):
        return SesBackend.from_options(options, None)

    @pytest.fixture
    def events_secrets(self):
        return TOPIC, f"{TOPIC}2"

    @pytest.fixture
    def reports(self):
        mail = {"messageId": "0102-ses", "destination": ["ann@example.com"]}
        return {
            EventKind.BOUNCED: {"eventType": "Bounce", "mail": MAIL, "bounce": BOUNCE},
            EventKind.DELIVERED: {"eventType": "Delivery", "mail": mail, "delivery": {}},
            EventKind.OTHER: {"eventType": "Of Tomorrow", "mail": mail},
        }

    @pytest.fixture
    def several(self):
        bounce = {**BOUNCE, "bouncedRecipients": BOTH}
        return {"eventType": "Bounce", "mail": MAIL, "bounce": bounce}

    @pytest.fixture
    def signed(self):
        """The report is a text among the fields that Amazon SNS signs."""

        def sign(report, *, secret, at):
            text = report.decode("latin-1") if isinstance(report, bytes) else json.dumps(report)
            when = stamp(datetime.fromtimestamp(at, timezone.utc))
            number = sha256(text.encode()).hexdigest()
            return {}, body(text, TopicArn=secret, Timestamp=when, MessageId=number)

        return sign
