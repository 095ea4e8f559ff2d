"""Flask-Mailman 1.1."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from content import HTML, SENDER, SUBJECT, TEXT, Content
from flask import Flask
from flask_mailman import EmailMultiAlternatives, Mail


class Sender:
    """An application that sends."""

    has_pool = False
    has_send_many = False  # but a connection has

    def __init__(self, options: dict[str, Any]) -> None:
        self._app = Flask(__name__)
        self._app.config.update(
            MAIL_BACKEND="smtp",
            MAIL_SERVER=options["host"],
            MAIL_PORT=options["port"],
            MAIL_USE_TLS=options["tls"],
            MAIL_USERNAME=options["username"],
            MAIL_PASSWORD=options["password"],
            MAIL_DEFAULT_SENDER=SENDER,
        )
        self._mail = Mail(self._app)

    def context(self) -> AbstractContextManager[Any]:
        """Return what a thread that sends is in."""
        return self._app.app_context()

    def message(self, recipients: list[str]) -> EmailMultiAlternatives:
        """Make the message."""
        message = EmailMultiAlternatives(SUBJECT, TEXT, SENDER, recipients)
        message.attach_alternative(HTML, "text/html")
        return message

    def compose(self, content: Content) -> EmailMultiAlternatives:
        """Make a message that says what it is told."""
        message = EmailMultiAlternatives(
            content.subject,
            content.text,
            content.sender,
            list(content.to),
            cc=list(content.cc),
            reply_to=[content.reply_to] if content.reply_to else None,
        )
        if content.html is not None:
            message.attach_alternative(content.html, "text/html")
        for name, kind, data in content.files:
            message.attach(name, data, kind)
        return message

    def render(self, message: EmailMultiAlternatives) -> bytes:
        """Return the message as it would travel, as the SMTP backend makes it."""
        made: bytes = message.message().as_bytes(linesep="\r\n")
        return made

    def attach(self, message: EmailMultiAlternatives, name: str, data: bytes) -> None:
        """Attach data that is in memory."""
        message.attach(name, data, "application/octet-stream")

    def attach_path(self, message: EmailMultiAlternatives, path: Path) -> None:
        """Attach a file."""
        message.attach_file(path)

    def send(self, message: EmailMultiAlternatives) -> None:
        """Send one as a request of a web application does."""
        message.send()

    def connect(self) -> AbstractContextManager[Any]:
        """Keep a connection for the time of a block."""
        return self._mail.get_connection()

    def send_over(self, connection: Any, message: EmailMultiAlternatives) -> None:
        """Send one over a connection."""
        connection.send_messages([message])

    def send_all_over(self, connection: Any, messages: Iterable[EmailMultiAlternatives]) -> None:
        """Send a batch over a connection."""
        connection.send_messages(messages)
