"""Flask-Mail stores messages in the database of the app, and workers send them."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import MetaData

from .backend import QueueBackend
from .database.schema import Tables
from .queues import queues_of, replaced

__all__ = ["QueueBackend", "define_tables", "wake"]

_log = logging.getLogger("flask_mail.queue")


def define_tables(metadata: MetaData, name: str = "mail_queue") -> None:
    """Define the tables of the queue in `metadata`, so that migrations include them.

    :param metadata: such as ``db.metadata`` of Flask-SQLAlchemy.
    :param name: the option TABLES of the mailer.
    """
    Tables(metadata, name)


def wake(app: Any, *, queue: str | None = None, seconds: float | None = None) -> int:
    """Send what is due and return the number of messages that were claimed; for task queues.

    Any number of them may run at the same time.

    :param queue: the name of a mailer, if the app has queues in several databases.
    :param seconds: end after this time.
    """
    from .worker.worker import Worker

    queues = queues_of(app, queue)
    for each in queues:
        if warning := replaced(app, each):
            _log.warning("%s", warning)
    worker = Worker(app, queues, once=True, seconds=seconds)
    worker.run()
    return worker.count
