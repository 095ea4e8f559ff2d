"""django-post_office, with the settings that it has by default."""

from __future__ import annotations

import contextlib
from typing import Any

from content import HTML, SENDER, SUBJECT, TEXT
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import transaction
from django_queue import set_up
from queueing import ONE, clock

MANY = "send_many"


class Sender:
    """A project that stores its mail."""

    def __init__(self, options: dict[str, Any]) -> None:
        folder = options["folder"]
        set_up(
            options,
            "post_office",
            EMAIL_HOST=options["host"],
            EMAIL_PORT=options["port"],
            EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
            MEDIA_ROOT=f"{folder}/post_office_media",
            TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        )
        from post_office import mail
        from post_office.models import STATUS, Email

        self._mail, self._email, self._statuses = mail, Email, STATUS
        self._lock = f"{folder}/post_office"

    def reset(self) -> None:
        """Make the tables, or empty them."""
        call_command("migrate", verbosity=0)
        self._email.objects.all().delete()

    def enqueue(self, readers: list[str], way: str) -> None:
        """Store a message for each."""
        fields = {"sender": SENDER, "subject": SUBJECT, "message": TEXT, "html_message": HTML}
        if way == MANY:
            self._mail.send_many([{"recipients": [each], **fields} for each in readers])
            return
        with transaction.atomic() if way == ONE else contextlib.nullcontext():
            for each in readers:
                self._mail.send([each], **fields)

    def enqueue_large(self, reader: str, data: bytes) -> None:
        """Store a message with an attachment."""
        files = {"large.bin": ContentFile(data)}
        self._mail.send([reader], SENDER, subject=SUBJECT, message=TEXT, attachments=files)

    def dispatch(self, processes: int) -> float:
        """Send what is queued, as ``manage.py send_queued_mail`` does; return the seconds."""
        start = clock()
        self._mail.send_queued_mail_until_done(self._lock, processes)
        return clock() - start

    def left(self) -> int:
        """Return the number of messages that are not sent."""
        count: int = self._email.objects.exclude(status=self._statuses.sent).count()
        return count

    def unknown(self) -> list[str]:
        """Return nothing: it has no such status."""
        return []
