"""Programs that worked with 0.9.1, failed with 0.10 and work again with 1.0."""

from __future__ import annotations

import email
import functools
import logging
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest
from flask import Flask

from flask_mail import Mail, Message, email_dispatched

Seen = list[tuple[Any, Any]]


def hello(**fields: Any) -> Message:
    return Message(
        **{
            "subject": "testing",
            "sender": "from@example.com",
            "recipients": ["to@example.com"],
            "body": "testing",
            **fields,
        }
    )


def test_the_documented_receiver_logs_each_subject(
    app: Flask, mail: Mail, caplog: pytest.LogCaptureFixture
) -> None:
    """Printed like this in the documentation of 0.9.1 and of 0.10, which cannot run it."""
    namespace: dict[str, Any] = {"email_dispatched": email_dispatched}
    exec(
        dedent(
            """\
            def log_message(message, app):
                app.logger.debug(message.subject)

            email_dispatched.connect(log_message)
            """
        ),
        namespace,
    )

    try:
        with caplog.at_level(logging.DEBUG, logger=app.logger.name):
            mail.send(hello(subject="logged by the receiver"))
    finally:
        email_dispatched.disconnect(namespace["log_message"])

    assert "logged by the receiver" in [record.getMessage() for record in caplog.records]


def message_app(seen: Seen) -> Callable[..., None]:
    def receiver(message: Message, app: Flask) -> None:
        seen.append((app, message))

    return receiver


def msg_app(seen: Seen) -> Callable[..., None]:
    def receiver(msg: Message, app: Flask) -> None:
        seen.append((app, msg))

    return receiver


def email_app_extra(seen: Seen) -> Callable[..., None]:
    def receiver(email: Message, app: Flask, **extra: Any) -> None:
        seen.append((app, email))

    return receiver


def message_app_optional(seen: Seen) -> Callable[..., None]:
    def receiver(message: Message, app: Flask | None = None) -> None:
        seen.append((app, message))

    return receiver


def message_extra(seen: Seen) -> Callable[..., None]:
    def receiver(message: Message, **extra: Any) -> None:
        seen.append((extra["app"], message))

    return receiver


def lambda_message_app(seen: Seen) -> Callable[..., None]:
    return lambda m, app: seen.append((app, m))


def partial_message_app(seen: Seen) -> Callable[..., None]:
    def record(target: Seen, message: Message, app: Flask) -> None:
        target.append((app, message))

    return functools.partial(record, seen)


@pytest.mark.parametrize(
    "shape",
    [
        message_app,
        msg_app,
        email_app_extra,
        message_app_optional,
        message_extra,
        lambda_message_app,
        partial_message_app,
    ],
)
def test_a_receiver_of_0_9_is_given_the_message_first(
    app: Flask, mail: Mail, shape: Callable[[Seen], Callable[..., None]]
) -> None:
    seen: Seen = []
    msg = hello()

    with email_dispatched.connected_to(shape(seen)):
        mail.send(msg)

    assert seen == [(app, msg)]


def test_methods_and_objects_of_0_9_are_given_the_message_first(app: Flask, mail: Mail) -> None:
    seen: Seen = []

    class Log:
        def record(self, message: Message, app: Flask) -> None:
            seen.append((app, message))

        def __call__(self, msg: Message, app: Flask) -> None:
            seen.append((app, msg))

    log = Log()
    msg = hello()
    with email_dispatched.connected_to(log.record), email_dispatched.connected_to(log):
        mail.send(msg)

    assert seen == [(app, msg)] * 2


def test_a_transport_of_0_9_may_send_the_signal_itself(app: Flask, mail: Mail) -> None:
    """Connections that post to a web API end with this line, copied from 0.9.1."""
    seen: Seen = []
    msg = hello()

    with email_dispatched.connected_to(message_app(seen)), mail.record_messages() as outbox:
        email_dispatched.send(msg, app=app)

    assert seen == [(app, msg)]
    assert outbox == [msg]


@pytest.mark.parametrize(
    "headers",
    [[["Content-ID", "<logo>"]], [("Content-ID", "<logo>")], (("Content-ID", "<logo>"),)],
)
def test_headers_of_an_attachment_may_be_pairs(
    app: Flask, mail: Mail, png: bytes, headers: Any
) -> None:
    """The recipe for inline images that the web is full of; 0.10 wanted a dict."""
    msg = hello(html='<img src="cid:logo">')
    msg.attach("logo.png", "image/png", png, "inline", headers=headers)

    image = email.message_from_bytes(msg.as_bytes()).get_payload()[-1]
    assert image["Content-ID"] == "<logo>"
    assert image.get_content_disposition() == "inline"


def test_an_attachment_without_a_name_keeps_its_disposition(
    app: Flask, mail: Mail, png: bytes
) -> None:
    """0.10 wrote the disposition only beside a file name."""
    msg = hello(html='<img src="cid:logo">')
    msg.attach(content_type="image/png", data=png, disposition="inline")

    image = email.message_from_bytes(msg.as_bytes()).get_payload()[-1]
    assert image.get_content_disposition() == "inline"
