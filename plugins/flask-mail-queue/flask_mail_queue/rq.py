"""A job of RQ that sends what is due, with Flask-RQ.

The rows are the truth, and the job is the alarm clock: Redis carries no content, and a job that is
run twice finds nothing to do.
"""

from __future__ import annotations

from typing import Any, Final

from flask import current_app

from . import wake

_SECONDS: Final = 60.0
"""Less than the time-out of jobs, which is 180 seconds by default, as it ends them anywhere."""


def work() -> None:
    """Send what is due, for a minute. Let Flask-RQ run it every minute, by `cron_register`."""
    app: Any = current_app
    wake(app._get_current_object(), seconds=_SECONDS)  # noqa: SLF001 (signals need the app itself)


def wake_up() -> None:
    """Enqueue :func:`work`; for the option WAKE: ``"flask_mail_queue.rq:wake_up"``."""
    current_app.extensions["rq"].queue.enqueue(work)
