"""Signals of an app that concern its queues: events of mail services, and unsubscriptions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from flask_mail import ConfigurationError, DeliveryEvent, email_reported, email_unsubscribed
from flask_mail.backends import BackendUnavailable

from ..database.store import Store, describe_failure
from ..queues import by_database, declared, taker
from . import events, suppression_list
from .suppression_list import Reason
from .withholding import OFF, QUEUE, Suppression

_log = logging.getLogger("flask_mail.queue")


def listen(app: Any) -> None:
    """Connect the queues of an app with its signals and its mail; again without effect."""
    email_reported.connect(_note_event, app)
    # The page of unsubscribe links must not say that it is done if nobody notes it.
    if any(each.options.get("suppression", QUEUE) != OFF for each in declared(app)):
        email_unsubscribed.connect(_note_unsubscription, app)
    admissions = app.extensions["mail"].selection.own_admissions
    if not any(isinstance(each, Suppression) for each in admissions):
        admissions.append(Suppression(app))


def _is_collected(app: Any) -> bool:
    """Return True if a test collects the mail of the queues, which may have no database then."""
    takers = [taker(app, each) for each in declared(app)]
    return bool(takers) and all(each == "locmem" for each in takers)


@contextmanager
def _noting(store: Store, what: str) -> Iterator[Connection]:
    """Yield a connection in a transaction; an error shows no address, for the log of the app."""
    try:
        with store.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise BackendUnavailable(
            f"{what} cannot be stored ({describe_failure(error)}): does the database respond, and"
            " has `flask mail queue create` been run?",
            stage="connect",
        ) from None


def _note_event(app: Any, event: DeliveryEvent, **extra: Any) -> None:
    if _is_collected(app):
        return
    for queues in by_database(app):
        store = queues[0].store
        with _noting(store, "The event") as connection:
            if not events.is_new(connection, store.tables, event):
                continue
            settled = events.settle(connection, queues, event)
            if any(each.suppression != OFF for each in queues):
                events.suppress(connection, store.tables, event)
        if settled is not None:
            _log.info("Row %d %s: %s by %s", *settled, event.kind.value, event.mailer)


def _note_unsubscription(app: Any, address: str, list_name: str, **extra: Any) -> None:
    if _is_collected(app):
        return
    noting = [
        queues for queues in by_database(app) if any(each.suppression != OFF for each in queues)
    ]
    if not noting:
        raise ConfigurationError(
            f"The address was not unsubscribed: SUPPRESSION of the queue is {OFF!r} now."
        )
    for queues in noting:
        store = queues[0].store
        with _noting(store, "The unsubscription") as connection:
            suppression_list.add(
                connection,
                store.tables,
                address,
                Reason.UNSUBSCRIBED,
                scope=list_name,
                source="unsubscribe",
            )
