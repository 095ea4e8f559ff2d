"""Signals: how receivers are called, and what becomes of what they raise."""

from __future__ import annotations

import functools
import gc
import logging

import pytest
from flask import Flask

from flask_mail import (
    Mail,
    Message,
    NoRecipients,
    email_dispatched,
    email_failed,
    email_sending,
    signals,
)
from flask_mail.delivery.signals import call, propagates

APP, MESSAGE, RECEIPT = object(), object(), object()
OFFERED = {"message": MESSAGE, "receipt": RECEIPT}


@pytest.fixture
def app():
    app = Flask(__name__)
    app.config.update(MAIL_BACKEND="null", MAIL_DEFAULT_SENDER="me@example.com")
    return app


@pytest.fixture
def mail(app):
    return Mail(app)


def note(message, app):
    return app, message


def test_the_namespace_knows_the_signals_by_their_names():
    assert signals.signal("email-dispatched") is email_dispatched
    assert signals.signal("email-sending") is email_sending
    assert signals.signal("email-failed") is email_failed


class Callable:
    def __call__(self, app, message):
        return app, message

    def method(self, message, app):
        return app, message


def traced(function):
    @functools.wraps(function)
    def wrapper(sender, *args, **kwargs):
        return function(sender, *args, **kwargs)

    return wrapper


@traced
def decorated(app, message):
    return app, message


@pytest.mark.parametrize(
    "receiver",
    [
        note,
        lambda app, message: (app, message),
        lambda message, *, app: (app, message),
        lambda sender, message: (sender, message),
        lambda sender, **extra: (sender, extra["message"]),
        lambda app, **extra: (app, extra["message"]),
        lambda message, **extra: (extra["app"], message),
        lambda msg, app: (app, msg),
        lambda *args, **kwargs: (args[0], kwargs["message"]),
        lambda sender, *, message: (sender, message),
        lambda message, /, app: (app, message),
        lambda app, message, /: (app, message),
        lambda sender, message, /: (sender, message),
        Callable(),
        Callable().method,
        decorated,
    ],
)
def test_a_receiver_is_given_what_its_parameters_ask_for(receiver):
    assert call(receiver, APP, dict(OFFERED)) == (APP, MESSAGE)


def test_a_receiver_may_ask_for_the_receipt_alone():
    assert call(lambda receipt: receipt, APP, dict(OFFERED)) is RECEIPT


def test_a_receiver_with_one_parameter_of_another_name_gets_the_app():
    assert call(lambda sender: sender, APP, dict(OFFERED)) is APP


def test_a_receiver_without_parameters_gets_nothing():
    assert call(lambda: "called", APP, dict(OFFERED)) == "called"


def test_what_a_signal_does_not_offer_is_none():
    assert call(lambda message, error: error, APP, dict(OFFERED)) is None


def test_extra_keywords_get_only_what_the_signal_offers():
    assert call(lambda sender, **extra: set(extra), APP, dict(OFFERED)) == {"message", "receipt"}


def test_receiver_with_hidden_signature_gets_keywords():
    class Hidden:
        __signature__ = "none"

        def __call__(self, *args, **kwargs):
            return args, set(kwargs)

    assert call(Hidden(), APP, dict(OFFERED)) == ((APP,), {"message", "receipt"})


def test_unhashable_receiver_without_weakref_is_called():
    class Bare:
        __slots__ = ()
        __hash__ = None

        def __call__(self, app, message):
            return app, message

    assert call(Bare(), APP, dict(OFFERED)) == (APP, MESSAGE)


def test_a_coroutine_function_is_refused_instead_of_never_awaited():
    async def receiver(app, message): ...

    with pytest.raises(TypeError, match="plain function"):
        call(receiver, APP, dict(OFFERED))


def test_the_shape_of_a_method_is_remembered_without_keeping_its_object():
    class Receiver:
        alive = 0

        def __init__(self):
            Receiver.alive += 1

        def __del__(self):
            Receiver.alive -= 1

        def receive(self, message):
            return message

    receiver = Receiver()
    assert call(receiver.receive, APP, dict(OFFERED)) is MESSAGE
    del receiver
    gc.collect()
    assert Receiver.alive == 0


