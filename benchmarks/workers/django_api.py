"""Django 6.1."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from content import HTML, SENDER, SUBJECT, TEXT
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
