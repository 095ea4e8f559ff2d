"""The inbox shows what a service has reported about a message."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from event_service import KEY, Service, post
from inbox_support import Browser, make_mail, welcome

from flask_mail import DeliveryEvent, email_reported
from flask_mail.extension.events import Received


class Telling(Service):
    """A service that reports three events about one message, and one about another."""

    name = "telling"
    about = ""

    def read_events(self, headers, body):
        at = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)
        own = {"message_id": Telling.about, "recipient": "ann@example.com"}
        return [
            DeliveryEvent("delayed", at, "1", **own, reason="MailboxFull"),
            DeliveryEvent("bounced", at, "2", **own, reason="General", response="550 <b>no</b>"),
            DeliveryEvent("other", at, "3", message_id=Telling.about),
            DeliveryEvent("complained", at, "4", message_id="<other@example.com>"),
            DeliveryEvent("complained", at, "5"),
        ]


@pytest.fixture
def mail():
    tell = {"BACKEND": Telling, "EVENTS_SECRET": KEY}
    return make_mail(MAIL_EVENTS="/mail-events", MAIL_MAILERS={"tell": tell})


def report(mail):
    def note(app, event):
        pass

    with email_reported.connected_to(note):
        assert post(mail.app, to="tell").status_code == 204


def page_of(mail):
    browser = Browser(mail)
    return browser.text(f"/messages/{browser.messages()[0]['id']}")


def test_the_events_of_a_message_are_beside_it(mail):
    Telling.about = mail.send(welcome()).message_id
    assert "Bounced" not in page_of(mail)
    report(mail)
    page = page_of(mail)
    assert "<dt>Delayed</dt>" in page
    assert ", ann@example.com, MailboxFull</dd>" in page
    assert ", ann@example.com, 550 &lt;b&gt;no&lt;/b&gt;</dd>" in page
    assert "<dt>Other</dt>" in page
    assert "Complained" not in page


def test_without_an_endpoint_there_are_none():
    mail = make_mail()
    mail.send(welcome())
    assert "Bounced" not in page_of(mail)


def test_in_production_none_are_remembered(mail):
    Telling.about = "<1@example.com>"
    mail.app.debug = False
    report(mail)
    received = mail.app.extensions["mail_events"]
    assert received.about("<1@example.com>") == []
    assert received.last["tell"].id == "5"


def test_few_are_remembered_and_without_what_the_service_wrote(mail):
    received = Received()
    for number in range(600):
        at = datetime(2030, 1, 1, tzinfo=timezone.utc)
        event = DeliveryEvent("other", at, str(number), message_id="<1@example.com>", raw="x")
        received.note(mail.app, event)
    found = received.about("<1@example.com>")
    assert (len(found), found[0].id, found[0].raw) == (500, "100", None)
