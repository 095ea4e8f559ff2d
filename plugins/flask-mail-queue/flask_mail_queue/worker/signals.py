"""Signals and log lines of outcomes, after the commit that recorded them."""

from __future__ import annotations

import logging
from typing import Any, Final

from sqlalchemy.engine import RowMapping

from flask_mail import email_deferred, email_dispatched, email_failed
from flask_mail.backends import BackendUnavailable, DeliveryUnknown, Outcome, Outgoing, Receipt

from ..database.contents import Contents
from ..database.schema import State
from ..tracing import reporting
from .claims import Result
from .outcomes import error_of

_log = logging.getLogger("flask_mail.queue")
_REASONS: Final = {
    State.UNKNOWN: "An attempt to send this message was interrupted: it may have been accepted.",
    State.FAILED: "The workers that had claimed this message died; it is not tried again.",
    State.EXPIRED: "The message expired before it could be sent.",
}


def signal_outcome(app: Any, result: Result, mail: Outgoing | None, receipt: Receipt) -> None:
    """Log the new state of a row, and send its signal."""
    _log.info(
        "Row %d %s by %s: attempt %d, seconds: %.3f%s",
        result.row.id,
        result.state.value,
        receipt.mailer,
        result.row.attempts + result.counted,
        receipt.seconds,
        f", {result.error}" if result.error else "",
    )
    if mail is None:
        _log.error("Row %d cannot be read: %s", result.row.id, result.response or result.error)
        return
    if receipt.outcome is Outcome.QUEUED:
        return  # the other queue reports the outcome
    # Receivers get a session of their own.
    with app.app_context(), reporting(app, mail, result.row.trace):
        if receipt.sent:
            email_dispatched.notify(app, message=mail.message, receipt=receipt, outgoing=mail)
            return
        signal = email_deferred if result.state is State.QUEUED else email_failed
        error = error_of(receipt)
        signal.notify(app, message=mail.message, receipt=receipt, error=error, outgoing=mail)


def signal_ended(app: Any, row: RowMapping, contents: Contents) -> None:
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
