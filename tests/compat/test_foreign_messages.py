"""A message of a program's own class is sent: 0.10 asked only for some attributes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_mail import BadHeaderError, Connection, Mail, Message


class OwnMessage:
    """The attributes that 0.10's `Connection.send` and `Mail.send` asked for, and no other."""

    def __init__(self, *send_to: Any, sender: Any = "from@example.com", **options: Any) -> None:
        self.sender = sender
        self.send_to = set(send_to or ["to@example.com"])
        self.date = None
        self.mail_options = options.get("mail_options", [])
        self.rcpt_options = options.get("rcpt_options", [])
        self.is_bad = options.get("is_bad", False)

    def has_bad_headers(self) -> bool:
        return self.is_bad

    def as_bytes(self) -> bytes:
        return b"Subject: own\nFrom: from@example.com\nTo: to@example.com\n\nof my own\n.\n"

    def send(self, connection: Connection) -> None:
        connection.send(self)


@pytest.fixture
def server_app(make_app: Callable[..., Flask], smtp_server: Any) -> Flask:
    return make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=smtp_server.port)


def test_a_message_of_an_own_class_reaches_the_server(server_app: Flask, smtp_server: Any) -> None:
    mail = Mail(server_app)
    msg = OwnMessage("to@example.com", ("Zoë", "zoe@example.com"))

    with server_app.app_context(), mail.record_messages() as outbox, mail.connect() as conn:
        mail.send(msg)
        conn.send(msg, envelope_from="bounces@example.com")

    first, second = smtp_server.deliveries
    assert (first.sender, second.sender) == ("from@example.com", "bounces@example.com")
    assert sorted(first.recipients) == ["to@example.com", "zoe@example.com"]
    assert b"Subject: own" in first.content
    assert b"of my own\r\n.\r\n" in first.content.replace(b"\r", b"").replace(b"\n", b"\r\n")
    assert outbox == [msg, msg]
    assert msg.date is not None


def test_a_host_is_given_the_options_of_an_own_class(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)
    with live_app.app_context():
        mail.send(OwnMessage(mail_options=["BODY=8BITMIME"], rcpt_options=["NOTIFY=NEVER"]))

    [session] = fake_smtp.opened
    assert session.options == [(["BODY=8BITMIME"], ["NOTIFY=NEVER"])]
    assert session.sent[0][:2] == ("from@example.com", ["to@example.com"])


def test_a_message_of_an_own_class_is_suppressed_in_tests(mail: Mail, fake_smtp: Any) -> None:
    with mail.record_messages() as outbox:
        mail.send(OwnMessage())

    assert len(outbox) == 1
    assert fake_smtp.opened == []


def test_a_message_of_an_own_class_needs_recipients_and_a_sender(mail: Mail) -> None:
    nobody = OwnMessage()
    nobody.send_to = set()

    for msg in (nobody, OwnMessage(is_bad=True)):
        with pytest.raises((AssertionError, BadHeaderError)):
            mail.send(msg)


def test_a_wrapper_around_a_message_is_sent(live_app: Flask, fake_smtp: Any) -> None:
    class Signed:
        def __init__(self, message: Message) -> None:
            self.message = message

        def __getattr__(self, name: str) -> Any:
            return getattr(self.message, name)

        def send(self, connection: Connection) -> None:
            connection.send(self)

        def as_bytes(self) -> bytes:
            return b"X-Signed: yes\r\n" + self.message.as_bytes()

    mail = Mail(live_app)
    with live_app.app_context():
        mail.send(Signed(Message("Hello", ["to@example.com"], "testing")))

    [(_, _, content)] = fake_smtp.sent
    assert content.startswith(b"X-Signed: yes\r\n")
