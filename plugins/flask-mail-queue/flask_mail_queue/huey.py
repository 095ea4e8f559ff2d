"""Tasks of Huey that send what is due.

The rows are the truth, and the tasks are the alarm clock: the storage of Huey has no content, and a
task that is run twice finds nothing to do.
"""

from __future__ import annotations

from typing import Any, Final

from flask import current_app
from huey import Huey, crontab

from . import wake

_KEY: Final = "flask_mail_queue.huey"
_SECONDS: Final = 60.0
"""So that other tasks of the same worker have their turn."""


def register(app: Any, huey: Huey) -> Any:
    """Return a task that sends what is due in the queue of `app`, which also runs every minute.

    Call it in the module that ``huey_consumer`` runs.
    """

    def work() -> None:
        wake(app, seconds=_SECONDS)

    name = f"flask_mail_queue.work.{app.name}"
    huey.periodic_task(crontab(minute="*"), name=f"{name}.each_minute")(work)
    app.extensions[_KEY] = task = huey.task(name=name)(work)
    return task


def wake_up() -> None:
    """Enqueue the task; for the option WAKE: ``"flask_mail_queue.huey:wake_up"``."""
    current_app.extensions[_KEY]()
