"""Events of Amazon SES: their kinds and fields, the endpoint, and the command that confirms."""

from __future__ import annotations

import json
import logging
import time
from datetime import datetime, timezone

import flask_mail_ses
import pytest
from flask import Flask
from flask_mail_ses import SesBackend
from flask_mail_ses.events import events_in
from flask_mail_ses.sns import Topics
from notices import CONFIRM, NOW, TOPIC, Web, body, certificate, notice, stamp

from flask_mail import EventKind, Mail
from flask_mail.backends import ConfigurationError, EventsRefused
from flask_mail.cli import mail_cli

MAIL = {
    "timestamp": "2026-11-30T11:59:00.000Z",
    "messageId": "0102-ses",
    "source": "shop@example.com",
    "destination": ["ann@example.com", "bob@example.com"],
    "headersTruncated": False,
    "headers": [
        {"name": "From", "value": "shop@example.com"},
        {"name": "Message-ID", "value": "<1@example.com>"},
    ],
    "commonHeaders": {"messageId": "0102-ses"},
    "tags": {"ses:source-ip": ["192.0.2.1"], "news": ["true"], "order": ["42"], "odd": [], "x": 1},
}
BOUNCE = {
    "bounceType": "Permanent",
    "bounceSubType": "General",
    "bouncedRecipients": [
        {
            "emailAddress": "bob@example.com",
            "action": "failed",
            "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 no such user",
        }
    ],
    "timestamp": "2026-11-30T11:59:30.000Z",
    "feedbackId": "0102-feedback",
}


def read(name, detail=None, mail=MAIL, *, key="eventType"):
    field = {
        "DeliveryDelay": "deliveryDelay",
        "Rendering Failure": "failure",
    }.get(name, name.lower())
    about = {key: name, "mail": mail, field: {} if detail is None else detail}
    message = {"Message": json.dumps(about), "MessageId": "0b1c", "Timestamp": stamp()}
    return list(events_in(message))


def shown(events):
    return [(each.kind.value, each.recipient) for each in events]


@pytest.mark.parametrize("key", ["eventType", "notificationType"])
def test_a_bounce_has_all_that_is_known_of_it(key):
    (event,) = read("Bounce", BOUNCE, key=key)
    assert event.kind is EventKind.BOUNCED
    assert event.at == datetime(2026, 11, 30, 11, 59, 30, tzinfo=timezone.utc)
    assert event.id == "0102-feedback-0"
    assert (event.message_id, event.peer_id) == ("<1@example.com>", "0102-ses")
    assert event.recipient == "bob@example.com"
    assert event.permanent
    assert (event.reason, event.response) == ("Permanent General", "550 5.1.1 no such user")
    assert (event.tags, event.metadata) == (("news",), {"order": "42"})
    assert event.raw["bounce"] == BOUNCE


@pytest.mark.parametrize(
    ("kind", "subtype", "expected"),
    [
        ("Permanent", "NoEmail", ("bounced", True)),
        ("Transient", "MailboxFull", ("bounced", False)),
        ("Undetermined", "Undetermined", ("bounced", False)),
        ("Permanent", "Suppressed", ("refused", True)),
        ("Permanent", "OnAccountSuppressionList", ("refused", True)),
        ("Permanent", "OnTenantSuppressionList", ("refused", True)),
        ("Permanent", "EmailValidationSuppressed", ("refused", True)),
        ("Permanent", "UnsubscribedRecipient", ("refused", False)),
    ],
)
def test_only_some_bounces_are_permanent(kind, subtype, expected):
    (event,) = read("Bounce", {**BOUNCE, "bounceType": kind, "bounceSubType": subtype})
    assert (event.kind.value, event.permanent) == expected


def test_each_recipient_has_an_event_with_an_id_of_its_own():
    both = [{"emailAddress": each} for each in MAIL["destination"]]
    events = read("Bounce", {**BOUNCE, "bouncedRecipients": both})
    assert shown(events) == [("bounced", "ann@example.com"), ("bounced", "bob@example.com")]
    assert [each.id for each in events] == ["0102-feedback-0", "0102-feedback-1"]
    assert [each.response for each in events] == ["", ""]


