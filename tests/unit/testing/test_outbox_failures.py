"""Failures on demand: the app meets what the smtp backend would have it meet."""

from __future__ import annotations

import re
import smtplib
from collections import deque

import pytest
from flask import Flask

from flask_mail import (
    BackendUnavailable,
    DeliveryUnknown,
    Mail,
    Message,
    MessageError,
    MessageRefused,
    Outcome,
    Refusal,
    email_dispatched,
    email_failed,
)


@pytest.fixture
def mail():
    app = Flask("shop")
    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="shop@example.com")
    return Mail(app)


@pytest.fixture
def send(mail):
    return lambda *recipients, subject="Hello": mail.send_message(subject, list(recipients))


def test_a_failure_that_another_thread_has_met_meanwhile_is_no_error(outbox, send, monkeypatch):
    class Taken(deque):
        """Holds one when somebody looks, and none when somebody takes it."""

        def __len__(self):
            return 1

    monkeypatch.setattr(outbox._faults, "_next", Taken())
    assert send("ann@example.com").sent


def test_the_next_message_fails_and_those_after_it_do_not(outbox, send):
    error = MessageRefused("No.", response="550 5.7.1 no")
    outbox.fail_next(error)
    with pytest.raises(MessageRefused) as caught:
        send("ann@example.com")
    assert caught.value is error
    assert error.receipt.outcome is Outcome.REFUSED
    assert error.receipt.message_id
    assert error.receipt.response == "550 5.7.1 no"
    assert outbox == []
    assert [each.subject for each in outbox.failed] == ["Hello"]
    assert outbox.failed[0].envelope.recipients == ("ann@example.com",)
    assert send("ann@example.com").sent
    assert len(outbox) == 1


def test_outcome_stage_and_reply_of_a_failure_are_kept(outbox, mail):
    """So a test needs not catch the error, which the app may handle."""
    outbox.refuse("eve@example.com", 550, "no such user", enhanced="5.1.1")
    outbox.time_out()
    messages = [Message("Hi", [f"{name}@example.com"], "Hello") for name in ("ann", "eve")]
    given = mail.send_many(messages)
    late, refused = outbox.failed_receipts
    assert (late.outcome, late.error.stage) == (Outcome.NOT_SENT, "connect")
    assert (refused.outcome, refused.response) == (Outcome.REFUSED, "550 5.1.1 no such user")
    assert (refused.error.stage, list(refused.refused)) == ("recipient", ["eve@example.com"])
    assert [each.message_id for each in given] == [late.message_id, refused.message_id]
    assert [each.error for each in given] == [late.error, refused.error]
    assert outbox.receipts == []
    outbox.clear()
    assert outbox.failed_receipts == []


def test_signals_tell_of_the_failure(outbox, send):
    heard = []

    def failed(message, receipt, error):
        heard.append((message.subject, receipt.outcome, type(error)))

    def dispatched():
        raise AssertionError("It was not dispatched.")

    outbox.fail_next(BackendUnavailable("Down."))
    with (
        email_failed.connected_to(failed),
        email_dispatched.connected_to(dispatched),
        pytest.raises(BackendUnavailable),
    ):
        send("ann@example.com")
    assert heard == [("Hello", Outcome.NOT_SENT, BackendUnavailable)]


def test_a_class_makes_an_error_that_says_why(outbox, send):
    outbox.fail_next(DeliveryUnknown)
    with pytest.raises(DeliveryUnknown, match="The test made this message fail") as caught:
        send("ann@example.com")
    assert caught.value.receipt.outcome is Outcome.UNKNOWN


def test_other_errors_are_those_of_a_broken_backend(outbox, send):
    error = OSError("disk full")
    outbox.fail_next(error, times=2)
    for _ in range(2):
        with pytest.raises(OSError, match="disk full") as caught:
            send("ann@example.com")
        assert caught.value is error


