"""Traces of messages through the queue, if Flask-Mail's telemetry is on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from flask_mail.backends import Outgoing

from .database import queries
from .database.store import Store, describe_failure

_log = logging.getLogger("flask_mail.queue")


def storing(app: Any, mail: Outgoing, backend: str) -> AbstractContextManager[str | None]:
    """Return the span of storing a message; its value is kept with the row."""
    telemetry = _telemetry_of(app)
    return nullcontext() if telemetry is None else telemetry.queueing(mail, backend)


def reporting(app: Any, mail: Outgoing, trace: str | None) -> AbstractContextManager[None]:
    """Return the context of the signals of a worker, whose span is linked to that of storing."""
    telemetry = _telemetry_of(app)
    return nullcontext() if telemetry is None else telemetry.working(mail, trace)


def observe(app: Any, store: Store, mailers: Sequence[str]) -> None:
    """Measure the backlog of mailers from now on, whenever metrics are collected."""
    telemetry = _telemetry_of(app)
    if telemetry is None or store.is_in_memory:  # all threads would share its connection
        return

    def backlog() -> dict[str, tuple[int, float]]:
        try:
            with store.reading() as connection:
                found = queries.backlog(connection, store.tables)
        except SQLAlchemyError as error:
            _log.warning("The backlog was not measured: %s.", describe_failure(error))
            return {}
        return {name: found.get(name, (0, 0.0)) for name in mailers}

    telemetry.observe(" ".join([store.tables.name, *mailers]), backlog)


def _telemetry_of(app: Any) -> Any:
    return getattr(app, "extensions", {}).get("mail_telemetry")
