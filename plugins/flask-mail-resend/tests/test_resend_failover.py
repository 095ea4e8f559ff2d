"""Failover from a server of SMTP to Resend, and back."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_mail_resend import ResendBackend
from service import ACCEPT_AND_HANG_UP, KEY, Answer
from smtp_peer import smtp_peer

from flask_mail import DeliveryUnknown, Mail, Message, MessageRefused, Outcome


@pytest.fixture
def peer():
    with smtp_peer() as peer:
        yield peer


@pytest.fixture
def mail(service, peer):
    app = Flask("shop")
    app.config.update(
        MAIL_DEFAULT_SENDER="shop@example.com",
        MAIL_MAILERS={
            "default": {"BACKEND": "failover", "MAILERS": ["own", "service"]},
            "reverse": {"BACKEND": "failover", "MAILERS": ["service", "own"]},
            "own": peer.url,
            "service": {"BACKEND": ResendBackend, "KEY": KEY, "URL": service.url},
        },
    )
    mail = Mail(app)
    yield mail
    mail.close()


def hello(number=0):
    return Message(f"Number {number}", ["ann@example.org"], "Hello, Ann.")


def test_resend_gets_what_a_server_that_is_down_did_not(mail, service):
    mail.app.config["MAIL_MAILERS"]["own"] = "smtp://127.0.0.1:1"
    receipts = mail.send_many([hello(number) for number in range(3)])
    assert [each.mailer for each in receipts] == ["service"] * 3
    assert receipts[0].earlier[0].outcome is Outcome.NOT_SENT
    assert receipts[1].earlier == ()  # it rests
    assert [each["subject"] for each in service.accepted] == ["Number 0", "Number 1", "Number 2"]


def test_resend_gets_what_the_server_has_rejected_for_now(mail, service, peer):
    peer.reply = b"451 4.3.0 Later"
    receipt = mail.send(hello())
    assert (receipt.mailer, len(service.accepted)) == ("service", 1)
    assert "451" in receipt.earlier[0].reason


@pytest.mark.parametrize(
    ("reply", "error"), [(b"", DeliveryUnknown), (b"550 5.7.1 No", MessageRefused)]
)
def test_resend_gets_nothing_that_the_server_may_have_accepted(mail, service, peer, reply, error):
    peer.reply = reply
    with pytest.raises(error):
        mail.send(hello())
    assert service.requests == []


def test_server_gets_what_resend_throttles_and_nothing_else(mail, service, peer):
    service.decide = lambda _: Answer(429, "daily_quota_exceeded", "Enough", retry_after="60")
    throttled = mail.using("reverse").send(hello())
    assert (throttled.mailer, len(peer.accepted)) == ("own", 1)
    assert throttled.earlier[0].error.retry_after == 60.0

    mail.close()
    service.decide = lambda _: ACCEPT_AND_HANG_UP
    mail.app.config["MAIL_MAILERS"]["reverse"]["RETRY_AFTER"] = 1  # built anew: it does not rest
    with pytest.raises(DeliveryUnknown):
        mail.using("reverse").send(hello())
    assert (len(peer.accepted), len(service.accepted)) == (1, 1)


def test_server_gets_nothing_that_another_request_is_sending(mail, service, peer):
    """The request under way may be accepted, and the server knows no keys."""
    service.decide = lambda _: Answer(409, "concurrent_idempotent_requests", "In progress")
    with pytest.raises(DeliveryUnknown, match="In progress"):
        mail.using("reverse").send(hello())
    assert peer.accepted == []
