"""Sends and batches that end before their time: every outcome is logged, signalled and kept."""

from __future__ import annotations

import gc
import logging
import pickle
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from flask import Flask
from servers import mail_to, smtp_server

from flask_mail import (
    BackendUnavailable,
    Connection,
    Mail,
    Message,
    MessageRefused,
    Outcome,
    email_dispatched,
    email_failed,
    email_sending,
)
from flask_mail.backends import Backend

SENT, REFUSED, NOT_SENT, UNKNOWN = (
    Outcome.SENT,
    Outcome.REFUSED,
    Outcome.NOT_SENT,
    Outcome.UNKNOWN,
)


class Timeout(BaseException):
    """As that of gevent, which is no Exception; its GreenletExit is none either."""


INTERRUPTS = [SystemExit, KeyboardInterrupt, GeneratorExit, Timeout]


class Answering(Backend[str]):
    """Does with each message what the test says: raises or returns it."""

    name = "answering"
    answers: list
    opening: BaseException | None
    ending: BaseException | None

    def open(self):
        if self.opening is not None:
            raise self.opening
        return "a session"

    def close(self, session):
        if self.ending is not None:
            raise self.ending

    def deliver(self, mail, session):
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return self.accepted(mail)


class Taking(Answering):
    """Takes all messages before it delivers the first, as a bulk service would."""

    name = "taking"

    def deliver_many(self, mails, session):
        for mail in list(mails):
            yield self.deliver(mail, session)


@pytest.fixture(autouse=True)
def answers(monkeypatch):
    given: list = []
    for name, value in (("answers", given), ("opening", None), ("ending", None)):
        monkeypatch.setattr(Answering, name, value, raising=False)
    return given


def mail_by(backend=Answering, **config):
    app = Flask("shop")
    app.config.update(MAIL_BACKEND=backend, MAIL_DEFAULT_SENDER="me@example.com", **config)
    return Mail(app)


@pytest.fixture
def mail():
    return mail_by()


def message(subject="Hello"):
    return Message(subject, ["to@example.com"], "Hi", sender="me@example.com")


def outcomes(receipts):
    return [each.outcome for each in receipts]


@pytest.fixture
def failed():
    """Arguments of each email_failed: (message, receipt, error)."""
    heard = []

    def receive(message, receipt, error):
        heard.append((message, receipt, error))

    with email_failed.connected_to(receive):
        yield heard


@pytest.fixture
def warned(caplog):
    def warned():
        lines = [each for each in caplog.records if each.levelno >= logging.WARNING]
        return [each.getMessage().partition(" ")[2] for each in lines]

    return warned


def stop(error):
    """Return a receiver that raises."""

    def receive(message):
        raise error

    return receive


@contextmanager
def connected(signal, *receivers):
    with ExitStack() as stack:
        for each in receivers:
            stack.enter_context(signal.connected_to(each))
        yield