def test_a_signal_sent_as_in_0_9_reaches_receivers_with_app_and_message():
    heard = []

    def receive(app, message):
        heard.append((app, message))

    with email_dispatched.connected_to(receive):
        email_dispatched.send(MESSAGE, app=APP)
    assert heard == [(APP, MESSAGE)]


def test_a_signal_sent_without_a_sender_reaches_receivers():
    with email_dispatched.connected_to(note):
        assert email_dispatched.send(message=MESSAGE) == [(note, (None, MESSAGE))]


def test_a_muted_signal_reaches_nobody(mail):
    with mail.record_messages() as outbox, email_dispatched.muted():
        mail.send(Message("Hi", ["to@example.com"]))
    assert outbox == []


def test_a_receiver_connected_for_one_app_does_not_hear_of_another(app, mail):
    heard = []

    def receive(app, message):
        heard.append(app)

    other = Flask("other")
    other.config.update(app.config)
    with email_dispatched.connected_to(receive, sender=app):
        Mail(other).send_message("Hi", ["to@example.com"])
        mail.send_message("Hi", ["to@example.com"])
    assert heard == [app]


def test_receivers_that_name_it_get_the_message_as_delivered(mail):
    heard = []

    def by_name(message, outgoing):
        heard.append((outgoing.message is message, outgoing.envelope.recipients))

    def with_extra(app, **extra):
        heard.append(sorted(extra))

    for receiver in (by_name, with_extra):
        with email_dispatched.connected_to(receiver):
            mail.send_message("Hi", ["to@example.com"])
    assert heard == [(True, ("to@example.com",)), ["message", "receipt"]]


def test_a_message_that_cannot_be_rendered_is_not_delivered(mail):
    heard = []

    def receive(outgoing, error):
        heard.append((outgoing, type(error)))

    with email_failed.connected_to(receive), pytest.raises(NoRecipients):
        mail.send_message("Hi", [])
    assert heard == [(None, NoRecipients)]


def test_email_sending_may_change_the_message(app, mail):
    def add_footer(message):
        message.body += "\n-- \nsent by us"

    with email_sending.connected_to(add_footer), mail.record_messages() as outbox:
        mail.send_message("Hi", ["to@example.com"], "Hello")
    assert outbox[0].body == "Hello\n-- \nsent by us"


def test_a_receiver_of_email_sending_that_raises_stops_the_message(app, mail):
    failures = []

    def stop(message):
        raise PermissionError("not today")

    def failed(app, message, receipt, error):
        failures.append((app, receipt.outcome.name, error))

    with (
        email_sending.connected_to(stop),
        email_failed.connected_to(failed),
        mail.record_messages() as outbox,
        pytest.raises(PermissionError) as caught,
    ):
        mail.send_message("Hi", ["to@example.com"])
    assert outbox == []
    assert failures == [(app, "NOT_SENT", caught.value)]


def explode(message):
    raise RuntimeError("broken receiver")


def test_receiver_error_after_delivery_is_logged(mail, caplog):
    with email_dispatched.connected_to(explode), mail.record_messages() as outbox:
        receipt = mail.send_message("Hi", ["to@example.com"])
    assert receipt.sent
    assert len(outbox) == 1
    record = next(each for each in caplog.records if each.levelno == logging.ERROR)
    assert "broken receiver" in str(record.exc_info[1])


@pytest.mark.parametrize(
    "config", [{"TESTING": True}, {"DEBUG": True}, {"PROPAGATE_EXCEPTIONS": True}]
)
def test_it_propagates_where_flask_would_and_the_other_receivers_have_run(app, mail, config):
    app.config.update(config)
    with (
        email_dispatched.connected_to(explode),
        mail.record_messages() as outbox,
        pytest.raises(RuntimeError, match="broken receiver"),
    ):
        mail.send_message("Hi", ["to@example.com"])
    assert len(outbox) == 1


def test_propagate_exceptions_false_wins_over_testing(app):
    app.config.update(TESTING=True, PROPAGATE_EXCEPTIONS=False)
    assert not propagates(app)


def test_without_an_app_nothing_propagates():
    assert not propagates(None)


def test_a_receiver_of_email_failed_that_raises_never_hides_the_error(app, mail):
    app.config["TESTING"] = True
    with email_failed.connected_to(explode), pytest.raises(ValueError, match="subject"):
        mail.send_message("Hi\n", ["to@example.com"])
