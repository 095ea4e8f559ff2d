"""Spans: one for each message, with nothing personal in it."""

from __future__ import annotations

import pytest
from flask import Flask
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from servers import Recorder, mail_to, smtp_server
from telemetry_support import Telemetry

from flask_mail import (
    DeliveryError,
    Mail,
    Message,
    NoRecipients,
    Receipt,
    email_deferred,
    email_dispatched,
    email_failed,
    email_queued,
)
from flask_mail.backends import Backend, BackendUnavailable, Outcome, Outgoing

DATA_REFUSED = {"DATA": "554 5.7.1 secret-word@example.com is spam"}


@pytest.fixture
def telemetry():
    with Telemetry() as telemetry:
        yield telemetry


@pytest.fixture
def server():
    answers = {"nobody@example.com": "550 5.1.1 nobody@example.com is unknown"}
    with smtp_server(Recorder(answers=answers)) as running:
        yield running


@pytest.fixture
def mail(server, telemetry):
    mail = mail_to(server.port)
    telemetry.instrument(mail.app)
    return mail


def hello(*recipients, **fields):
    return Message("Hello", list(recipients or ["ann@example.com"]), "Hi, Ann.", **fields)


def attributes_of(telemetry):
    return [dict(span.attributes) for span in telemetry.spans]


def test_a_message_is_a_span_below_the_current_one(mail, server, telemetry):
    with telemetry.tracer.start_as_current_span("order") as order:
        receipt = mail.send(hello("ann@example.com", "bob@example.com"))
    span, outer = telemetry.spans
    assert (span.name, span.kind) == ("mail send", SpanKind.CLIENT)
    assert span.parent == order.get_span_context()
    assert outer.name == "order"
    assert span.status.status_code is StatusCode.UNSET
    assert span.end_time - span.start_time == round(receipt.seconds * 1e9)
    assert span.attributes["mail.size"] > 100
    assert dict(span.attributes) == {
        "mail.mailer": "default",
        "mail.backend": "smtp",
        "mail.outcome": "sent",
        "mail.recipients": 2,
        "mail.size": span.attributes["mail.size"],
        "mail.attempts": 1,
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "smtp.status_code": 250,
    }


def test_a_refused_message_is_an_error_without_its_text(mail, telemetry):
    with pytest.raises(DeliveryError):
        mail.send(hello("nobody@example.com"))
    (span,) = telemetry.spans
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "refused"
    assert span.attributes["mail.outcome"] == "refused"
    assert span.attributes["error.type"] == "RecipientsRefused"
    assert span.attributes["smtp.status_code"] == 550
    assert span.events == ()


@pytest.mark.parametrize("answers", [{}, DATA_REFUSED], ids=["sent", "refused"])
def test_a_span_contains_nothing_personal(telemetry, answers):
    with smtp_server(Recorder(answers=answers)) as running:
        mail = mail_to(running.port)
        telemetry.instrument(mail.app)
        message = hello("secret-word@example.com", extra_headers={"X-Secret": "secret-word"})
        message.subject = message.body = "secret-word"
        mail.send_many([message])
    (span,) = telemetry.spans
    assert "secret-word" not in span.to_json()
    assert message.msgId not in span.to_json()


def test_the_message_id_is_added_if_the_setting_is_on(mail, telemetry):
    mail.app.config["MAIL_TELEMETRY_MESSAGE_ID"] = True
    message = hello()
    mail.send(message)
    assert attributes_of(telemetry)[0]["mail.message_id"] == message.msgId


def test_an_invalid_message_has_a_span_without_envelope(mail, telemetry):
    with pytest.raises(NoRecipients):
        mail.send(Message("Hello", [], "Hi"))
    assert attributes_of(telemetry) == [
        {
            "mail.backend": "smtp",
            "mail.outcome": "not sent",
            "mail.attempts": 1,
            "error.type": "NoRecipients",
            "server.address": "127.0.0.1",
            "server.port": mail.app.config["MAIL_PORT"],
        }
    ]


def test_each_message_of_a_batch_has_a_span_of_the_same_parent(mail, telemetry):
    with telemetry.tracer.start_as_current_span("news") as news:
        mail.send_many([hello("ann@example.com"), hello("nobody@example.com"), hello()])
    *spans, _ = telemetry.spans
    assert [each.attributes["mail.outcome"] for each in spans] == ["sent", "refused", "sent"]
    assert [each.parent for each in spans] == [news.get_span_context()] * 3


def test_the_server_is_that_of_the_mailer_that_decided(server, telemetry):
    app = Flask("shop")
    app.config["MAIL_MAILERS"] = {
        "default": {"BACKEND": "failover", "MAILERS": ["first", "second"]},
        "first": {"SERVER": "127.0.0.1", "PORT": 1},
        "second": {"SERVER": "127.0.0.1", "PORT": server.port},
    }
    mail = Mail(app)
    telemetry.instrument(app)
    mail.send(hello(sender="shop@example.com"))
    mail.close()
    (found,) = attributes_of(telemetry)
    assert (found["mail.mailer"], found["server.port"]) == ("second", server.port)


