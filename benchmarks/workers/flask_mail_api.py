"""Flask-Mail 0.10 and 1.0, which is its successor: the same API, and `send_many`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from content import HTML, SENDER, SUBJECT, TEXT, Content
from flask import Flask

import flask_mail
from flask_mail import Connection, Mail, Message


class Sender:
    """An application that sends."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._app = Flask(__name__)
        settings = dict(options["settings"])
        account = {
            "SERVER": options["host"],
            "PORT": options["port"],
            "USE_TLS": options["tls"],
            "USERNAME": options["username"],
            "PASSWORD": options["password"],
        }
        mailer = settings.pop("mailer", None)
        if mailer is None:
            settings.update({f"MAIL_{option}": value for option, value in account.items()})
        else:
            settings["MAIL_MAILERS"] = {mailer: account}
        self._app.config.update(MAIL_DEFAULT_SENDER=SENDER, **settings)
        self._mail = Mail(self._app)
        if mailer is not None:
            self._mail = self._mail.using(mailer)
        self.has_send_many = self.has_pool = hasattr(Mail, "send_many")

    def context(self) -> AbstractContextManager[Any]:
        """Return what a thread that sends is in."""
        return self._app.app_context()

    def message(self, recipients: list[str]) -> Message:
        """Make the message."""
        return Message(SUBJECT, recipients=recipients, body=TEXT, html=HTML)

    def compose(self, content: Content) -> Message:
        """Make a message that says what it is told."""
        message = Message(
            content.subject,
            recipients=list(content.to),
            body=content.text,
            html=content.html,
            sender=content.sender,
            cc=list(content.cc),
            reply_to=content.reply_to,
        )
        for name, kind, data in content.files:
            message.attach(name, kind, data)
        return message

    def render(self, message: Message) -> bytes:
        """Return the message as it would travel."""
        return message.as_bytes()

    def attach(self, message: Message, name: str, data: bytes) -> None:
        """Attach data that is in memory."""
        message.attach(name, "application/octet-stream", data)

    def attach_path(self, message: Message, path: Path) -> None:
        """Attach a file."""
        if not self.has_send_many:
            message.attach(path.name, "application/octet-stream", path.read_bytes())
            return
        message.attach(path.name, path=path)

    def send(self, message: Message) -> None:
        """Send one as a request of a web application does."""
        self._mail.send(message)

    def connect(self) -> AbstractContextManager[Connection]:
        """Keep a connection for the time of a block."""
        return self._mail.connect()

    def send_over(self, connection: Connection, message: Message) -> None:
        """Send one over a connection."""
        connection.send(message)

    def send_all_over(self, connection: Connection, messages: Iterable[Message]) -> None:
        """Send a batch over a connection."""
        for message in messages:
            connection.send(message)

    def send_many(self, messages: Iterable[Message]) -> None:
        """Send a batch."""
        for receipt in self._mail.send_many(messages):
            if not receipt.sent:
                raise RuntimeError(f"A message of the batch was not sent: {receipt!r}")

    def check(self, message: Message) -> None:
        """Do the part of sending that is a check of the fields."""
        if message.has_bad_headers():
            raise RuntimeError("The message of the benchmark has bad headers.")

    def listen(self) -> None:
        """Give each signal a receiver that does nothing."""
        for signal in (flask_mail.email_sending, flask_mail.email_dispatched):
            signal.connect(_nothing, sender=self._app)

    def app_of_a_test(self) -> Flask:
        """Return an app for one test."""
        app = Flask(__name__)
        app.config.update(TESTING=True, MAIL_DEFAULT_SENDER=SENDER)
        return app

    def test(self, app: Flask) -> None:
        """Do what a test of an application does."""
        mail = Mail(app)
        with app.app_context(), mail.record_messages() as outbox:
            mail.send(self.message([SENDER]))
        if len(outbox) != 1:
            raise RuntimeError("The message of the test was not recorded.")

    def forget(self) -> None:
        """Forget what was sent to the outbox."""
        self._mail.outbox.clear()


def _nothing(app: Flask, message: Message) -> None:
    """Receive a signal."""
