"""For the tests of an app: sending what is in its queue."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from flask_mail import ConfigurationError

from .database.schema import State, now
from .queues import queues_of
from .worker.worker import Worker


def work_off(app: Any, *, queue: str | None = None) -> int:
    """Send all messages in the queue, also those that are due later, and return their number.

    The mailer behind the queue must be a local one, such as ``locmem``; one that is made of others,
    of local ones. ``MAIL_SUPPRESS_SEND`` must be ``False``: otherwise messages go to the outbox,
    and never into the queue.

    :param queue: the name of a mailer, if the app has queues in several databases.
    :raises ConfigurationError: real mail would be sent.
    """
    queues = queues_of(app, queue)
    selection = app.extensions["mail"].selection
    for each in queues:
        if not selection.child_target(each.target)[0].external:
            continue  # or it is replaced
        for leaf in selection.leaf_references(each.target):
            cls = selection.backend_class(leaf)
            if cls.external:
                raise ConfigurationError(
                    f"work_off() sends no real mail, but the mailer {leaf!r} has the {cls.name}"
                    ' backend: set it to "locmem" in tests.'
                )
    store = queues[0].store
    rows = store.tables.queue
    with store.begin() as connection:
        is_later = (rows.c.state == State.QUEUED.value) & (rows.c.due_at > now())
        connection.execute(update(rows).where(is_later).values(due_at=now()))
    worker = Worker(app, queues, once=True)
    worker.run()
    return worker.count
