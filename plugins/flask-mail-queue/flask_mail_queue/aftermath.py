"""Reports of rows that ended without an attempt of this worker."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy.engine import RowMapping

from flask_mail import email_failed
from flask_mail.backends import BackendUnavailable, DeliveryUnknown, Outcome, Receipt

from .contents import Contents
from .schema import State
from .tracing import reporting

_log = logging.getLogger("flask_mail.queue")
_REASONS = {
    State.UNKNOWN: "An attempt to send this message was interrupted: it may have been accepted.",
    State.FAILED: "The workers that had claimed this message died; it is not tried again.",
    State.EXPIRED: "The message expired before it could be sent.",
}


def tell_ended(app: Any, row: RowMapping, contents: Contents) -> None:
    """Send `email_failed` for a row that was ended by a sweep of the queue."""
    number, state = row["id"], State(row["state"])
    if state not in _REASONS:  # a late record, or a person, has changed it meanwhile
        return
    _log.warning("Row %d %s: %s", number, state.value, row["error"])
    try:
        mail = contents.mail_of(row["record"])
    except Exception as problem:  # noqa: BLE001 (a record of whatever content)
        _log.error("Row %d cannot be read: %s", number, type(problem).__name__)
        return
    is_unknown = state is State.UNKNOWN
    error = (DeliveryUnknown if is_unknown else BackendUnavailable)(_REASONS[state])
    receipt = Receipt(
        mail.message_id,
        "queue",
        Outcome.UNKNOWN if is_unknown else Outcome.NOT_SENT,
        attempts=row["attempts"],
        error=error,
        mailer=row["mailer"],
    )
    with app.app_context(), reporting(app, mail, row["trace"]):
        email_failed.notify(app, message=mail.message, receipt=receipt, error=error, outgoing=mail)
