"""The outbox of a test: what a mail service reports about its messages."""

from __future__ import annotations

import pytest
from event_service import KEY, Service
from flask import Flask, current_app, g

from flask_mail import EventKind, Mail, Message, email_reported
from flask_mail.testing import Outbox


@pytest.fixture
def mail():
    app = Flask("shop")
    app.config.update(
        TESTING=True,
        MAIL_DEFAULT_SENDER="shop@example.com",
        MAIL_BACKEND=Service,
        MAIL_SERVICE_EVENTS_SECRET=KEY,
    )
    return Mail(app)


@pytest.fixture
def got(mail):
    events = []

    def note(app, event):
        assert app == mail.app
        events.append(event)

    with email_reported.connected_to(note, sender=mail.app):
        yield events


@pytest.fixture
def outbox():
    with Outbox() as outbox:
        yield outbox


def order(*recipients, **fields):
    return Message("Your order", list(recipients or ["ann@example.com"]), "Hi.", **fields)


def test_a_bounce_handler_is_tested_in_two_lines(mail, outbox, got):
    mail.send(order(tags=["order"], metadata={"id": "42"}))
    events = outbox.report(outbox.last, "bounced", reason="General", response="550 no")
    (event,) = got
    assert events == [event]
    assert event.kind is EventKind.BOUNCED
    assert event.permanent
    assert event.recipient == "ann@example.com"
    assert event.message_id == outbox.receipts[0].message_id
    assert (event.tags, event.metadata) == (("order",), {"id": "42"})
    assert (event.reason, event.response) == ("General", "550 no")
    assert (event.mailer, event.backend) == ("default", "service")
    assert event.at.tzinfo is not None


def test_other_kinds_are_not_permanent_unless_the_test_says_so(mail, outbox, got):
    mail.send(order())
    outbox.report(outbox.last, EventKind.COMPLAINED)
    outbox.report(outbox.last, "bounced", permanent=False)
    outbox.report(outbox.last, EventKind.BOUNCED)
    outbox.report(outbox.last, "refused", permanent=True)
    assert [each.permanent for each in got] == [False, False, True, True]


def test_each_recipient_has_an_event_or_the_one_that_is_named(mail, outbox, got):
    mail.send(order("ann@example.com", bcc=["bob@example.com"]))
    outbox.report(outbox.last, "delivered")
    assert [each.recipient for each in got] == ["ann@example.com", "bob@example.com"]
    assert len({each.id for each in got}) == 2
    outbox.report(outbox.last, "bounced", recipient="bob@EXAMPLE.com")
    assert got[-1].recipient == "bob@example.com"
    with pytest.raises(AssertionError, match="eve@example.com is not a recipient"):
        outbox.report(outbox.last, "bounced", recipient="eve@example.com")


def test_each_report_is_a_new_event_unless_its_id_is_given(mail, outbox, got):
    mail.send(order("ann@example.com", "bob@example.com"))
    for _ in range(2):
        outbox.report(outbox.last, "bounced", recipient="ann@example.com")
    assert len({each.id for each in got}) == 2
    got.clear()
    for _ in range(2):
        outbox.report(outbox.last, "bounced", event_id="1")
    assert [each.id for each in got] == ["1", "1-bob@example.com"] * 2


def test_the_message_may_be_the_one_that_was_sent(mail, outbox, got):
    first, second = order(), order("bob@example.com")
    mail.send(first)
    mail.send(second)
    outbox.report(first, "bounced")
    assert [each.recipient for each in got] == ["ann@example.com"]
    with pytest.raises(AssertionError, match="not sent in this test: Your order"):
        outbox.report(order(), "bounced")


def test_an_error_of_a_receiver_is_raised_after_all_were_called(mail, outbox, got):
    def fail(app, event):
        raise OSError("database")

    mail.send(order("ann@example.com", "bob@example.com"))
    with email_reported.connected_to(fail), pytest.raises(OSError, match="database"):
        outbox.report(outbox.last, "bounced")
    assert len(got) == 2


def test_without_a_receiver_the_test_fails(mail, outbox):
    mail.send(order())
    with pytest.raises(AssertionError, match="No receiver of email_reported"):
        outbox.report(outbox.last, "bounced")
    with pytest.raises(ValueError, match="exploded"):
        outbox.report(outbox.last, "exploded")


def test_of_a_mailer_made_of_others_the_first_reports(mail, outbox, got):
    mail.app.config["MAIL_MAILERS"] = {
        "default": {"BACKEND": "failover", "MAILERS": ["news", "smtp"]},
        "news": {"BACKEND": Service, "EVENTS_SECRET": KEY},
    }
    mail.send(order())
    mail.using("news").send(order())
    for message in outbox:
        outbox.report(message, "bounced")
    assert [(each.mailer, each.backend) for each in got] == [("news", "service")] * 2


def test_a_mail_object_without_an_app_reports_for_the_current_one(outbox):
    mail, app, events = Mail(), Flask("shop"), []

    def note(app, event):
        events.append((app, event.backend))

    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="shop@example.com")
    app.extensions["mail"] = mail.init_mail(app.config, testing=True)
    with email_reported.connected_to(note):
        with app.app_context():
            mail.send(order())
            outbox.report(outbox.last, "bounced")
        outbox.report(outbox.last, "bounced")
    assert events == [(app, "smtp"), (None, "smtp")]


def test_a_message_of_a_chosen_backend_has_no_mailer(mail, outbox, got):
    """As ``flask mail send --backend`` sends it."""
    from flask_mail.testing.events import events_about
    from flask_mail.testing.sent import Sent

    mail.send(order())
    (sent,) = vars(outbox)["_sent"]
    alone = Sent(sent.message, sent.receipt, sent.octets, sent.envelope)
    (event,) = events_about(alone, "bounced", None, None)
    assert (event.mailer, event.backend) == ("default", "locmem")


def test_a_receiver_has_a_context_as_in_a_request(mail, outbox):
    seen = []

    def note(app, event):
        g.noted = event.recipient
        seen.append((current_app.name, g.noted))

    mail.send(order())
    with email_reported.connected_to(note, sender=mail.app):
        outbox.report(outbox.last, "bounced")
        with mail.app.app_context():
            outbox.report(outbox.last, "bounced")
            assert g.noted == "ann@example.com"
    assert seen == [("shop", "ann@example.com")] * 2
