"""send_many(on_receipt=...): receipts that are passed to a function as they come."""

from __future__ import annotations

import asyncio
import gc
import io

import pytest
from fault_server import fault_server
from flask import Flask
from servers import mail_to, smtp_server

from flask_mail import Mail, Message, MessageError, Outcome, Receipt, email_dispatched
from flask_mail.backends import Backend, BackendUnavailable, MessageRefused
from flask_mail.delivery import sending

SENT, REFUSED, NOT_SENT, UNKNOWN = (
    Outcome.SENT,
    Outcome.REFUSED,
    Outcome.NOT_SENT,
    Outcome.UNKNOWN,
)


def message(subject="Hello"):
    return Message(str(subject), ["to@example.com"], "Hi", sender="me@example.com")


def messages(count):
    return [message(number) for number in range(count)]


def app_with(**config):
    app = Flask("shop")
    app.config.update(config)
    return app


@pytest.fixture
def mail():
    return Mail(app_with(MAIL_BACKEND="locmem", MAIL_MAILERS={"bulk": {"BACKEND": "locmem"}}))


def by_mail(mail, batch, on_receipt):
    return mail.send_many(batch, on_receipt=on_receipt)


def by_mailer(mail, batch, on_receipt):
    return mail.using("bulk").send_many(batch, on_receipt=on_receipt)


def by_block(mail, batch, on_receipt):
    with mail.connect() as connection:
        return connection.send_many(batch, on_receipt=on_receipt)


def by_coroutine(mail, batch, on_receipt):
    return asyncio.run(mail.asend_many(batch, on_receipt=on_receipt))


every_way = pytest.mark.parametrize("send", [by_mail, by_mailer, by_block, by_coroutine])


@every_way
def test_each_receipt_is_passed_in_order_and_nothing_is_returned(mail, send):
    batch = [message("a"), message("b\n"), message("c")]
    got = []
    assert send(mail, batch, got.append) is None
    assert [each.message_id for each in got] == [batch[0].msgId, "", batch[2].msgId]
    assert [each.outcome for each in got] == [SENT, NOT_SENT, SENT]
    assert isinstance(got[1].error, MessageError)


@every_way
def test_the_exception_of_the_function_ends_the_batch(mail, send):
    got = []

    def fail(receipt):
        got.append(receipt)
        if len(got) == 2:
            raise LookupError("no such row")

    taken = []

    def batch():
        for each in messages(5):
            taken.append(each)
            yield each

    with pytest.raises(LookupError) as caught:
        send(mail, batch(), fail)
    assert len(got) == 2
    assert len(taken) == 2
    assert caught.value.receipts == [got[1]]


class Counting(Backend[None]):
    """Refuses every third message."""

    name = "counting"

    def deliver(self, mail, session):
        if int(mail.message.subject) % 3 == 2:
            raise MessageRefused("No.")
        return self.accepted(mail)


