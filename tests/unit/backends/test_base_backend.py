"""Backend.send and send_many: what becomes of each message, and who is told."""

from __future__ import annotations

import logging
import pickle
from abc import ABCMeta
from contextlib import ExitStack
from dataclasses import replace
from typing import ClassVar

import pytest
from flask import Flask

from flask_mail import (
    BadHeaderError,
    Message,
    MessageError,
    email_dispatched,
    email_failed,
    email_sending,
)
from flask_mail.backends import (
    Backend,
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    MessageRefused,
    Outcome,
    Receipt,
    Refusal,
)

SENT, REFUSED, NOT_SENT, UNKNOWN = (
    Outcome.SENT,
    Outcome.REFUSED,
    Outcome.NOT_SENT,
    Outcome.UNKNOWN,
)


class PlainBackend(Backend[object]):
    """Does with each message what the test says: returns it, calls it or raises it."""

    name = "plain"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.handed_over = []
        self.sessions = []

    def deliver(self, mail, session):
        self.handed_over.append(mail)
        self.sessions.append(session)
        answer = self.answers.pop(0) if self.answers else self.accepted
        if isinstance(answer, Exception):
            raise answer
        return answer(mail) if callable(answer) else answer


class BatchBackend(PlainBackend):
    """Has a deliver_many of its own: a function of itself and the messages."""

    name = "batch"

    def __init__(self, deliver_many):
        super().__init__()
        self._many = deliver_many

    def deliver_many(self, mails, session):
        self.sessions.append(session)
        return self._many(self, mails)


def message(subject="Hello", **fields):
    return Message(subject, ["to@example.com"], sender="me@example.com", body="Hi", **fields)


def bad():
    return message("Hello\n")


def outcomes(receipts):
    return [receipt.outcome for receipt in receipts]


@pytest.fixture
def heard():
    """The signals that are sent: (name, arguments by name)."""
    heard = []

    def note(name):
        def receive(sender, **given):
            heard.append((name, {"app": sender, **given}))

        return receive

    with ExitStack() as stack:
        for signal in (email_sending, email_dispatched, email_failed):
            stack.enter_context(signal.connected_to(note(signal.name)))
        yield heard


def names(heard):
    return [name for name, _ in heard]


class TestSend:
    """One message."""

    def test_the_receipt_is_the_backends_own_with_the_time_it_took(self):
        backend = PlainBackend(lambda mail: backend.accepted(mail, response="250 queued as 42"))
        receipt = backend.send(hello := message())
        assert receipt.outcome is SENT
        assert receipt.sent
        assert (receipt.message_id, receipt.backend) == (hello.msgId, "plain")
        assert receipt.response == "250 queued as 42"
        assert receipt.refused == {}
        assert receipt.attempts == 1
        assert receipt.error is None
        assert 0 < receipt.seconds < 60

    def test_a_time_that_the_backend_took_itself_stays(self):
        backend = PlainBackend(lambda mail: replace(backend.accepted(mail), seconds=4.5))
        assert backend.send(message()).seconds == 4.5

    def test_the_backend_gets_envelope_content_and_session(self):
        backend = PlainBackend()
        backend.send(hello := message(bcc=["blind@example.com"]), "the session")
        [mail] = backend.handed_over
        assert mail.envelope.recipients == ("to@example.com", "blind@example.com")
        assert mail.content.startswith(b"Subject: Hello\r\n")
        assert mail.message is hello
        assert backend.sessions == ["the session"]

    def test_the_envelope_sender_may_be_another(self):
        backend = PlainBackend()
        backend.send(message(), envelope_from="bounces@example.com")
        backend.send(message(), envelope_from="<>")
        assert [mail.envelope.sender for mail in backend.handed_over] == ["bounces@example.com", ""]

    def test_the_session_is_opened_once_the_message_is_valid(self):
        backend = PlainBackend()
        opened = []

        def open_session():
            opened.append("a session")
            return opened[-1]

        with pytest.raises(BadHeaderError):
            backend.send(bad(), open_session=open_session)
        assert opened == []
        backend.send(message(), open_session=open_session)
        assert backend.sessions == opened == ["a session"]

    def test_signals_have_app_message_and_receipt(self, heard):
        receipt = PlainBackend().send(hello := message(), app="the app")
        assert heard == [
            ("email-sending", {"app": "the app", "message": hello}),
            ("email-dispatched", {"app": "the app", "message": hello, "receipt": receipt}),
        ]

    def test_a_change_by_a_receiver_of_email_sending_is_what_is_sent(self):
        def redirect(message):
            message.recipients = ["elsewhere@example.com"]

        backend = PlainBackend()
        with email_sending.connected_to(redirect):
            backend.send(message())
        assert backend.handed_over[0].envelope.recipients == ("elsewhere@example.com",)

    def test_refused_recipients_are_in_the_receipt_and_warned_about_by_number(self, caplog):
        refused = {"to@example.com": Refusal(550, "5.1.1", "no such user")}
        backend = PlainBackend(lambda mail: backend.accepted(mail, refused=refused))
        receipt = backend.send(hello := message())
        assert receipt.refused == refused
        [warning] = [each for each in caplog.records if each.levelno == logging.WARNING]
        assert warning.name == "flask_mail"
        assert warning.getMessage().startswith(f"{hello.msgId}: recipients refused: 1 ")