def test_mail_that_is_suppressed_names_no_server(mail, telemetry):
    mail.app.config["MAIL_MAILERS"] = {
        "bulk": {"SERVER": "127.0.0.1", "PORT": mail.app.config["MAIL_PORT"]}
    }
    mail.using("bulk").send(hello())
    mail.app.config["TESTING"] = True
    mail.send(hello())
    mail.using("bulk").send(hello())
    assert [(each["mail.backend"], "server.port" in each) for each in attributes_of(telemetry)] == [
        ("smtp", True),
        ("locmem", False),
        ("locmem", False),
    ]


class Ticket(Backend[None]):
    """Stores messages with the traceparent, as a queue does."""

    name = "ticket"
    is_queue = True

    def __init__(self) -> None:
        self.stored: list[str | None] = []
        self.is_full = False

    def deliver(self, mail, session):
        with self.app.extensions["mail_telemetry"].queueing(mail, self.name) as traceparent:
            if self.is_full:
                raise BackendUnavailable("It is full.")
            self.stored.append(traceparent)
        return self.queued(mail, "42")


@pytest.fixture
def queueing(telemetry):
    app = Flask("shop")
    app.config.update(MAIL_BACKEND=Ticket, MAIL_DEFAULT_SENDER="shop@example.com")
    telemetry.instrument(app)
    return Mail(app)


def stored_of(mail):
    return mail.state.selection.backend()


def test_a_queued_message_is_a_producer_whose_context_is_stored(queueing, telemetry):
    queueing.send(hello())
    (span,) = telemetry.spans
    assert (span.name, span.kind) == ("mail queue", SpanKind.PRODUCER)
    context = span.get_span_context()
    assert stored_of(queueing).stored == [
        f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    ]
    assert dict(span.attributes) == {
        "mail.mailer": "default",
        "mail.backend": "ticket",
        "mail.outcome": "queued",
        "mail.recipients": 1,
        "mail.size": span.attributes["mail.size"],
    }


def test_a_message_that_cannot_be_queued_has_one_span(queueing, telemetry):
    stored_of(queueing).is_full = True
    with pytest.raises(BackendUnavailable):
        queueing.send(hello())
    (span,) = telemetry.spans
    assert (span.name, span.kind) == ("mail send", SpanKind.PRODUCER)
    assert span.status.status_code is StatusCode.ERROR


class Failing(SpanProcessor):
    """A processor of another program that fails at the start or the end of spans."""

    def __init__(self, where):
        self.where = where

    def on_start(self, span, parent_context=None):
        self.fail("start")

    def on_end(self, span):
        self.fail("end")

    def fail(self, where):
        if where == self.where:
            raise OSError("no collector")


@pytest.mark.parametrize("where", ["start", "end"])
def test_a_message_is_queued_once_though_its_span_fails(queueing, telemetry, caplog, where):
    telemetry.tracer_provider.add_span_processor(Failing(where))
    assert queueing.send(hello()).outcome is Outcome.QUEUED
    assert len(stored_of(queueing).stored) == 1
    assert "A message was not traced" in caplog.text


def report(app, mail, signal, outcome, error=None):
    receipt = Receipt(mail.message_id, "smtp", outcome, seconds=0.5, error=error, mailer="peer")
    offered = {"message": mail.message, "receipt": receipt, "outgoing": mail}
    signal.notify(app, **offered, **({} if error is None else {"error": error}))


def outgoing(app):
    with app.app_context():
        return Outgoing.of(hello(sender="shop@example.com"))


def test_a_worker_is_a_consumer_linked_to_the_producer(queueing, telemetry):
    app = queueing.app
    queueing.send(hello())
    mail = outgoing(app)
    with app.extensions["mail_telemetry"].working(mail, *stored_of(queueing).stored):
        report(app, mail, email_deferred, Outcome.NOT_SENT, BackendUnavailable("busy"))
        report(app, mail, email_dispatched, Outcome.SENT)
    producer, deferred, sent = telemetry.spans
    for span in (deferred, sent):
        assert (span.name, span.kind, span.parent) == ("mail send", SpanKind.CONSUMER, None)
        assert [link.context.span_id for link in span.links] == [producer.context.span_id]
        assert span.context.trace_id != producer.context.trace_id
    assert deferred.attributes["error.type"] == "BackendUnavailable"
    assert sent.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("stored", [None, "", "00-0-0-00", "no context"])
def test_a_worker_without_a_valid_context_has_no_link(queueing, telemetry, stored):
    app = queueing.app
    mail = outgoing(app)
    with app.extensions["mail_telemetry"].working(mail, stored):
        report(app, mail, email_failed, Outcome.UNKNOWN, DeliveryError("died"))
    (span,) = telemetry.spans
    assert (span.kind, span.links) == (SpanKind.CONSUMER, ())


def test_a_receiver_that_sends_mail_in_a_worker_is_no_consumer(queueing, telemetry):
    app = queueing.app
    mail, alert = outgoing(app), outgoing(app)
    with app.extensions["mail_telemetry"].working(mail, None):
        report(app, alert, email_dispatched, Outcome.SENT)
    assert [each.kind for each in telemetry.spans] == [SpanKind.CLIENT]


def test_an_app_without_mail_can_be_instrumented(telemetry):
    app = Flask("worker")
    telemetry.instrument(app)
    mail = outgoing(app)
    report(app, mail, email_dispatched, Outcome.SENT)
    report(app, mail, email_queued, Outcome.QUEUED)
    assert [each.attributes["mail.mailer"] for each in telemetry.spans] == ["peer"]