@pytest.mark.parametrize(
    ("name", "detail", "expected"),
    [
        (
            "Complaint",
            {"complainedRecipients": [{"emailAddress": "bob@example.com"}]},
            [("complained", "bob@example.com")],
        ),
        (
            "Complaint",
            {
                "complainedRecipients": [{"emailAddress": "bob@example.com"}],
                "complaintSubType": "OnAccountSuppressionList",
            },
            [("refused", "bob@example.com")],
        ),
        (
            "Complaint",
            {
                "complainedRecipients": [{"emailAddress": "bob@example.com"}],
                "complaintFeedbackType": "not-spam",
            },
            [("other", "bob@example.com")],
        ),
        ("Delivery", {"recipients": ["bob@example.com"]}, [("delivered", "bob@example.com")]),
        (
            "DeliveryDelay",
            {"delayedRecipients": [{"emailAddress": "bob@example.com", "status": "4.4.1"}]},
            [("delayed", "bob@example.com")],
        ),
        ("Reject", None, [("refused", "ann@example.com"), ("refused", "bob@example.com")]),
        ("Send", None, [("other", "")]),
        ("Open", {"userAgent": "x"}, [("other", "")]),
        ("Click", {"link": "https://example.com"}, [("other", "")]),
        ("Rendering Failure", {"errorMessage": "x"}, [("other", "")]),
        ("Something New", None, [("other", "")]),
        (
            "Subscription",
            {"newTopicPreferences": {"unsubscribeAll": True}},
            [("unsubscribed", "")],
        ),
        ("Subscription", {"newTopicPreferences": {"unsubscribeAll": False}}, [("other", "")]),
    ],
)
def test_each_kind_is_mapped(name, detail, expected):
    assert shown(read(name, detail)) == expected


def test_of_one_recipient_other_events_name_it():
    one = {**MAIL, "destination": ["ann@example.com"]}
    assert shown(read("Open", mail=one)) == [("other", "ann@example.com")]
    assert shown(read("Bounce", {}, mail=one)) == [("bounced", "ann@example.com")]


@pytest.mark.parametrize("name", ["Bounce", "Complaint", "Delivery", "DeliveryDelay"])
def test_event_without_recipients_blames_none_of_several(name):
    """Each of them would be suppressed otherwise."""
    (event,) = read(name)
    assert event.recipient == ""


def test_complaint_blames_none_of_several_recipients_at_a_provider():
    both = [{"emailAddress": each} for each in MAIL["destination"]]
    assert shown(read("Complaint", {"complainedRecipients": both})) == [("complained", "")]
    suppressed = {"complaintSubType": "OnAccountSuppressionList", "complainedRecipients": both}
    assert shown(read("Complaint", suppressed)) == [
        ("refused", "ann@example.com"),
        ("refused", "bob@example.com"),
    ]


@pytest.mark.parametrize(
    ("name", "detail", "reason", "response"),
    [
        ("Delivery", {"smtpResponse": "250 ok"}, "", "250 ok"),
        ("Complaint", {"complaintFeedbackType": "abuse"}, "abuse", ""),
        ("DeliveryDelay", {"delayType": "MailboxFull"}, "MailboxFull", ""),
        (
            "DeliveryDelay",
            {"delayedRecipients": [{"emailAddress": "a@b", "status": "4.2.2"}]},
            *("", "4.2.2"),
        ),
        (
            "DeliveryDelay",
            {"delayedRecipients": [{"emailAddress": "a@b", "diagnosticCode": "x; 1"}]},
            *("", "x; 1"),
        ),
        ("Reject", {"reason": "Bad content"}, "Bad content", ""),
    ],
)
def test_the_explanation_is_kept(name, detail, reason, response):
    event = read(name, detail)[0]
    assert (event.reason, event.response) == (reason, response)


def test_without_details_the_notification_gives_id_and_time():
    event = read("Send", mail={})[0]
    assert (event.id, event.at) == ("0b1c-0", NOW)
    assert (event.message_id, event.peer_id, event.recipient) == ("", "", "")