class TestSendThatFails:
    """One message that is not sent: the error, the receipt and the signal say the same."""

    def failure(self, backend, error, hello=None, **how):
        """Send a message that must raise `error`; return the receipt that was signalled."""
        heard = []

        def failed(receipt, error):
            heard.append((receipt, error))

        def dispatched(receipt):
            raise AssertionError("email_dispatched fired")

        with (
            email_failed.connected_to(failed),
            email_dispatched.connected_to(dispatched),
            pytest.raises(error) as caught,
        ):
            backend.send(hello or message(), **how)
        [(receipt, signalled)] = heard
        assert signalled is receipt.error is caught.value
        if isinstance(signalled, DeliveryError):
            assert signalled.receipt is receipt
        return receipt

    def test_a_bad_message_is_not_sent_and_never_handed_over(self):
        backend = PlainBackend()
        receipt = self.failure(backend, BadHeaderError, bad())
        assert (receipt.outcome, receipt.message_id, receipt.backend) == (NOT_SENT, "", "plain")
        assert backend.handed_over == []

    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (MessageRefused, REFUSED),
            (BackendUnavailable, NOT_SENT),
            (DeliveryUnknown, UNKNOWN),
            (DeliveryError, UNKNOWN),
        ],
    )
    def test_the_class_of_the_error_says_what_became_of_it(self, error, outcome):
        refused = {"to@example.com": Refusal(550, "", "no")}
        problem = error("The peer said something.", response="550 no", refused=refused)
        receipt = self.failure(PlainBackend(problem), error, hello := message())
        assert receipt.outcome is outcome
        assert (receipt.message_id, receipt.response) == (hello.msgId, "550 no")
        assert receipt.refused == refused
        assert receipt.seconds > 0

    def test_a_receipt_that_the_error_carries_is_used(self):
        def refuse(mail):
            raise BackendUnavailable(
                "Gave up.", receipt=Receipt(mail.message_id, "child", NOT_SENT, attempts=3)
            )

        receipt = self.failure(PlainBackend(refuse), BackendUnavailable)
        assert (receipt.backend, receipt.attempts) == ("child", 3)

    def test_an_error_that_was_raised_before_tells_of_this_message(self):
        down = BackendUnavailable("The peer is down.")
        backend = PlainBackend(down, down)
        first = self.failure(backend, BackendUnavailable, one := message())
        second = self.failure(backend, BackendUnavailable, two := message())
        assert [first.message_id, second.message_id] == [one.msgId, two.msgId]

    def test_any_other_exception_of_the_backend_is_unknown_and_raised_as_it_is(self):
        problem = ZeroDivisionError("a bug, before or after the last byte")
        receipt = self.failure(PlainBackend(problem), ZeroDivisionError)
        assert receipt.outcome is UNKNOWN

    def test_a_message_error_of_the_backend_is_not_sent(self):
        """It says that nothing was handed over: this backend does not support the message."""
        problem = MessageError("This service takes no attachments.")
        assert self.failure(PlainBackend(problem), MessageError).outcome is NOT_SENT

    @pytest.mark.parametrize("answer", [None, True, "250 OK", b"", [SENT]])
    def test_an_answer_that_is_no_receipt_is_unknown(self, answer):
        backend = PlainBackend(answer)
        receipt = self.failure(backend, DeliveryUnknown, hello := message())
        assert (receipt.outcome, receipt.message_id) == (UNKNOWN, hello.msgId)
        assert str(receipt.error) == (
            f"The plain backend returned {type(answer).__name__} instead of a Receipt with an"
            " Outcome, so it is unknown if the message was accepted."
        )

    @pytest.mark.parametrize(
        ("outcome", "error"),
        [
            (REFUSED, MessageRefused),
            (NOT_SENT, BackendUnavailable),
            (UNKNOWN, DeliveryUnknown),
        ],
    )
    def test_a_receipt_that_says_so_is_raised(self, outcome, error):
        refused = {"to@example.com": Refusal(550, "", "no")}

        def answer(mail):
            return Receipt(mail.message_id, "plain", outcome, refused, response="550 no")

        receipt = self.failure(PlainBackend(answer), error)
        assert receipt.outcome is outcome
        assert str(receipt.error) == f"The plain backend says: {outcome.value}. 550 no"
        assert receipt.error.response == "550 no"
        assert receipt.error.refused == refused

    def test_a_receipt_without_a_response_makes_a_shorter_sentence(self):
        backend = PlainBackend(lambda mail: Receipt(mail.message_id, "plain", REFUSED))
        receipt = self.failure(backend, MessageRefused)
        assert str(receipt.error) == "The plain backend says: refused."

    @pytest.mark.parametrize(
        "error", [BackendUnavailable("no reply"), MessageError("no"), TimeoutError("no reply")]
    )
    def test_a_receipt_is_believed_whatever_its_error_is(self, error):
        """UNKNOWN stays UNKNOWN: who tries again must not send twice."""
        backend = PlainBackend(lambda mail: Receipt(mail.message_id, "plain", UNKNOWN, error=error))
        assert self.failure(backend, type(error)).outcome is UNKNOWN

    def test_a_receipt_that_says_sent_is_believed_and_loses_its_error(self, heard):
        def answer(mail):
            return replace(backend.accepted(mail), error=TimeoutError("at goodbye"))

        backend = PlainBackend(answer)
        receipt = backend.send(message())
        assert (receipt.outcome, receipt.error) == (SENT, None)
        assert names(heard) == ["email-sending", "email-dispatched"]

    @pytest.mark.parametrize(
        "problem", [BackendUnavailable("down"), OSError("no"), DeliveryError()]
    )
    def test_a_session_that_cannot_be_opened_leaves_the_message_not_sent(self, problem):
        def open_session():
            raise problem

        backend = PlainBackend()
        receipt = self.failure(
            backend, type(problem), hello := message(), open_session=open_session
        )
        assert (receipt.outcome, receipt.message_id) == (NOT_SENT, hello.msgId)
        assert backend.handed_over == []

    def test_a_receiver_of_email_sending_that_raises_stops_the_message(self):
        def stop(message):
            raise PermissionError("not today")

        backend = PlainBackend()
        with email_sending.connected_to(stop):
            receipt = self.failure(backend, PermissionError)
        assert receipt.outcome is NOT_SENT
        assert backend.handed_over == []

    def test_a_receiver_of_email_failed_that_raises_hides_nothing(self, caplog):
        def break_down(error):
            raise ZeroDivisionError

        app = Flask(__name__)
        app.config["TESTING"] = True
        with (
            email_failed.connected_to(break_down),
            pytest.raises(MessageRefused, match="^no$"),
        ):
            PlainBackend(MessageRefused("no")).send(message(), app=app)
        assert "A receiver of email-failed failed" in caplog.text


