"""An actor of Dramatiq that sends what is due.

The rows are the truth, and the actor is the alarm clock: the broker carries no content, and a
message of it that is delivered twice finds nothing to do.
"""

from __future__ import annotations

from typing import Any, Final

import dramatiq
from flask import current_app

from . import wake

_KEY: Final = "flask_mail_queue.dramatiq"
_SECONDS: Final = 60.0
"""Less than the time limit of actors, which is ten minutes by default, as it ends them anywhere."""


def register(app: Any, broker: dramatiq.Broker | None = None) -> Any:
    """Return an actor that sends what is due in the queue of `app`, for a minute.

    Call it in the module that ``dramatiq`` runs, and send to the actor every minute.

    :param broker: default: that of :func:`dramatiq.set_broker`.
    """

    def work() -> None:
        wake(app, seconds=_SECONDS)

    # No retries: the next run finds what is left.
    actor = dramatiq.actor(
        work,
        actor_name=f"flask_mail_queue.work.{app.name}",
        broker=broker or dramatiq.get_broker(),
        max_retries=0,
    )
    app.extensions[_KEY] = actor
    return actor


def wake_up() -> None:
    """Send to the actor; for the option WAKE: ``"flask_mail_queue.dramatiq:wake_up"``."""
    current_app.extensions[_KEY].send()
