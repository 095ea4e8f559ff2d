"""django-mailer. Its lock is off: a process that is killed would leave it for ever."""

from __future__ import annotations

import contextlib
from typing import Any

from content import HTML, SENDER, SUBJECT, TEXT
from django.core.mail import EmailMultiAlternatives, get_connection, send_mail
from django.core.management import call_command
from django.db import transaction
from django_queue import set_up
from queueing import ONE, clock

MANY = "send_messages"


class Sender:
    """A project that stores its mail."""

    def __init__(self, options: dict[str, Any]) -> None:
        set_up(
            options,
            "mailer",
            EMAIL_HOST=options["host"],
            EMAIL_PORT=options["port"],
            EMAIL_BACKEND="mailer.backend.DbBackend",
            MAILER_USE_FILE_LOCK=False,
        )
        from mailer.engine import send_all
        from mailer.models import Message

        self._send_all, self._message = send_all, Message

    def reset(self) -> None:
        """Make the tables, or empty them."""
        call_command("migrate", verbosity=0)
        self._message.objects.all().delete()

    def enqueue(self, readers: list[str], way: str) -> None:
        """Store a message for each."""
        if way == MANY:
            get_connection().send_messages([_made(each) for each in readers])
            return
        with transaction.atomic() if way == ONE else contextlib.nullcontext():
            for each in readers:
                send_mail(SUBJECT, TEXT, SENDER, [each], html_message=HTML)

    def enqueue_large(self, reader: str, data: bytes) -> None:
        """Store a message with an attachment."""
        message = _made(reader)
        message.attach("large.bin", data, "application/octet-stream")
        message.send()

    def dispatch(self, processes: int) -> float:
        """Send what is queued, as ``manage.py send_mail`` does; return the seconds."""
        start = clock()
        self._send_all()
        return clock() - start

    def left(self) -> int:
        """Return the number of messages that are not sent: others are deleted."""
        count: int = self._message.objects.count()
        return count

    def unknown(self) -> list[str]:
        """Return nothing: it has no such status."""
        return []


def _made(reader: str) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(SUBJECT, TEXT, SENDER, [reader])
    message.attach_alternative(HTML, "text/html")
    return message