def test_several_messages_fail_each_with_an_error_of_its_own(outbox, mail):
    outbox.fail_next(BackendUnavailable("Down."), times=2)
    messages = [Message(each, ["ann@example.com"], sender="a@example.com") for each in "abc"]
    receipts = mail.send_many(messages)
    outcomes = [each.outcome for each in receipts]
    assert outcomes == [Outcome.NOT_SENT, Outcome.NOT_SENT, Outcome.SENT]
    assert [each.error.receipt.message_id for each in receipts[:2]] == [
        message.msgId for message in messages[:2]
    ]
    assert [each.subject for each in outbox] == ["c"]


def test_failures_come_in_the_order_in_which_they_were_asked_for(outbox, send):
    outbox.fail_next(MessageRefused)
    outbox.fail_next(BackendUnavailable)
    for expected in (MessageRefused, BackendUnavailable):
        with pytest.raises(expected):
            send("ann@example.com")
    assert send("ann@example.com").sent


def test_every_message_fails_until_the_server_recovers(outbox, send):
    outbox.fail_next(BackendUnavailable("Down."), times=None)
    for _ in range(3):
        with pytest.raises(BackendUnavailable, match="Down."):
            send("ann@example.com")
    outbox.recover()
    assert send("ann@example.com").sent


def test_a_failure_of_no_message_is_an_error(outbox):
    with pytest.raises(ValueError, match="times must be 1 or more"):
        outbox.fail_next(MessageRefused, times=0)


@pytest.mark.parametrize(
    ("pattern", "refused", "taken"),
    [
        ("ann@[192.0.2.1]", "ann@[192.0.2.1]", "ann@example.org"),
        ("*@[192.0.2.*]", "ann@[192.0.2.1]", "ann@[192.0.3.1]"),
        ("Ann@Bücher.example", "ann@bücher.example", "ann@xn--bcher-kvb.example"),
        ("*@*.bücher.example", "ann@mail.xn--bcher-kva.example", "ann@bücher.example"),
        ("*ü*", "jürgen@example.com", "ann@example.com"),
    ],
)
def test_an_address_is_refused_however_it_is_written(outbox, send, pattern, refused, taken):
    outbox.refuse(pattern)
    assert send(taken).sent
    with pytest.raises(MessageRefused):
        send(refused)


def test_a_pattern_that_no_address_can_match_is_an_error(outbox):
    with pytest.raises(MessageError, match="bü"):
        outbox.refuse("*@bü*")


@pytest.mark.parametrize(
    "pattern", ["bob@example.com", "BOB@example.com", "*@example.com", "bo?@*", re.compile("^bob")]
)
def test_a_recipient_is_refused_and_the_others_get_it(outbox, send, pattern):
    outbox.refuse(pattern, 550, "no such user", enhanced="5.1.1")
    receipt = send("ann@example.org", "bob@example.com")
    assert receipt.sent
    assert receipt.refused == {"bob@example.com": Refusal(550, "5.1.1", "no such user")}
    assert outbox.receipts[0].refused == receipt.refused
    assert outbox.to("ann@example.org") == list(outbox)


def test_a_message_whose_recipients_are_all_refused_is_refused(outbox, send):
    outbox.refuse("*@example.com", enhanced="5.1.1")
    with pytest.raises(MessageRefused, match="550 5.1.1 no such user") as caught:
        send("ann@example.com", "bob@example.com")
    error = caught.value
    assert isinstance(error, smtplib.SMTPRecipientsRefused)
    assert set(error.refused) == set(error.recipients) == {"ann@example.com", "bob@example.com"}
    assert error.receipt.outcome is Outcome.REFUSED
    assert outbox == []


def test_a_recipient_that_is_refused_for_now_may_be_tried_again(outbox, send):
    outbox.refuse("ann@example.com", 450, "mailbox busy")
    with pytest.raises(BackendUnavailable, match="450 mailbox busy") as caught:
        send("ann@example.com")
    assert isinstance(caught.value, smtplib.SMTPRecipientsRefused)
    assert caught.value.receipt.outcome is Outcome.NOT_SENT
    outbox.recover()
    assert send("ann@example.com").sent


def test_a_failure_that_has_not_happened_is_forgotten(outbox, send):
    outbox.fail_next(BackendUnavailable("Down."))
    outbox.recover()
    assert send("ann@example.com").sent