BACKENDS = {
    "null": {},
    "console": {"STREAM": io.StringIO()},
    "locmem": {},
    "file": {},
    "failover": {"MAILERS": ["first", "second"]},
    "routes": {"RULES": [{"mailer": "first"}]},
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_pass_each_receipt_before_the_next_message(backend, tmp_path):
    options = {"PATH": str(tmp_path)} if backend == "file" else BACKENDS[backend]
    mailers = {
        "default": {"BACKEND": backend, **options},
        "first": {"BACKEND": "null"},
        "second": {"BACKEND": "null"},
    }
    mail = Mail(app_with(MAIL_MAILERS=mailers))
    got = []

    def batch():
        for number in range(5):
            assert len(got) == number
            yield message(number)

    mail.send_many(batch(), on_receipt=got.append)
    assert [each.outcome for each in got] == [SENT] * 5


def count_receipts():
    return sum(type(each) is Receipt for each in gc.get_objects())


@pytest.mark.parametrize("connections", [1, 3])
def test_smtp_batch_keeps_no_receipts(connections):
    """Those in memory are of the messages in flight, however long the batch is."""
    got, alive = [], []

    def note(receipt):
        got.append(receipt.message_id)
        if len(got) % 100 == 0:
            alive.append(count_receipts())

    batch = messages(400)
    gc.collect()
    before = count_receipts()  # of other tests
    with fault_server(extensions=("PIPELINING", "CHUNKING")) as server:
        mail = mail_to(server.port, MAIL_BATCH_CONNECTIONS=connections)
        mail.send_many(batch, on_receipt=note)
    assert got == [each.msgId for each in batch]
    assert len(alive) == 4
    assert max(alive) < before + 20


@pytest.mark.parametrize("connections", [1, 3])
def test_messages_in_flight_are_completed_after_an_exception(connections):
    def fail(receipt):
        raise LookupError("no such row")

    outcomes = []

    def note(app, message, receipt):
        outcomes.append(receipt)

    with fault_server(extensions=("PIPELINING", "CHUNKING")) as server:
        mail = mail_to(server.port, MAIL_BATCH_CONNECTIONS=connections)
        with email_dispatched.connected_to(note), pytest.raises(LookupError) as caught:
            mail.send_many((each for each in messages(400)), on_receipt=fail)
    receipts = caught.value.receipts
    assert [each.outcome for each in receipts] == [SENT] * len(receipts)
    assert receipts == outcomes
    assert 1 <= len(receipts) == len(server.accepted) < 100


def test_receipts_of_a_renewed_session_are_passed_too(mail):
    got = []
    with mail.connect(max_emails=2) as connection:
        connection.send_many(messages(5), on_receipt=got.append)
    assert [each.outcome for each in got] == [SENT] * 5


def test_function_may_send_over_the_connection_of_the_batch():
    with smtp_server() as server:
        mail = mail_to(server.port)
        with mail.connect() as connection:

            def answer(receipt):
                assert connection.send(message("about it")).sent
                assert mail.send(message("about it, too")).sent

            connection.send_many(messages(3), on_receipt=answer)
    assert len(server.recorder.accepted) == 9


def test_exception_of_the_generator_comes_after_the_last_receipt(mail):
    got = []

    def batch():
        yield message()
        raise KeyError("no such list")

    with pytest.raises(KeyError) as caught:
        mail.send_many(batch(), on_receipt=got.append)
    assert [each.outcome for each in got] == [SENT]
    assert caught.value.receipts == []


def test_interrupted_function_leaves_the_receipts_that_it_did_not_take():
    got = []

    def interrupt(receipt):
        if len(got) == 10:
            raise KeyboardInterrupt
        got.append(receipt)

    with fault_server(extensions=("PIPELINING", "CHUNKING")) as server:
        mail = mail_to(server.port)
        with pytest.raises(KeyboardInterrupt) as caught:
            mail.send_many((each for each in messages(100)), on_receipt=interrupt)
    assert len(got) == 10
    first, *others = caught.value.receipts
    assert first.outcome is SENT
    assert {each.outcome for each in others} <= {SENT, UNKNOWN, NOT_SENT}
    given = {each.message_id for each in (*got, first, *others)}
    assert len(given) == len(got) + 1 + len(others)
    assert len(server.accepted) <= len(given)


def test_interrupted_backend_leaves_the_receipts_in_flight():
    class Interrupted(Backend[None]):
        name = "interrupted"

        def deliver(self, mail, session):
            if mail.message.subject == "1":
                raise KeyboardInterrupt
            return self.accepted(mail)

    got = []
    mail = Mail(app_with(MAIL_BACKEND=Interrupted))
    with pytest.raises(KeyboardInterrupt) as caught:
        mail.send_many(messages(3), on_receipt=got.append)
    assert [each.outcome for each in got] == [SENT]
    assert [each.outcome for each in caught.value.receipts] == [UNKNOWN]


def test_receipt_that_an_alarm_kept_back_is_passed_with_the_next(mail, monkeypatch):
    """A signal handler may raise at any moment, such as Celery's for a soft time limit."""
    tell = sending.tell

    def interrupted(app, message, *outcome):
        if message.subject == "1":
            raise TimeoutError("time is up")
        return tell(app, message, *outcome)

    monkeypatch.setattr(sending, "tell", interrupted)
    got, batch = [], messages(3)
    mail.send_many(batch[:2], on_receipt=got.append)
    assert [each.message_id for each in got] == [each.msgId for each in batch[:2]]


def test_unreachable_server_gives_each_message_its_receipt(mail):
    class Down(Backend[None]):
        name = "down"

        def open(self):
            raise BackendUnavailable("No route.")

        def deliver(self, mail, session):
            raise AssertionError

    got = []
    Mail(app_with(MAIL_BACKEND=Down)).send_many(messages(3), on_receipt=got.append)
    assert [each.outcome for each in got] == [NOT_SENT] * 3


class TestLog:
    def test_summary_counts_receipts_that_were_passed_on(self, caplog):
        mail = Mail(app_with(MAIL_BACKEND=Counting))
        mail.send_many(messages(7), on_receipt=lambda receipt: None)
        assert caplog.messages[-1] == "A batch of 7 messages: 5 sent, 2 refused."

    def test_batch_that_is_sent_is_not_warned_about(self, mail, caplog):
        mail.send_many(messages(3), on_receipt=lambda receipt: None)
        assert caplog.messages == []

    def test_error_is_logged_with_what_became_of_its_receipts(self, mail, caplog):
        got = []

        def fail(receipt):
            got.append(receipt)
            if len(got) == 2:
                raise LookupError("ann@example.com")

        with pytest.raises(LookupError):
            mail.send_many(messages(3), on_receipt=fail)
        assert caplog.messages[-1] == (
            "A batch ended with LookupError after 2 messages: 2 sent. The attribute `receipts` of"
            " this error has the receipts that on_receipt did not take."
        )


async def later(receipt): ...


@pytest.mark.parametrize(
    ("function", "shown"), [(later, "a coroutine function"), (True, "True"), ([], r"\[\]")]
)
def test_other_arguments_than_functions_are_refused_before_sending(mail, function, shown):
    for sender in (mail, mail.using("bulk"), mail.connect()):
        with pytest.raises(TypeError, match=f"a plain function, not {shown}"):
            sender.send_many([message()], on_receipt=function)
    assert mail.outbox == []
