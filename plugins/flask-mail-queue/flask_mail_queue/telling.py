"""Signals and log lines of outcomes, after the commit that recorded them."""

from __future__ import annotations

import logging
from typing import Any

from flask_mail import email_deferred, email_dispatched, email_failed
from flask_mail.backends import Outcome, Outgoing, Receipt

from .claims import Result
from .outcomes import error_of
from .schema import State
from .tracing import reporting

_log = logging.getLogger("flask_mail.queue")


def tell(app: Any, result: Result, mail: Outgoing | None, receipt: Receipt) -> None:
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
