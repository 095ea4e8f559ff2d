"""Sending from coroutines: Mail.asend() and Mail.asend_many()."""

from __future__ import annotations

import asyncio
import threading

import pytest
from flask import Flask, current_app, request

from flask_mail import BackendUnavailable, Mail, Message, MessageError, Outcome, email_sending
from flask_mail.backends import Backend


class WaitingBackend(Backend[None]):
    """Waits in each delivery until the test lets it go on."""

    name = "waiting"

    def __init__(self):
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.delivered = threading.Event()
        self.threads = set()

    def deliver(self, mail, session):
        self.threads.add(threading.get_ident())
        self.started.set()
        assert self.go_on.wait(30)
        self.delivered.set()
        return self.accepted(mail)


@pytest.fixture
def app():
    app = Flask(__name__)
    app.config.update(MAIL_BACKEND="locmem", MAIL_DEFAULT_SENDER="shop@example.com")
    return app


@pytest.fixture
def mail(app):
    return Mail(app)


@pytest.fixture
def waiting(app, mail):
    app.config["MAIL_BACKEND"] = WaitingBackend
    return mail.state.selection.backend()


def to_ann(subject="Hello"):
    return Message(subject, ["ann@example.com"], "Hello.")


def test_asend_returns_the_receipt(mail):
    message = to_ann()
    receipt = asyncio.run(mail.asend(message))
    assert (receipt.outcome, receipt.message_id) == (Outcome.SENT, message.msgId)
    assert [each.subject for each in mail.outbox] == ["Hello"]


def test_asend_raises_what_send_raises(mail):
    with pytest.raises(MessageError, match="subject"):
        asyncio.run(mail.asend(to_ann("Hello\nBcc: x@example.com")))
    assert mail.outbox == []


def test_asend_many_returns_a_receipt_for_each_message_in_order(mail):
    subjects = ["one", "two\n", "three"]
    receipts = asyncio.run(mail.asend_many(to_ann(subject) for subject in subjects))
    assert [receipt.sent for receipt in receipts] == [True, False, True]
    assert isinstance(receipts[1].error, MessageError)


def test_an_async_view_sends_with_its_app_and_request(app):
    mail = Mail()  # finds the app in the context
    mail.init_app(app)
    seen = []

    def note(app, message):
        seen.append((current_app.name, request.path))

    @app.post("/orders")
    async def order():
        one = await mail.asend(to_ann())
        two = await mail.asend_many([to_ann(), to_ann()])
        return {"sent": sum(receipt.sent for receipt in (one, *two))}

    with email_sending.connected_to(note):
        response = app.test_client().post("/orders")
    assert response.json == {"sent": 3}
    assert seen == [(app.name, "/orders")] * 3


def test_an_async_view_handles_errors_of_delivery(app, mail):
    class Broken(Backend[None]):
        name = "broken"

        def deliver(self, mail, session):
            raise BackendUnavailable("No route.")

    app.config["MAIL_BACKEND"] = Broken

    @app.post("/orders")
    async def order():
        try:
            await mail.asend(to_ann())
        except BackendUnavailable as error:
            return {"outcome": error.receipt.outcome.value}, 503
        return {}

    response = app.test_client().post("/orders")
    assert (response.status_code, response.json) == (503, {"outcome": "not sent"})


def test_other_coroutines_run_while_a_message_is_sent(mail, waiting):
    async def main():
        sending = asyncio.create_task(mail.asend(to_ann()))
        assert await asyncio.to_thread(waiting.started.wait, 30)
        waiting.go_on.set()  # only reached because the loop is not blocked
        return await sending

    assert asyncio.run(main()).sent
    assert threading.get_ident() not in waiting.threads


def test_a_cancelled_asend_does_not_stop_the_message(mail, waiting):
    async def main():
        sending = asyncio.create_task(mail.asend(to_ann()))
        assert await asyncio.to_thread(waiting.started.wait, 30)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        waiting.go_on.set()

    asyncio.run(main())  # waits for the threads of the loop
    assert waiting.delivered.is_set()


def test_another_mailer_has_asend_too(app, mail):
    app.config["MAIL_MAILERS"] = {"bulk": {"BACKEND": "locmem"}}
    assert asyncio.run(mail.using("bulk").asend(to_ann())).mailer == "bulk"


def test_asend_calls_a_send_that_a_program_overrides(app):
    class Own(Mail):
        def send(self, message):
            return super().send(to_ann(f"[Shop] {message.subject}"))

    mail = Own(app)
    asyncio.run(mail.asend(to_ann()))
    assert [each.subject for each in mail.outbox] == ["[Shop] Hello"]
