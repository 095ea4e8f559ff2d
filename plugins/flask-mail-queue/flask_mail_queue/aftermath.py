"""Reports of rows that ended without an attempt of this worker."""

from __future__ import annotations

import logging
from typing import Any

from flask_mail import email_failed
from flask_mail.backends import BackendUnavailable, DeliveryUnknown, Outcome, Receipt

from . import upkeep
from .records import mail_of
from .schema import State
from .store import Store

_log = logging.getLogger("flask_mail.queue")
_REASONS = {
    State.UNKNOWN: "The worker that sent this message died: it may have been accepted.",
    State.FAILED: "The workers that had claimed this message died; it is not tried again.",
    State.EXPIRED: "The message expired before it could be sent.",
}


def tell_ended(app: Any, store: Store, ids: list[int]) -> None:
    """Send `email_failed` for rows that were ended by a sweep of the queue."""
    for number in ids:
        with store.begin() as connection:
            row = upkeep.row(connection, store.tables, number)
        if row is None:
            continue
        state = State(row["state"])
        _log.warning("Row %d %s: %s", number, state.value, row["error"])
        try:
            mail = mail_of(row["record"] or b"")
        except Exception as problem:  # noqa: BLE001 (a record of whatever content)
            _log.error("Row %d cannot be read: %s", number, type(problem).__name__)
            continue
        # A late record may have ended it otherwise meanwhile.
        if state not in _REASONS:
            continue
        is_unknown = state is State.UNKNOWN
        error = (DeliveryUnknown if is_unknown else BackendUnavailable)(_REASONS[state])
        outcome = Outcome.UNKNOWN if is_unknown else Outcome.NOT_SENT
        receipt = Receipt(
            mail.message_id,
            "queue",
            outcome,
            attempts=row["attempts"],
            error=error,
            mailer=row["mailer"],
        )
        with app.app_context():
            email_failed.notify(app, message=mail.message, receipt=receipt, error=error)