class TestReceiversAfterDelivery:
    """An error of a receiver of email_dispatched does not undo the delivery."""

    @pytest.fixture
    def receivers(self):
        """Two that raise, and one that listens."""
        called = []

        def first(message):
            called.append("first")
            raise ZeroDivisionError("the first")

        def second(message):
            called.append("second")
            raise ZeroDivisionError("the second")

        def third(message):
            called.append("third")

        with ExitStack() as stack:
            for receiver in (first, second, third):
                stack.enter_context(email_dispatched.connected_to(receiver))
            yield called

    def app(self, debug=False, **config):
        app = Flask(__name__)
        app.debug = debug
        app.config.update(config)
        return app

    @pytest.mark.parametrize(
        "settings",
        [
            {"TESTING": True},
            {"debug": True},
            {"PROPAGATE_EXCEPTIONS": True},
            {"TESTING": True, "PROPAGATE_EXCEPTIONS": None},
        ],
    )
    def test_it_is_raised_where_flask_would_let_it_through(self, receivers, settings, caplog):
        backend = PlainBackend()
        with pytest.raises(ZeroDivisionError):
            backend.send(message(), app=self.app(**settings))
        assert len(backend.handed_over) == 1
        assert sorted(receivers) == ["first", "second", "third"]
        assert caplog.text.count("A receiver of email-dispatched failed") == 2

    @pytest.mark.parametrize("settings", [{}, {"TESTING": True, "PROPAGATE_EXCEPTIONS": False}])
    def test_elsewhere_it_is_logged_with_its_traceback(self, receivers, settings, caplog):
        receipt = PlainBackend().send(message(), app=self.app(**settings))
        assert receipt.sent
        assert sorted(receivers) == ["first", "second", "third"]
        assert "ZeroDivisionError: the first" in caplog.text
        assert "ZeroDivisionError: the second" in caplog.text

    def test_what_is_no_flask_app_lets_nothing_through(self, receivers):
        assert PlainBackend().send(message(), app=None).sent
        assert PlainBackend().send(message(), app=object()).sent

    def test_a_batch_goes_on_and_raises_the_first_at_its_end(self, receivers, heard):
        backend = PlainBackend()
        receipts = backend.send_many([message(), bad(), message()], app=self.app(TESTING=True))
        assert [next(receipts).outcome for _ in range(3)] == [SENT, NOT_SENT, SENT]
        with pytest.raises(ZeroDivisionError):
            next(receipts)
        assert len(backend.handed_over) == 2
        assert names(heard).count("email-dispatched") == 2
        assert len(receivers) == 6

    def test_a_batch_outside_of_tests_goes_on(self, receivers):
        assert outcomes(PlainBackend().send_many([message()] * 3, app=self.app())) == [SENT] * 3


