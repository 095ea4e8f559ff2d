"""The outcome of each answer of Postmark, and failover."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_mail_postmark import PostmarkBackend
from postmark import TOKEN, backend_at, error, message

from flask_mail import (
    BackendUnavailable,
    DeliveryUnknown,
    Mail,
    MessageRefused,
    Outcome,
)
from flask_mail.testing.contract import Ending, Plan, answer


def test_inactive_recipients_are_refused_and_the_others_get_it(postmark):
    postmark.inactive |= {"Eve@example.com", "dan@example.com"}
    receipt = backend_at(postmark.url).send(
        message(recipients=["bob@example.com", "Eve@example.com"], bcc=["dan@example.com"])
    )
    assert receipt.outcome is Outcome.SENT
    assert list(receipt.refused) == ["Eve@example.com", "dan@example.com"]
    assert receipt.refused["dan@example.com"].code == 550


def test_message_is_refused_if_all_recipients_are_inactive(postmark):
    postmark.inactive.add("bob@example.com")
    with pytest.raises(MessageRefused, match="Found inactive addresses") as caught:
        backend_at(postmark.url).send(message())
    assert list(caught.value.receipt.refused) == ["bob@example.com"]


def test_inactive_recipient_without_a_name_is_any_of_them(postmark):
    postmark.service.plan(Plan(error(422, 406, "You tried to send to an inactive recipient.")))
    with pytest.raises(MessageRefused) as caught:
        backend_at(postmark.url).send(message())
    assert list(caught.value.receipt.refused) == ["bob@example.com"]


@pytest.mark.parametrize(
    ("code", "kind", "stage", "says"),
    [
        (100, BackendUnavailable, "login", "Try again later"),
        (300, MessageRefused, "accept", "refused the message: 422 No"),
        (400, BackendUnavailable, "accept", "Verify the sender"),
        (401, BackendUnavailable, "accept", "Confirm the sender"),
        (402, MessageRefused, "accept", "refused the message"),
        (405, BackendUnavailable, "login", "Check the plan"),
        (411, MessageRefused, "accept", "refused the message"),
        (412, BackendUnavailable, "login", "approved the account"),
        (413, BackendUnavailable, "login", "why the account may not send"),
        (1235, BackendUnavailable, "login", r"Check MAIL_POSTMARK_MESSAGE_STREAM\."),
        (9999, MessageRefused, "accept", "refused the message"),
    ],
)
def test_error_code_decides_the_outcome(postmark, code, kind, stage, says):
    postmark.service.plan(Plan(error(422, code, "No.")))
    with pytest.raises(kind, match=says) as caught:
        backend_at(postmark.url).send(message())
    assert type(caught.value) is kind
    assert caught.value.stage == stage


@pytest.mark.parametrize("status", [422, 503])
def test_maintenance_is_not_sent_with_any_status(postmark, status):
    postmark.service.plan(Plan(error(status, 100, "Offline for maintenance.")))
    with pytest.raises(BackendUnavailable, match="Try again later"):
        backend_at(postmark.url).send(message())


def test_wrong_token_is_named(postmark):
    with pytest.raises(BackendUnavailable, match=r"Check MAIL_POSTMARK_TOKEN") as caught:
        backend_at(postmark.url, token="another-token-of-mine").send(message())
    assert caught.value.stage == "login"
    assert "another-token" not in str(vars(caught.value))


@pytest.mark.parametrize(
    "said",
    [
        {"ErrorCode": 500, "Message": "No."},
        {"ErrorCode": 406, "Message": "Inactive.", "MessageID": "4711"},
        {"ErrorCode": 412, "Message": "Pending."},
        {"MessageID": ""},
        {},
    ],
)
def test_answer_of_200_without_success_is_unknown(postmark, said):
    postmark.service.plan(Plan(answer(200, said)))
    with pytest.raises(DeliveryUnknown):
        backend_at(postmark.url).send(message())


@pytest.fixture
def mail(postmark):
    app = Flask("shop")
    app.config.update(
        MAIL_DEFAULT_SENDER="ann@example.com",
        MAIL_MAILERS={
            "default": {"BACKEND": "failover", "MAILERS": ["service", "spare"]},
            "service": {"BACKEND": PostmarkBackend, "TOKEN": TOKEN, "URL": postmark.url},
            "spare": {"BACKEND": "null"},
        },
    )
    mail = Mail(app)
    yield mail
    mail.close()


@pytest.mark.parametrize("code", [405, 400])
def test_failover_takes_what_the_account_may_not_send(mail, postmark, code):
    postmark.service.plan(Plan(error(422, code, "No.")))
    receipts = mail.send_many([message(), message()])
    assert [each.backend for each in receipts] == ["null", "null"]
    # Without credit the mailer rests; another sender could still send.
    assert len(postmark.service.requests) == (1 if code == 405 else 2)


def test_failover_takes_nothing_that_postmark_may_have_accepted(mail, postmark):
    postmark.service.plan(Plan(b"", Ending.CLOSE))
    with pytest.raises(DeliveryUnknown):
        mail.send(message())