class TestOneMessage:
    @pytest.fixture(params=["send", "connect", "message"])
    def send(self, request):
        """Send in each way that there is."""

        def connect(mail, hello):
            with mail.connect() as connection:
                return connection.send(hello)

        def message(mail, hello):
            return hello.send(Connection(mail.app.extensions["mail"]))

        ways = {"send": lambda mail, hello: mail.send(hello)}
        return {**ways, "connect": connect, "message": message}[request.param]

    @pytest.mark.parametrize("kind", INTERRUPTS)
    def test_an_interrupt_is_told_and_goes_on(self, mail, answers, send, kind, failed, warned):
        """The message may have been accepted."""
        interrupt = kind()
        answers.append(interrupt)
        with pytest.raises(kind) as caught:
            send(mail, hello := message())

        assert caught.value is interrupt
        [(signalled, receipt, error)] = failed
        assert (signalled, error) == (hello, interrupt)
        assert receipt.outcome is UNKNOWN
        assert receipt.message_id == hello.msgId
        assert receipt.error is interrupt
        assert interrupt.receipt is receipt
        [line] = warned()
        assert line.startswith(f"unknown by answering: {kind.__name__}")

    @pytest.mark.parametrize("kind", INTERRUPTS)
    def test_one_before_the_message_was_handed_over_has_sent_nothing(
        self, mail, monkeypatch, kind, failed, warned
    ):
        monkeypatch.setattr(Answering, "opening", kind())
        with pytest.raises(kind) as caught:
            mail.send(message())

        assert [receipt.outcome for _, receipt, _ in failed] == [NOT_SENT]
        assert caught.value.receipt.outcome is NOT_SENT
        assert warned()[0].startswith(f"not sent by answering: {kind.__name__}")

    @pytest.mark.parametrize("kind", INTERRUPTS)
    def test_one_in_a_receiver_of_email_sending_has_sent_nothing(self, mail, kind, failed):
        with connected(email_sending, stop(kind())), pytest.raises(kind) as caught:
            mail.send(message())

        assert [receipt.outcome for _, receipt, _ in failed] == [NOT_SENT]
        assert caught.value.receipt.outcome is NOT_SENT

    @pytest.mark.parametrize("kind", INTERRUPTS)
    def test_one_in_a_receiver_after_delivery_leaves_the_message_sent(self, mail, kind, failed):
        with connected(email_dispatched, stop(kind())), pytest.raises(kind) as caught:
            mail.send(message())

        assert failed == []
        assert caught.value.receipt.outcome is SENT

    @pytest.mark.parametrize(
        "error", [ZeroDivisionError(), KeyboardInterrupt(), SystemExit(), Timeout()]
    )
    def test_no_receiver_replaces_the_interrupt(self, mail, answers, error, failed, caplog):
        interrupt = SystemExit(3)
        answers.append(interrupt)
        with connected(email_failed, stop(error)), pytest.raises(SystemExit) as caught:
            mail.send(message())

        assert caught.value is interrupt
        assert len(failed) == 1  # the other receivers are called too
        assert "A receiver of email-failed failed" in caplog.text

    def test_an_interrupt_of_a_receiver_of_email_failed_goes_on(self, mail, answers):
        answers.append(MessageRefused("no"))
        with connected(email_failed, stop(KeyboardInterrupt())), pytest.raises(KeyboardInterrupt):
            mail.send(message())

    @pytest.mark.parametrize(
        "error", [ZeroDivisionError("a bug"), TimeoutError("the soft limit"), MessageRefused("no")]
    )
    def test_every_error_has_the_receipt(self, mail, answers, error):
        answers.append(error)
        with pytest.raises(type(error)) as caught:
            mail.send(hello := message())

        assert caught.value.receipt.message_id == hello.msgId
        assert caught.value.receipt.error is error

    def test_what_a_receiver_raises_after_delivery_has_the_receipt(self):
        mail = mail_by(TESTING=True)
        with (
            connected(email_dispatched, stop(ZeroDivisionError())),
            pytest.raises(ZeroDivisionError) as caught,
        ):
            mail.send(message())

        assert caught.value.receipt.outcome is SENT

    @pytest.mark.parametrize("kind", [*INTERRUPTS, OSError])
    def test_an_error_as_the_session_ends_has_the_receipt(self, mail, monkeypatch, kind):
        monkeypatch.setattr(Answering, "ending", kind())
        with pytest.raises(kind) as caught:
            mail.send(message())

        assert caught.value.receipt.outcome is SENT