class TestSendMany:
    """Many messages: one receipt for each, in order."""

    def test_bad_messages_keep_their_places(self, heard):
        backend = PlainBackend()
        messages = [bad(), message(), bad(), bad(), message(), bad()]
        receipts = list(backend.send_many(messages, app="the app"))
        assert outcomes(receipts) == [NOT_SENT, SENT, NOT_SENT, NOT_SENT, SENT, NOT_SENT]
        assert [isinstance(each.error, BadHeaderError) for each in receipts] == [
            not each.sent for each in receipts
        ]
        for number, each in enumerate(messages):
            told = [name for name, given in heard if given["message"] is each]
            last = "email-dispatched" if receipts[number].sent else "email-failed"
            assert told == ["email-sending", last]
        assert all(given["app"] == "the app" for _, given in heard)

    def test_failures_keep_their_places_and_their_errors(self):
        refused, lost, broken = MessageRefused("no"), DeliveryUnknown("?"), OSError("bug")
        backend = PlainBackend(refused, lost, broken, None)
        messages = [message() for _ in range(5)]
        receipts = list(backend.send_many(messages))
        assert outcomes(receipts) == [REFUSED, UNKNOWN, UNKNOWN, UNKNOWN, SENT]
        assert [each.error for each in receipts[:3]] == [refused, lost, broken]
        assert "returned NoneType instead of a Receipt with an Outcome" in str(receipts[3].error)
        assert [each.message_id for each in receipts] == [each.msgId for each in messages]
        assert refused.receipt == receipts[0]
        assert refused.receipt.error is refused

    def test_what_is_no_message_is_not_sent(self):
        receipts = list(PlainBackend().send_many(["no message", message()]))
        assert outcomes(receipts) == [NOT_SENT, SENT]

    def test_one_that_is_stopped_does_not_stop_the_others(self):
        def stop(message):
            if message.subject == "stop":
                raise PermissionError("not this one")

        with email_sending.connected_to(stop):
            receipts = list(PlainBackend().send_many([message(), message("stop"), message()]))
        assert outcomes(receipts) == [SENT, NOT_SENT, SENT]
        assert isinstance(receipts[1].error, PermissionError)

    def test_nothing_is_nothing(self):
        assert list(PlainBackend().send_many([])) == []

    def test_what_is_no_iterable_is_an_error(self):
        with pytest.raises(TypeError):
            list(PlainBackend().send_many(message()))

    def test_the_session_is_opened_for_the_first_valid_message(self):
        log = []

        def open_session():
            log.append("opened")
            return "a session"

        def messages():
            for subject in ("bad\n", "bad\n", "one", "two"):
                log.append(subject)
                yield message(subject)

        backend = PlainBackend()
        list(backend.send_many(messages(), open_session=open_session))
        assert log == ["bad\n", "bad\n", "one", "opened", "two"]
        assert backend.sessions == ["a session"] * 2
        list(backend.send_many([bad(), bad()], open_session=open_session))
        assert log.count("opened") == 1

    def test_a_session_that_is_given_is_used(self):
        backend = PlainBackend()
        list(backend.send_many([message()], "mine"))
        assert backend.sessions == ["mine"]

    def test_messages_are_taken_as_they_are_sent(self):
        """A generator of a million messages is not drained ahead."""
        log = []

        def messages():
            for number in range(1_000_000):
                log.append(f"took {number}")
                yield message() if number != 1 else bad()

        backend = PlainBackend()
        receipts = backend.send_many(messages())
        assert log == []
        assert next(receipts).outcome is SENT
        assert log == ["took 0"]
        assert next(receipts).outcome is NOT_SENT
        assert next(receipts).outcome is SENT
        assert log == ["took 0", "took 1", "took 2"]
        receipts.close()
        assert len(backend.handed_over) == 2

    def test_a_generator_that_raises_loses_no_receipt(self, heard):
        def messages():
            yield message()
            yield bad()
            raise LookupError("a user without an address")

        receipts = PlainBackend().send_many(messages())
        assert [next(receipts).outcome, next(receipts).outcome] == [SENT, NOT_SENT]
        with pytest.raises(LookupError, match="without an address"):
            next(receipts)
        assert names(heard) == [
            "email-sending",
            "email-dispatched",
            "email-sending",
            "email-failed",
        ]

    def test_a_generator_that_raises_at_once_sends_nothing(self):
        def messages():
            raise LookupError("no users")
            yield

        backend = PlainBackend()
        with pytest.raises(LookupError, match="no users"):
            list(backend.send_many(messages()))
        assert backend.handed_over == []

    def test_a_session_that_cannot_be_opened_is_not_tried_again(self, heard):
        tries = []

        def open_session():
            tries.append(1)
            raise BackendUnavailable("The server is down.", stage="connect")

        backend = PlainBackend()
        messages = [bad(), message(), bad(), message(), message(), bad()]
        receipts = list(backend.send_many(messages, open_session=open_session))
        assert len(tries) == 1
        assert outcomes(receipts) == [NOT_SENT] * 6
        assert [isinstance(each.error, BadHeaderError) for each in receipts] == [
            True,
            False,
            True,
            False,
            False,
            True,
        ]
        assert names(heard).count("email-failed") == 6
        assert backend.handed_over == []

    def test_each_error_carries_the_receipt_of_its_own_message(self):
        cause = OSError("no route")

        def open_session():
            raise BackendUnavailable("The server is down.", stage="connect") from cause

        messages = [message() for _ in range(3)]
        receipts = list(PlainBackend().send_many(messages, open_session=open_session))
        for each, receipt in zip(messages, receipts, strict=True):
            assert receipt.message_id == each.msgId
            assert receipt.error.receipt.message_id == each.msgId
            assert receipt.error.stage == "connect"
            assert receipt.error.__cause__ is cause
            assert receipt.error.__traceback__ is not None

    def test_receipts_and_their_errors_can_be_pickled(self):
        backend = PlainBackend(MessageRefused("no"))
        for receipt in backend.send_many([message(), message(), bad()]):
            again = pickle.loads(pickle.dumps(receipt))
            assert again == receipt
            assert repr(again.error) == repr(receipt.error)