@pytest.mark.parametrize("code", [400, 599])
def test_every_reply_code_of_a_refusal_refuses(outbox, send, code):
    outbox.refuse("ann@example.com", code)
    with pytest.raises((BackendUnavailable, MessageRefused), match=f"{code} no such user"):
        send("ann@example.com")


@pytest.mark.parametrize("code", [250, 354, 600, 0])
def test_a_reply_code_that_refuses_nobody_is_an_error(outbox, code):
    with pytest.raises(ValueError, match=f"{code} is not a refusal"):
        outbox.refuse("ann@example.com", code)


def test_a_server_that_is_silent_takes_nothing(outbox, send):
    outbox.time_out()
    with pytest.raises(BackendUnavailable, match="timed out") as caught:
        send("ann@example.com")
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.stage == "connect"
    assert caught.value.receipt.outcome is Outcome.NOT_SENT
    assert send("ann@example.com").sent


def test_a_server_that_is_silent_after_the_content_may_have_taken_it(outbox, send):
    outbox.time_out(after_content=True, times=2)
    for _ in range(2):
        with pytest.raises(DeliveryUnknown, match="check before you send it again") as caught:
            send("ann@example.com")
        assert caught.value.receipt.outcome is Outcome.UNKNOWN


def test_an_app_that_fails_silently_goes_on(outbox, mail, send, caplog):
    mail.app.config["MAIL_FAIL_SILENTLY"] = True
    outbox.time_out()
    with pytest.warns(DeprecationWarning, match="MAIL_FAIL_SILENTLY"):
        assert not send("ann@example.com").sent


def test_what_failed_is_told_where_an_assertion_fails(outbox, send):
    outbox.fail_next(MessageRefused)
    with pytest.raises(MessageRefused):
        send("ann@example.com", subject="Welcome")
    with pytest.raises(AssertionError) as caught:
        outbox.assert_sent(subject="Welcome")
    assert str(caught.value).endswith(
        "Nothing was sent.\n\n1 message was not sent, as the test requested: Welcome"
    )
    outbox.clear()
    assert outbox.failed == []


class TestMailers:
    """Failures of one mailer do not affect the others."""

    @pytest.fixture
    def bulk(self, mail):
        mail.app.config["MAIL_MAILERS"] = {"bulk": "smtp://bulk.example.com"}
        return mail.using("bulk")

    def test_the_next_message_of_a_mailer_fails(self, outbox, send, mail, bulk):
        outbox.fail_next(BackendUnavailable("down"), mailer="bulk")
        assert send("ann@example.com").sent
        with pytest.raises(BackendUnavailable, match="down"):
            bulk.send_message("News", ["ann@example.com"])
        assert bulk.send_message("News", ["ann@example.com"]).sent
        assert [each.mailer for each in outbox.failed] == ["bulk"]

    def test_a_mailer_times_out_until_it_recovers(self, outbox, send, bulk):
        outbox.time_out(after_content=True, times=None, mailer="bulk")
        for _ in range(2):
            with pytest.raises(DeliveryUnknown):
                bulk.send_message("News", ["ann@example.com"])
        assert send("ann@example.com").sent
        outbox.recover()
        assert bulk.send_message("News", ["ann@example.com"]).sent

    def test_a_mailer_refuses_recipients(self, outbox, send, bulk):
        outbox.refuse("eve@example.com", mailer="bulk")
        outbox.refuse("bob@example.com", 450)
        recipients = ["ann@example.com", "eve@example.com", "bob@example.com"]
        assert set(send(*recipients).refused) == {"bob@example.com"}
        receipt = bulk.send_message("News", recipients)
        assert set(receipt.refused) == {"eve@example.com", "bob@example.com"}

    def test_a_refusal_of_the_mailer_takes_precedence(self, outbox, bulk):
        outbox.refuse("eve@example.com", 450)
        outbox.refuse("eve@example.com", 550, mailer="bulk")
        receipt = bulk.send_message("News", ["ann@example.com", "eve@example.com"])
        assert receipt.refused["eve@example.com"].code == 550