@pytest.mark.parametrize(
    "message",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        "",
        "[]",
        "{}",
        "[" * 9999,
    ],
)
def test_other_messages_of_the_topic_are_no_events(message):
    assert list(events_in(notice(message))) == []


def backend(web=None, **options):
    options = {"region": "eu-central-1", "events_topic": TOPIC, **options}
    made = SesBackend.from_options(options, None)
    if options["events_topic"] is not None:
        topics = Topics([TOPIC], "T", fetch=(web or Web()).fetch, clock=NOW.timestamp)
        vars(made)["_topics"] = topics
    return made


class TestBackend:
    def test_a_notification_is_verified_and_read(self):
        about = {"eventType": "Bounce", "mail": MAIL, "bounce": BOUNCE}
        assert shown(backend().read_events({}, body(about))) == [("bounced", "bob@example.com")]
        changed = json.dumps({**notice(about), "Message": "{}"}).encode()
        with pytest.raises(EventsRefused, match="signature is wrong"):
            backend().read_events({}, changed)

    def test_a_confirmation_is_not_fetched_but_logged(self, caplog):
        web = Web()
        asked = body("You have chosen", kind="SubscriptionConfirmation")
        assert list(backend(web).read_events({}, asked)) == []
        assert web.asked == [notice()["SigningCertURL"]]
        assert f"flask mail events confirm  '{CONFIRM}'" in caplog.text
        assert caplog.records[0].levelno == logging.WARNING

    def test_the_end_of_a_subscription_is_logged(self, caplog):
        ended = body("You have ended", kind="UnsubscribeConfirmation")
        assert list(backend().read_events({}, ended)) == []
        assert f"does not send the events of {TOPIC} any more" in caplog.text

    def test_without_a_topic_nothing_is_accepted(self):
        made = backend(events_topic=None)
        with pytest.raises(EventsRefused, match="EVENTS_TOPIC is not set"):
            made.read_events({}, body("Hi"))
        with pytest.raises(ConfigurationError, match="EVENTS_TOPIC is not set"):
            made.confirm_events(CONFIRM)

    @pytest.mark.parametrize("given", [f"{TOPIC}, {TOPIC}2", [TOPIC, f"{TOPIC}2"]])
    def test_there_may_be_several_topics(self, given):
        made = SesBackend.from_options({"region": "eu-central-1", "events_topic": given}, None)
        assert list(vars(made)["_topics"].hosts) == [TOPIC, f"{TOPIC}2"]

    def test_without_the_library_the_error_names_the_extra(self, monkeypatch):
        monkeypatch.setattr(flask_mail_ses, "find_spec", lambda name: None)
        with pytest.raises(ConfigurationError, match=r"pip install 'Flask-Mail-SES\[events\]'"):
            backend()


@pytest.fixture
def shop(monkeypatch):
    """Yield an app with the endpoint, and the web that it reads certificates from."""
    now = datetime.fromtimestamp(time.time(), timezone.utc)
    web = Web(certificate(start=now))
    monkeypatch.setattr(Topics.__init__, "__kwdefaults__", {"fetch": web.fetch, "clock": time.time})
    app = Flask("shop")
    app.config.update(
        MAIL_EVENTS="/mail-events",
        MAIL_BACKEND="ses",
        MAIL_SES_REGION="eu-central-1",
        MAIL_SES_EVENTS_TOPIC=TOPIC,
        TESTING=True,
    )
    Mail(app)
    return app, web, stamp(now)


def test_a_subscription_is_confirmed_by_the_command(shop):
    app, web, _ = shop

    def run(*arguments):
        return app.test_cli_runner().invoke(mail_cli, ["events", "confirm", *arguments])

    done = run("ses", CONFIRM)
    assert (done.exit_code, web.asked) == (0, [CONFIRM])
    wrong = run("default", "https://evil.example/")
    assert wrong.exit_code == 1
    assert "confirms no subscription" in wrong.output
    assert len(web.asked) == 1