class TestDeliverMany:
    """Backends with a deliver_many of their own: nothing is lost, whatever it does."""

    def test_its_receipts_are_used_in_order(self):
        def bulk(backend, mails):
            return [backend.accepted(mail, response=mail.message.subject) for mail in mails]

        backend = BatchBackend(bulk)
        messages = [message("one"), bad(), message("two")]
        receipts = list(backend.send_many(messages, "a session"))
        assert [each.response for each in receipts] == ["one", "", "two"]
        assert backend.sessions == ["a session"]

    def test_receipts_that_say_no_get_their_errors(self, heard):
        def bulk(backend, mails):
            for mail in mails:
                yield Receipt(mail.message_id, "batch", REFUSED, response="550 no")

        [receipt] = BatchBackend(bulk).send_many([message()])
        assert isinstance(receipt.error, MessageRefused)
        assert receipt.error.receipt is receipt
        assert names(heard) == ["email-sending", "email-failed"]

    def test_attempt_never_raises(self):
        def bulk(backend, mails):
            for mail in mails:
                yield backend.attempt(mail, "a session")

        backend = BatchBackend(bulk)
        backend.answers = [OSError("bug"), None, MessageRefused("no")]
        receipts = list(backend.send_many([message() for _ in range(4)]))
        assert outcomes(receipts) == [UNKNOWN, UNKNOWN, REFUSED, SENT]

    def test_what_it_took_without_an_answer_is_unknown_and_the_rest_not_sent(self, heard):
        def gives_up(backend, mails):
            yield backend.accepted(next(mails))
            next(mails)
            next(mails)

        messages = [message(), bad(), message(), message(), bad(), message(), bad()]
        receipts = list(BatchBackend(gives_up).send_many(messages))
        assert outcomes(receipts) == [
            SENT,
            NOT_SENT,
            UNKNOWN,
            UNKNOWN,
            NOT_SENT,
            NOT_SENT,
            NOT_SENT,
        ]
        assert [str(receipts[n].error) for n in (2, 3, 5)] == [
            "The batch backend returned no receipt for this message.",
            "The batch backend returned no receipt for this message.",
            "The batch backend stopped before this message.",
        ]
        assert isinstance(receipts[2].error, DeliveryUnknown)
        assert isinstance(receipts[5].error, BackendUnavailable)
        assert [isinstance(receipts[n].error, BadHeaderError) for n in (1, 4, 6)] == [True] * 3
        good = [n for n in range(7) if n not in (1, 4, 6)]
        assert [receipts[n].message_id for n in good] == [messages[n].msgId for n in good]
        assert names(heard).count("email-failed") == 6

    def test_one_that_raises_midway_leaves_what_it_took_unknown(self):
        broken = ConnectionResetError("midway")

        def breaks(backend, mails):
            yield backend.accepted(next(mails))
            next(mails)
            raise broken

        receipts = list(BatchBackend(breaks).send_many([message() for _ in range(4)]))
        assert outcomes(receipts) == [SENT, UNKNOWN, NOT_SENT, NOT_SENT]
        assert [each.error for each in receipts[1:]] == [broken] * 3

    def test_one_that_raises_before_it_takes_any_leaves_all_not_sent(self):
        def breaks(backend, mails):
            raise BackendUnavailable("The service is closed on Sundays.")
            yield

        receipts = list(BatchBackend(breaks).send_many([message(), message()]))
        assert outcomes(receipts) == [NOT_SENT] * 2

    def test_one_that_is_no_generator_and_raises_leaves_what_it_took_unknown(self):
        """A timeout of a bulk call says nothing about what the service accepted."""

        def call(backend, mails):
            list(mails)
            raise TimeoutError("the service")

        receipts = list(BatchBackend(call).send_many([message(), bad(), message()]))
        assert outcomes(receipts) == [UNKNOWN, NOT_SENT, UNKNOWN]

    def test_one_that_returns_none_has_sent_nothing_that_it_did_not_take(self):
        receipts = list(BatchBackend(lambda backend, mails: None).send_many([message()] * 2))
        assert outcomes(receipts) == [NOT_SENT] * 2
        assert isinstance(receipts[0].error, TypeError)

    def test_an_answer_that_is_no_receipt_is_unknown_and_stops_nothing(self):
        def forgetful(backend, mails):
            for number, mail in enumerate(mails):
                yield None if number == 0 else backend.accepted(mail)

        receipts = list(BatchBackend(forgetful).send_many([message() for _ in range(3)]))
        assert outcomes(receipts) == [UNKNOWN, SENT, SENT]
        assert "returned NoneType instead of a Receipt with an Outcome" in str(receipts[0].error)

    def test_more_receipts_than_messages_are_not_taken_for_those_of_others(self):
        def generous(backend, mails):
            for mail in mails:
                yield backend.accepted(mail)
                yield backend.accepted(mail)

        receipts = list(BatchBackend(generous).send_many([message() for _ in range(3)]))
        assert outcomes(receipts) == [SENT, NOT_SENT, NOT_SENT]
        assert str(receipts[1].error) == (
            "The batch backend returned more receipts than it took messages."
        )

    def test_a_receipt_before_any_message_was_taken_is_nobodys(self):
        def hasty(backend, mails):
            yield Receipt("", "batch", SENT)

        receipts = list(BatchBackend(hasty).send_many([message()]))
        assert outcomes(receipts) == [NOT_SENT]

    def test_a_receipt_too_many_at_the_end_hurts_nobody(self):
        def generous(backend, mails):
            for mail in mails:
                yield (receipt := backend.accepted(mail))
            yield receipt

        assert outcomes(BatchBackend(generous).send_many([message()] * 2)) == [SENT] * 2


