"""Django 6.1."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from email import policy
from pathlib import Path
from typing import Any

from content import HTML, SENDER, SUBJECT, TEXT, Content
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, mailers


class Sender:
    """An application that sends."""

    has_pool = False
    has_send_many = False  # but a connection has

    def __init__(self, options: dict[str, Any]) -> None:
        if settings.configured:  # once a process
            return
        mailer = {
            "host": options["host"],
            "port": options["port"],
            "use_tls": options["tls"],
            "username": options["username"],
            "password": options["password"],
        }
        settings.configure(MAILERS={"default": {"OPTIONS": mailer}}, DEFAULT_FROM_EMAIL=SENDER)

    def context(self) -> AbstractContextManager[Any]:
        """Return what a thread that sends is in."""
        return nullcontext()

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
        made: bytes = message.message(policy=policy.SMTP).as_bytes()
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
        connection: AbstractContextManager[Any] = mailers.default
        return connection

    def send_over(self, connection: Any, message: EmailMultiAlternatives) -> None:
        """Send one over a connection."""
        connection.send_messages([message])

    def send_all_over(self, connection: Any, messages: Iterable[EmailMultiAlternatives]) -> None:
        """Send a batch over a connection."""
        connection.send_messages(messages)
