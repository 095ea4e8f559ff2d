"""Receivers of `email_dispatched` in every shape that 0.10 could call.

The shapes that only 0.9.1 could call are in `test_as_in_0_9_1.py`, those that neither could in
`test_improvements.py`.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any

import pytest
from blinker import ANY
from flask import Flask, current_app

from flask_mail import BadHeaderError, Mail, Message, email_dispatched

Seen = list[tuple[Any, Any]]


def hello(**fields: Any) -> Message:
    return Message(**{"subject": "Hello", "recipients": ["to@example.com"], **fields})


class Log:
    """Receives as a bound method does, and as a callable object does."""

    def __init__(self) -> None:
        self.seen: Seen = []

    def record(self, app: Flask, message: Message) -> None:
        self.seen.append((app, message))

    def __call__(self, sender: Flask, message: Message, **extra: Any) -> None:
        self.seen.append((sender, message))


def app_message(seen: Seen) -> Callable[..., None]:
    def receiver(app: Flask, message: Message) -> None:
        seen.append((app, message))

    return receiver


def sender_message(seen: Seen) -> Callable[..., None]:
    def receiver(sender: Flask, message: Message) -> None:
        seen.append((sender, message))

    return receiver


def sender_message_extra(seen: Seen) -> Callable[..., None]:
    def receiver(sender: Flask, message: Message, **extra: Any) -> None:
        seen.append((sender, message))

    return receiver


def app_extra(seen: Seen) -> Callable[..., None]:
    def receiver(app: Flask, **extra: Any) -> None:
        seen.append((app, extra["message"]))

    return receiver


def sender_extra(seen: Seen) -> Callable[..., None]:
    def receiver(sender: Flask, **extra: Any) -> None:
        seen.append((sender, extra["message"]))

    return receiver


def underscore_message(seen: Seen) -> Callable[..., None]:
    def receiver(_: Flask, message: Message, **__: Any) -> None:
        seen.append((_, message))

    return receiver


def keyword_only_message(seen: Seen) -> Callable[..., None]:
    def receiver(app: Flask, *, message: Message) -> None:
        seen.append((app, message))

    return receiver


def optional_message(seen: Seen) -> Callable[..., None]:
    def receiver(app: Flask, message: Message | None = None) -> None:
        seen.append((app, message))

    return receiver


def anything(seen: Seen) -> Callable[..., None]:
    def receiver(*args: Any, **kwargs: Any) -> None:
        [app] = args
        seen.append((app, kwargs["message"]))

    return receiver


def lambda_function(seen: Seen) -> Callable[..., None]:
    return lambda app, message: seen.append((app, message))


def positional_only_sender(seen: Seen) -> Callable[..., None]:
    def receiver(app: Flask, /, message: Message) -> None:
        seen.append((app, message))

    return receiver


def partial_of_the_first(seen: Seen) -> Callable[..., None]:
    def record(target: Seen, app: Flask, message: Message) -> None:
        target.append((app, message))

    return functools.partial(record, seen)


def partial_of_a_keyword(seen: Seen) -> Callable[..., None]:
    def record(app: Flask, message: Message, target: Seen) -> None:
        target.append((app, message))

    return functools.partial(record, target=seen)


def wrapped(seen: Seen) -> Callable[..., None]:
    def record(app: Flask, message: Message) -> None:
        seen.append((app, message))

    @functools.wraps(record)
    def receiver(*args: Any, **kwargs: Any) -> None:
        record(*args, **kwargs)

    return receiver


@pytest.mark.parametrize(
    "shape",
    [
        app_message,
        sender_message,
        sender_message_extra,
        app_extra,
        sender_extra,
        underscore_message,
        keyword_only_message,
        optional_message,
        anything,
        lambda_function,
        positional_only_sender,
        partial_of_the_first,
        partial_of_a_keyword,
        wrapped,
    ],
)
@pytest.mark.parametrize("way", ["mail", "state", "connection"])
def test_a_receiver_is_given_the_app_and_the_message(
    app: Flask, mail: Mail, shape: Callable[[Seen], Callable[..., None]], way: str
) -> None:
    seen: Seen = []
    receiver = shape(seen)
    msg = hello()

    with email_dispatched.connected_to(receiver), mail.connect() as conn:
        {"mail": mail, "state": app.extensions["mail"], "connection": conn}[way].send(msg)

    assert seen == [(app, msg)]
    assert seen[0][1] is msg


def test_the_app_is_the_app_itself_and_no_proxy(app: Flask, mail: Mail) -> None:
    seen: Seen = []

    with email_dispatched.connected_to(app_message(seen)):
        mail.send(hello())

    assert type(seen[0][0]) is Flask
    assert seen[0][0] is app


def test_a_bound_method_receives(app: Flask, mail: Mail) -> None:
    log = Log()
    email_dispatched.connect(log.record)
    msg = hello()

    mail.send(msg)

    assert log.seen == [(app, msg)]


def test_a_callable_object_receives(app: Flask, mail: Mail) -> None:
    log = Log()
    email_dispatched.connect(log)
    msg = hello()

    mail.send(msg)

    assert log.seen == [(app, msg)]


def test_a_static_and_a_class_method_receive(app: Flask, mail: Mail) -> None:
    seen: Seen = []

    class Receivers:
        @staticmethod
        def static(app: Flask, message: Message) -> None:
            seen.append((app, message))

        @classmethod
        def of_class(cls, app: Flask, message: Message) -> None:
            seen.append((app, message))

    msg = hello()
    with (
        email_dispatched.connected_to(Receivers.static),
        email_dispatched.connected_to(Receivers.of_class),
    ):
        mail.send(msg)

    assert seen == [(app, msg)] * 2


# --- Connecting --------------------------------------------------------------------------------


def test_connect_is_a_decorator(app: Flask, mail: Mail) -> None:
    seen: Seen = []

    @email_dispatched.connect
    def receiver(app: Flask, message: Message) -> None:
        seen.append((app, message))

    mail.send(hello())
    email_dispatched.disconnect(receiver)
    mail.send(hello())

    assert len(seen) == 1


def test_connect_via_is_a_decorator_for_one_app(app: Flask, mail: Mail) -> None:
    seen: Seen = []

    @email_dispatched.connect_via(current_app._get_current_object())
    def receiver(sender: Flask, message: Message) -> None:
        seen.append((sender, message))

    @email_dispatched.connect_via(ANY)
    def receiver_of_all(app: Flask, message: Message) -> None:
        seen.append((app, message))

    mail.send(hello())

    assert len(seen) == 2


def test_a_receiver_connected_for_one_app_hears_nothing_of_another(
    make_app: Callable[..., Flask],
) -> None:
    mail = Mail()
    apps = [make_app(TESTING=True, MAIL_DEFAULT_SENDER="from@example.com") for _ in range(2)]
    mine, other = apps
    seen: Seen = []
    receiver = app_message(seen)
    email_dispatched.connect(receiver, sender=mine)

    for app in apps:
        mail.init_app(app)
        with app.app_context():
            mail.send(hello())

    assert [app for app, _ in seen] == [mine]
    assert other not in [app for app, _ in seen]


def test_connected_to_filters_by_app_too(app: Flask, mail: Mail) -> None:
    for_it: Seen = []
    for_another: Seen = []

    with (
        email_dispatched.connected_to(app_message(for_it), sender=app),
        email_dispatched.connected_to(app_message(for_another), sender=Flask("another")),
    ):
        mail.send(hello())

    assert (len(for_it), len(for_another)) == (1, 0)


def test_a_receiver_that_nobody_holds_is_forgotten(mail: Mail) -> None:
    seen: Seen = []
    email_dispatched.connect(app_message(seen))
    log = Log()
    email_dispatched.connect(log.record)
    seen_by_log = log.seen
    del log
    gc.collect()

    mail.send(hello())

    assert seen == seen_by_log == []


def test_a_receiver_connected_strongly_is_kept(mail: Mail) -> None:
    seen: Seen = []
    receiver = app_message(seen)
    receiver_id = id(receiver)
    email_dispatched.connect(receiver, weak=False)
    del receiver
    gc.collect()

    mail.send(hello())

    assert len(seen) == 1
    [kept] = [each for each in email_dispatched.receivers_for(ANY) if id(each) == receiver_id]
    email_dispatched.disconnect(kept)


# --- When and how often ------------------------------------------------------------------------


def test_every_receiver_is_called_once_for_each_message(mail: Mail) -> None:
    first: Seen = []
    second: Seen = []
    messages = [hello() for _ in range(3)]

    with (
        email_dispatched.connected_to(app_message(first)),
        email_dispatched.connected_to(sender_extra(second)),
        mail.connect() as conn,
    ):
        for msg in messages:
            conn.send(msg)

    assert [msg for _, msg in first] == [msg for _, msg in second] == messages


def test_receivers_hear_of_suppressed_and_of_real_messages(app: Flask, fake_smtp: Any) -> None:
    """At that time the message has a date, and one that is not suppressed was delivered."""
    app.config["MAIL_SUPPRESS_SEND"] = False
    mail = Mail(app)
    state = app.extensions["mail"]
    handed_over: list[int] = []

    def receiver(app: Flask, message: Message) -> None:
        assert message.date is not None
        handed_over.append(len(fake_smtp.sent))

    with email_dispatched.connected_to(receiver):
        mail.send(hello())
        state.suppress = True
        mail.send(hello())

    assert handed_over == [1, 1]


def test_receivers_hear_nothing_of_a_message_that_failed(app: Flask, mail: Mail) -> None:
    seen: Seen = []

    with email_dispatched.connected_to(app_message(seen)):
        with pytest.raises(AssertionError):
            mail.send(hello(recipients=[]))
        with pytest.raises(BadHeaderError):
            mail.send(hello(subject="bad\nsubject"))

    assert seen == []


def test_a_program_may_send_the_signal_itself(app: Flask, mail: Mail) -> None:
    """A transport of its own tells the receivers, as 0.10's connection did."""
    seen: Seen = []
    msg = hello()

    with email_dispatched.connected_to(sender_message(seen)), mail.record_messages() as outbox:
        email_dispatched.send(current_app._get_current_object(), message=msg)

    assert seen == [(app, msg)]
    assert outbox == [msg]


def test_an_error_in_a_receiver_reaches_the_test_that_sends(app: Flask, mail: Mail) -> None:
    """Suites assert inside of receivers."""

    def receiver(app: Flask, message: Message) -> None:
        assert message.subject == "something else"

    with email_dispatched.connected_to(receiver), pytest.raises(AssertionError):
        mail.send(hello())