class TestLog:
    """One line for each message, without anybody's address."""

    @pytest.fixture(autouse=True)
    def _level(self, caplog):
        caplog.set_level(logging.INFO, logger="flask_mail")

    def test_a_message_that_was_sent_is_one_line(self, caplog):
        backend = PlainBackend(lambda mail: (given.append(mail), backend.accepted(mail))[1])
        given = []
        receipt = backend.send(message())
        octets = len(given[0].content)
        assert [each.getMessage() for each in caplog.records] == [
            f"{receipt.message_id} sent by plain: recipients: 1, octets: {octets},"
            f" seconds: {receipt.seconds:.3f}"
        ]
        assert caplog.records[0].levelno == logging.INFO
        assert caplog.records[0].name == "flask_mail"

    def test_no_line_shows_an_address_or_a_subject(self, caplog):
        refused = {"private@example.com": Refusal(550, "", "private@example.com is unknown")}
        backend = PlainBackend(
            lambda mail: backend.accepted(mail, refused=refused),
            MessageRefused("private@example.com is unknown", refused=refused),
        )
        private = Message("private", ["private@example.com"], sender="private@example.com")
        invalid = Message("private\n", ["private@example.com"], sender="private@example.com")
        list(backend.send_many([private, private, invalid]))
        assert len(caplog.records) == 5
        assert "private" not in caplog.text

    def test_the_details_are_told_at_level_debug(self, caplog):
        caplog.set_level(logging.DEBUG, logger="flask_mail")
        answered = PlainBackend(lambda mail: answered.accepted(mail, response="250 as 42"))
        receipt = answered.send(message())
        with pytest.raises(MessageRefused) as caught:
            PlainBackend(MessageRefused("550 never")).send(message())
        details = [each.getMessage() for each in caplog.records if each.levelname == "DEBUG"]
        assert details == [
            f"{receipt.message_id} attempts: 1, 250 as 42",
            f"{caught.value.receipt.message_id} attempts: 1, 550 never",
        ]