class TestBatch:
    def batch(self, mail, messages, kind):
        with pytest.raises(kind) as caught:
            mail.send_many(messages)
        return caught.value.receipts

    @pytest.mark.parametrize("kind", INTERRUPTS)
    def test_an_interrupt_keeps_every_receipt(self, mail, answers, kind, failed, warned):
        interrupt = kind()
        answers += [None, MessageRefused("no"), interrupt]
        messages = [message() for _ in range(5)]
        receipts = self.batch(mail, messages, kind)

        assert outcomes(receipts) == [SENT, REFUSED, UNKNOWN]
        assert [each.message_id for each in receipts] == [each.msgId for each in messages[:3]]
        assert [receipt for _, receipt, _ in failed] == receipts[1:]
        assert receipts[2].error is interrupt
        *lines, summary = warned()
        assert [line.partition(":")[0] for line in lines] == [
            "refused by answering",
            "unknown by answering",
        ]
        assert "1 sent, 1 refused, 1 unknown" in summary

    @pytest.mark.parametrize("kind", [*INTERRUPTS, LookupError])
    def test_one_in_the_iterable_keeps_every_receipt(self, mail, kind):
        def messages():
            yield message()
            yield message("bad\n")
            raise kind

        assert outcomes(self.batch(mail, messages(), kind)) == [SENT, NOT_SENT]

    @pytest.mark.parametrize("kind", [*INTERRUPTS, LookupError])
    def test_one_that_comes_at_once_has_no_receipts(self, mail, kind):
        def messages():
            raise kind
            yield

        assert self.batch(mail, messages(), kind) == []

    @pytest.mark.parametrize("kind", INTERRUPTS)
    def test_what_the_backend_holds_is_told(self, kind, failed):
        """It may have delivered what it took."""
        taken = [message(), message(), message("bad\n"), message()]

        def messages():
            yield from taken
            raise kind

        receipts = self.batch(mail_by(Taking), messages(), kind)

        assert outcomes(receipts) == [UNKNOWN, UNKNOWN, NOT_SENT, UNKNOWN]
        assert [each for each, _, _ in failed] == taken

    @pytest.mark.parametrize("kind", INTERRUPTS)
    def test_one_in_a_receiver_keeps_every_receipt(self, mail, kind, failed):
        def receive(message):
            if message.subject == "last":
                raise kind

        for signal, outcome in ((email_dispatched, SENT), (email_sending, NOT_SENT)):
            with connected(signal, receive):
                receipts = self.batch(mail, [message(), message("last"), message()], kind)
            assert outcomes(receipts) == [SENT, outcome]
        assert len(failed) == 1

    def test_no_receiver_replaces_the_interrupt(self, mail, answers, failed):
        answers += [None, SystemExit(3)]
        with connected(email_failed, stop(KeyboardInterrupt())):
            receipts = self.batch(mail, [message(), message()], SystemExit)

        assert outcomes(receipts) == [SENT, UNKNOWN]
        assert len(failed) == 1

    @pytest.mark.parametrize("settings", [{"TESTING": True}, {"PROPAGATE_EXCEPTIONS": True}])
    def test_what_a_receiver_raises_in_tests_has_every_receipt(self, settings):
        mail = mail_by(**settings)
        with connected(email_dispatched, stop(ZeroDivisionError())):
            receipts = self.batch(mail, [message(), message(), message()], ZeroDivisionError)

        assert outcomes(receipts) == [SENT, SENT, SENT]

    def test_a_session_that_is_interrupted_leaves_the_first_not_sent(self, mail, monkeypatch):
        monkeypatch.setattr(Answering, "opening", SystemExit())

        assert outcomes(self.batch(mail, [message(), message()], SystemExit)) == [NOT_SENT]

    @pytest.mark.parametrize("kind", [*INTERRUPTS, OSError])
    def test_an_error_as_the_session_ends_keeps_every_receipt(self, mail, monkeypatch, kind):
        monkeypatch.setattr(Answering, "ending", kind())

        assert outcomes(self.batch(mail, [message(), message()], kind)) == [SENT, SENT]

    def test_a_batch_of_a_block_keeps_every_receipt(self, mail, answers):
        answers += [None, KeyboardInterrupt()]
        with mail.connect() as connection:
            with pytest.raises(KeyboardInterrupt) as caught:
                connection.send_many([message(), message()])
            assert connection.send(message()).sent  # it can be used again

        assert outcomes(caught.value.receipts) == [SENT, UNKNOWN]

    def test_several_connections_of_one_batch_keep_every_receipt(self, answers):
        answers += [None, None, None, KeyboardInterrupt()]
        mail = mail_by(MAIL_MAX_EMAILS=2)

        assert outcomes(self.batch(mail, [message()] * 9, KeyboardInterrupt)) == [
            *(SENT, SENT, SENT),
            UNKNOWN,
        ]

    def test_one_that_cannot_begin_has_no_receipts(self):
        with pytest.raises(LookupError) as caught:
            mail_by("nosuchbackend").send_many([message()])

        assert caught.value.receipts == []

    def test_one_within_another_has_receipts_of_its_own(self, mail, answers):
        answers += [None, None, KeyboardInterrupt()]
        inner = []

        def messages():
            yield message()
            try:
                mail.send_many([message(), message()])
            except KeyboardInterrupt as error:
                inner.extend(error.receipts)
                raise

        assert outcomes(self.batch(mail, messages(), KeyboardInterrupt)) == [SENT]
        assert outcomes(inner) == [SENT, UNKNOWN]

    def test_a_generator_that_is_closed_tells_what_is_under_way(self, failed):
        receipts: list = []
        sending = Taking().send_many([message() for _ in range(3)], receipts=receipts)
        next(sending)
        sending.close()

        assert outcomes(receipts) == [SENT, UNKNOWN, UNKNOWN]
        assert [type(error) for _, _, error in failed] == [GeneratorExit] * 2

    def test_what_is_interrupted_can_be_pickled(self, mail, answers):
        answers += [None, SystemExit(3)]
        with pytest.raises(SystemExit) as caught:
            mail.send_many([message(), message()])

        again = pickle.loads(pickle.dumps(caught.value))
        assert again.receipts == caught.value.receipts
        assert again.code == 3


