"""A task of Celery that sends what is due.

The rows are the truth, and the task is the alarm clock: the broker carries no content, and a task
that is delivered twice finds nothing to do.
"""

from __future__ import annotations

from typing import Any

from celery import shared_task
from flask import current_app

from . import wake


@shared_task(name="flask_mail_queue.work", ignore_result=True)  # type: ignore[untyped-decorator]
def work() -> None:
    """Send what is due. Run it in a beat schedule, within the context of the app."""
    app: Any = current_app
    wake(app._get_current_object())  # noqa: SLF001 (signals need the app itself)


def wake_up() -> None:
    """Start :func:`work`; for the option WAKE: ``"flask_mail_queue.celery:wake_up"``."""
    # No retries: if the broker is away, the next run of the schedule finds the message.
    work.apply_async(retry=False)
