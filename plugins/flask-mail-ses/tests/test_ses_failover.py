"""Failover from a server of SMTP to Amazon SES, and back."""

from __future__ import annotations

import pytest
from flask import Flask
from service import HANG_UP, KEY, KEY_ID, Answer
from smtp_peer import smtp_peer

from flask_mail import BackendUnavailable, DeliveryUnknown, Mail, Message, Outcome


@pytest.fixture
def peer():
    with smtp_peer() as peer:
        yield peer


@pytest.fixture
def mail(service):
    app = Flask("shop")
    ses = {
        "BACKEND": "ses",
        "REGION": "us-east-1",
        "ACCESS_KEY_ID": KEY_ID,
        "SECRET_ACCESS_KEY": KEY,
        "ENDPOINT_URL": service.url,
    }
    app.config.update(
        MAIL_DEFAULT_SENDER="shop@example.com",
        MAIL_MAILERS={
            "default": {"BACKEND": "failover", "MAILERS": ["own", "service"]},
            "reverse": {"BACKEND": "failover", "MAILERS": ["service", "own"]},
            "own": "smtp://127.0.0.1:1",
            "service": ses,
        },
    )
    mail = Mail(app)
    yield mail
    mail.close()


def hello(number=0):
    return Message(f"Number {number}", ["ann@example.org"], "Hello, Ann.")


def test_ses_gets_what_a_server_that_is_down_did_not(mail, service):
    receipts = mail.send_many([hello(number) for number in range(3)])
    assert [each.mailer for each in receipts] == ["service"] * 3
    assert [each.mailer for each in receipts[0].earlier] == ["own"]
    assert receipts[0].earlier[0].outcome is Outcome.NOT_SENT
    assert receipts[1].earlier == ()  # it rests
    assert len(service.accepted) == 3


def test_ses_gets_what_the_server_has_rejected_for_now(mail, service, peer):
    mail.app.config["MAIL_MAILERS"]["own"] = peer.url
    peer.reply = b"451 4.3.0 Later"
    receipt = mail.send(hello())
    assert (receipt.mailer, len(service.accepted)) == ("service", 1)
    assert "451" in receipt.earlier[0].reason


def test_ses_gets_nothing_that_the_server_may_have_accepted(mail, service, peer):
    mail.app.config["MAIL_MAILERS"]["own"] = peer.url
    peer.reply = b""
    with pytest.raises(DeliveryUnknown):
        mail.send(hello())
    assert service.requests == []


def test_server_gets_what_ses_throttles_and_nothing_that_it_may_have_accepted(mail, service, peer):
    mail.app.config["MAIL_MAILERS"]["own"] = peer.url
    answers = iter([Answer(429, "TooManyRequestsException", "slow down"), HANG_UP])
    service.decide = lambda request: next(answers)
    throttled = mail.using("reverse").send(hello())
    assert (throttled.mailer, len(peer.accepted)) == ("own", 1)
    assert isinstance(throttled.earlier[0].error, BackendUnavailable)
    with pytest.raises(DeliveryUnknown):
        mail.using("reverse").send(hello())
    assert len(peer.accepted) == 1