class Slotted(Exception):
    __slots__ = ("reason",)


class Refusing(Exception):
    def __setattr__(self, name, value):
        raise AttributeError(name)


@dataclass(frozen=True, slots=True)
class Frozen(Exception):
    reason: str = ""


class OwnSlot(BaseException):
    __slots__ = ("receipts",)


class ReadOnly(Exception):
    @property
    def receipts(self):
        return "its own"


class TestWhereTheReceiptsAre:
    @pytest.mark.parametrize("kind", [Slotted, Refusing, Frozen, OwnSlot])
    def test_they_are_on_errors_of_every_class(self, mail, kind):
        def messages():
            yield message()
            raise kind

        with pytest.raises(kind) as caught:
            mail.send_many(messages())
        assert outcomes(caught.value.receipts) == [SENT]

    def test_a_read_only_attribute_of_that_name_hides_them(self, mail):
        def messages():
            yield message()
            raise ReadOnly

        with pytest.raises(ReadOnly) as caught:
            mail.send_many(messages())
        assert caught.value.receipts == "its own"
        assert outcomes(vars(caught.value)["receipts"]) == [SENT]

    def test_an_error_that_is_raised_again_has_those_of_the_last_batch(self, mail):
        error = LookupError()

        def messages(number):
            for _ in range(number):
                yield message()
            raise error

        for number in (2, 1):
            with pytest.raises(LookupError):
                mail.send_many(messages(number))
            assert outcomes(error.receipts) == [SENT] * number


class TestOverSmtp:
    """Interrupts in the middle of an SMTP session."""

    def test_a_batch_that_is_interrupted_as_it_is_made(self, failed):
        with smtp_server() as server:
            mail = mail_to(server.port)

            def messages():
                for number in range(5):
                    yield message(str(number))
                raise SystemExit

            with pytest.raises(SystemExit) as caught:
                mail.send_many(messages())
            receipts = caught.value.receipts
            assert len(receipts) == 5
            told = {receipt.message_id for _, receipt, _ in failed}
            assert told == {each.message_id for each in receipts if not each.sent}
            assert mail.send(message()).sent
        gc.collect()


def test_no_error_of_a_single_message_is_a_batch(mail, answers):
    answers.append(BackendUnavailable("down"))
    with pytest.raises(BackendUnavailable) as caught:
        mail.send(message())
    assert not hasattr(caught.value, "receipts")
