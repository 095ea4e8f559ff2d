"""Log records of messages and batches that were not sent."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from flask import Flask
from servers import mail_to

from flask_mail import (
    BackendUnavailable,
    DeliveryUnknown,
    Mail,
    MailError,
    Message,
    MessageError,
    MessageRefused,
    NoRecipients,
)
from flask_mail.backends import Backend, Refusal


class Answering(Backend[None]):
    """Does with each message what the test says: raises or calls it."""

    name = "answering"

    def __init__(self, *answers):
        self.answers = list(answers)

    def deliver(self, mail, session):
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return answer(mail) if answer else self.accepted(mail)


class ToyQueue(Backend[None]):
    name = "toy"

    def deliver(self, mail, session):
        return self.queued(mail)


def message(subject="Hello", **fields):
    fields = {"recipients": ["to@example.com"], "sender": "me@example.com", **fields}
    return Message(subject, body="Hi", **fields)


def send(problem, mail=None):
    """Send a message that must fail."""
    with pytest.raises(type(problem)):
        Answering(problem).send(mail or message())


@pytest.fixture
def warned(caplog):
    """The lines at level WARNING, without the message ids."""

    def warned():
        lines = [each for each in caplog.records if each.levelno == logging.WARNING]
        assert {each.name for each in lines} <= {"flask_mail"}
        return [each.getMessage().partition(" ")[2] for each in lines]

    return warned


class TestOneMessage:
    def test_a_refusal_is_a_warning_with_the_reason(self, warned):
        send(MessageRefused("The server mx.test:25 refused it: 550 5.7.1 spam", stage="accept"))

        [line] = warned()
        assert line.startswith(
            "refused by answering at accept: MessageRefused: The server mx.test:25 refused it: 550"
            " 5.7.1 spam (recipients: 1, octets: "
        )

    def test_a_server_that_is_down_is_named_with_the_stage(self, warned):
        with pytest.raises(BackendUnavailable):
            mail_to(1).send_message("Hello", ["to@example.com"], "Hi")

        [line] = warned()
        assert line.startswith(
            "not sent by smtp at connect: ConnectionWasRefused: Could not connect to 127.0.0.1:1: "
        )

    def test_a_message_that_was_never_made_has_no_octets(self, caplog):
        with pytest.raises(NoRecipients):
            Answering().send(message(recipients=[]))

        [line] = caplog.messages
        assert line.startswith("message not sent by answering: NoRecipients: No recipients have")
        assert "octets" not in line
        assert "recipients: " not in line

    @pytest.mark.parametrize("error", [TimeoutError(), KeyboardInterrupt()])
    def test_an_error_without_words_is_named(self, warned, error):
        send(error)

        [line] = warned()
        assert line.startswith(f"unknown by answering: {type(error).__name__} (recipients: 1, ")

    def test_an_error_that_cannot_be_shown_is_named(self, warned):
        class Mute(Exception):
            def __str__(self):
                raise ZeroDivisionError

        send(Mute())

        assert warned()[0].startswith("unknown by answering: Mute (recipients: 1, ")

    @pytest.mark.parametrize(
        "text",
        [
            "550 <private@example.com>: no such user",
            "550 user private: unknown",
            "550 PRIVATE unknown.",
            "550 orders+private@example.com was returned",
            "550 no mail from secret",
            "550 Private Person is away",
            "550 'confidential offer' looks like spam",
        ],
    )
    def test_no_address_name_or_subject_is_shown(self, caplog, text):
        private = message(
            "confidential offer",
            recipients=[("Private Person", "private@example.com")],
            cc=["Other <orders+private@example.com>"],
            sender="secret@example.com",
        )
        for error in (MessageRefused, MessageError, ValueError):
            send(error(text), private)

        assert len(caplog.messages) == 3
        for each in caplog.messages:
            shown = each.partition(" ")[2].lower()
            assert not [word for word in ("private", "secret", "confidential") if word in shown], (
                shown
            )

    def test_a_quotation_that_was_cut_off_is_not_shown(self, warned):
        send(MessageError("The header X-Name has the value 'confidential\\' off"))

        assert "MessageError: The header X-Name has the value ... (" in warned()[0]

    @pytest.mark.parametrize(
        "fields",
        [
            {"recipients": ["private"]},
            {"recipients": ["private@"]},
            {"cc": ["private it's@example.com"]},
            {"sender": "private"},
            {"reply_to": "private"},
            {"subject": "private\n"},
            {"extra_headers": {"X-Name": "private\r\n"}},
        ],
    )
    def test_no_value_of_a_wrong_field_is_shown(self, caplog, fields):
        with pytest.raises(MailError):
            Answering().send(message(**fields))

        [line] = caplog.messages
        assert line.startswith("message not sent by answering: ")
        assert "private" not in line

    def test_a_reason_is_one_short_line(self, warned):
        send(MessageRefused("550 no\r\nWARNING forged\x1b[31m\u202e " + "x" * 1_000_000))

        [line] = warned()
        assert "550 no WARNING forged...[31m... xxx" in line
        assert len(line) < 700
        assert line.isprintable()

    def test_recipients_that_were_refused_are_counted(self, caplog):
        refused = {"private@example.com": Refusal(550, "", "private@example.com is unknown")}
        send(MessageRefused("no", refused=refused))

        assert "recipients refused: 1 (see receipt.refused)" in caplog.text
        assert "private" not in caplog.text

    def test_a_handler_that_mails_warnings_does_not_mail_its_own_failures(self):
        mailed = []

        class MailHandler(logging.Handler):
            def emit(self, record):
                mailed.append(record)
                send(MessageRefused("no"))

        logger = logging.getLogger("flask_mail")
        logger.addHandler(handler := MailHandler(logging.WARNING))
        try:
            send(MessageRefused("no"))
            send(MessageRefused("no"))
        finally:
            logger.removeHandler(handler)
        assert len(mailed) == 2


class TestBatches:
    @pytest.fixture
    def mail(self):
        app = Flask("shop")
        app.config.update(MAIL_BACKEND=Answering, MAIL_DEFAULT_SENDER="me@example.com")
        return Mail(app)

    @pytest.fixture
    def answers(self, monkeypatch):
        def answers(*given):
            kept = list(given)
            monkeypatch.setattr(Answering, "__init__", lambda self: vars(self).update(answers=kept))

        return answers

    @pytest.mark.parametrize("limit", [None, 1])
    def test_a_server_that_is_down_is_one_warning_and_a_count(self, caplog, limit):
        caplog.set_level(logging.INFO, "flask_mail")
        receipts = mail_to(1, MAIL_MAX_EMAILS=limit).send_many(message() for _ in range(200))

        first, *others, repeated, total = caplog.records
        assert first.levelno == repeated.levelno == total.levelno == logging.WARNING
        assert {each.levelno for each in others} == {logging.INFO}
        lines = caplog.messages
        assert "Could not connect to 127.0.0.1:1: " in lines[0]
        assert [line.partition(" ")[0] for line in lines[:-2]] == [
            each.message_id for each in receipts
        ]
        assert lines[-2].startswith(
            "199 more messages of this batch were not sent for the same reason:"
            " ConnectionWasRefused: Could not connect to 127.0.0.1:1: "
        )
        assert lines[-1] == "A batch of 200 messages: 200 not sent."
        assert all(isinstance(each.error, BackendUnavailable) for each in receipts)
        assert len({id(each.error) for each in receipts}) == 200

    def test_each_cause_has_a_warning_and_each_unknown_outcome(self, mail, answers, warned):
        kinds = (MessageRefused, BackendUnavailable, DeliveryUnknown)
        answers(*(kind(text) for text in ("no", "no", "never") for kind in kinds))
        mail.send_many(message() for _ in range(9))

        assert [each.partition(" (")[0] for each in warned()] == [
            "refused by answering: MessageRefused: no",
            "not sent by answering: BackendUnavailable: no",
            "unknown by answering: DeliveryUnknown: no",
            "unknown by answering: DeliveryUnknown: no",
            "refused by answering: MessageRefused: never",
            "not sent by answering: BackendUnavailable: never",
            "unknown by answering: DeliveryUnknown: never",
            "more message of this batch was refused for the same reason: MessageRefused: no",
            "more message of this batch was not sent for the same reason: BackendUnavailable: no",
            "batch of 9 messages: 3 refused, 3 not sent, 3 unknown.",
        ]

    def test_refused_recipients_are_counted_once_for_each_cause(self, mail, answers, warned):
        refused = {"private@example.com": Refusal(550, "", "private@example.com is unknown")}
        answers(*(MessageRefused("no", refused=refused) for _ in range(3)))
        mail.send_many(message() for _ in range(3))

        lines = [line for line in warned() if "recipients refused" in line]
        assert lines == ["recipients refused: 1 (see receipt.refused)"]

    def test_replies_that_all_differ_are_all_warnings(self, mail, answers, warned):
        answers(*(MessageRefused(f"550 session {n}") for n in range(150)), MessageRefused("550 0"))
        mail.send_many(message() for _ in range(151))

        assert len(warned()) == 152

    @pytest.mark.parametrize("is_closed", [False, True])
    def test_a_batch_of_a_backend_counts_by_itself(self, is_closed, warned):
        sending = Answering(*(MessageRefused("no") for _ in range(3))).send_many(
            message() for _ in range(3)
        )
        if is_closed:
            next(sending), next(sending)
            sending.close()
        else:
            list(sending)

        assert warned()[1] == (
            f"more {'message' if is_closed else 'messages'} of this batch"
            f" {'was' if is_closed else 'were'} refused for the same reason: MessageRefused: no"
        )

    def test_a_handler_that_mails_warnings_gets_the_count_too(self, warned):
        own = Answering(*(MessageRefused("never") for _ in range(9)))
        mailed = []

        class MailHandler(logging.Handler):
            def emit(self, record):
                mailed.append(record.getMessage().partition(" ")[2])
                with pytest.raises(MessageRefused):
                    own.send(message())

        logger = logging.getLogger("flask_mail")
        logger.addHandler(handler := MailHandler(logging.WARNING))
        try:
            list(Answering(*(MessageRefused("no") for _ in range(3))).send_many([message()] * 3))
        finally:
            logger.removeHandler(handler)

        assert len(mailed) == 2
        assert mailed == warned()
        assert "more messages of this batch were refused" in mailed[1]

    def test_queued_messages_are_logged_as_queued_and_without_a_warning(self, caplog):
        caplog.set_level(logging.INFO, "flask_mail")
        mail_to(1, MAIL_BACKEND=ToyQueue).send_many(message() for _ in range(2))

        assert [each.levelno for each in caplog.records] == [logging.INFO] * 2
        assert all(" queued by toy: " in each for each in caplog.messages)

    def test_it_is_counted_what_became_of_each(self, mail, answers, caplog):
        answers(None, MessageRefused("no"), OSError("bug"), None, BackendUnavailable("later"))
        mail.send_many(message() for _ in range(5))

        assert caplog.messages[-1] == (
            "A batch of 5 messages: 2 sent, 1 refused, 1 unknown, 1 not sent."
        )

    def test_one_that_ends_with_an_error_says_what_was_sent(self, mail, answers, caplog):
        answers(None, MessageRefused("no"))

        def messages():
            yield message()
            yield message()
            raise LookupError("ann@example.com has no name")

        with pytest.raises(LookupError):
            mail.send_many(messages())

        assert caplog.messages[-1] == (
            "A batch ended with LookupError after 2 messages: 1 sent, 1 refused. The attribute"
            " `receipts` of this error has their receipts."
        )
        assert caplog.records[-1].levelno == logging.WARNING

    def test_one_that_ends_before_any_message_says_that_none_was_sent(self, mail, caplog):
        def broken():
            raise TypeError("no messages")
            yield

        with pytest.raises(TypeError):
            mail.send_many(broken())

        assert "A batch ended with TypeError after 0 messages: none sent." in caplog.messages[-1]

    def test_one_that_is_sent_is_not_warned_about(self, mail, answers, caplog):
        answers()
        mail.send_many([message(), message()])
        mail.send_many([])

        assert caplog.messages == []


def test_pythons_default_logging_shows_a_batch_that_failed():
    program = """
from flask import Flask
from flask_mail import Mail, Message

app = Flask("shop")
app.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=1, MAIL_DEFAULT_SENDER="me@example.com")
Mail(app).send_many([Message("Hello", ["to@example.com"])])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    line, summary = done.stderr.splitlines()
    assert (
        "not sent by smtp at connect: ConnectionWasRefused: Could not connect to 127.0.0.1:1"
        in line
    )
    assert summary == "A batch of 1 messages: 1 not sent."