class TestDefaults:
    """Defaults of a backend that defines only its name and deliver()."""

    class MinimalBackend(Backend[None]):
        name = "minimal"

        def deliver(self, mail, session):
            return self.accepted(mail)

    def test_it_is_external(self):
        assert self.MinimalBackend.external is True

    def test_its_session_is_none_and_can_be_closed(self):
        backend = self.MinimalBackend()
        assert backend.open() is None
        assert backend.close(None) is None
        assert backend.abort(None) is None

    def test_abort_closes(self):
        class Closing(self.MinimalBackend):
            closed = ()

            def close(self, session):
                self.closed += (session,)

        backend = Closing()
        backend.abort("a session")
        assert backend.closed == ("a session",)

    def test_its_settings_begin_with_its_name(self):
        assert self.MinimalBackend.setting_key("path") == "MAIL_MINIMAL_PATH"

    def test_its_settings_may_begin_otherwise(self):
        class Historic(self.MinimalBackend):
            option_prefix = "POST_"

        assert Historic.setting_key("path") == "POST_PATH"

    def test_it_is_built_without_options(self):
        assert isinstance(self.MinimalBackend.from_options({}, None), self.MinimalBackend)

    def test_it_may_be_made_in_its_own_way(self):
        class Once(ABCMeta):
            made: ClassVar[dict] = {}

            def __call__(cls, **given):
                return cls.made.setdefault(cls, super().__call__(**given))

        class Shared(self.MinimalBackend, metaclass=Once):
            pass

        class Sized(self.MinimalBackend):
            def __new__(cls, *, size):
                made = super().__new__(cls)
                made.size = size
                return made

            def __init__(self, *, size: int) -> None: ...

        assert Shared.from_options({}, None) is Shared.from_options({}, None)
        assert Sized.from_options({"size": 3}, None).size == 3

    def test_without_deliver_it_cannot_be_built(self):
        with pytest.raises(TypeError, match="deliver"):
            Backend()
