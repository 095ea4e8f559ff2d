"""The new state of a row after an attempt."""

from __future__ import annotations

from typing import Final

from flask_mail.backends import (
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    DeliveryUnknown,
    MessageRefused,
    Outcome,
    Outgoing,
    Receipt,
)

from ..database.contents import Contents
from ..database.records import without_addresses
from ..database.schema import State
from .claims import Claimed, Result
from .jitter import spread

_OPENING: Final = ("connect", "greeting", "tls", "login")
_SHORTEST, _LONGEST = 60.0, 3600.0
_MAX_PEER_ID: Final = 255
_STATES: Final = {
    Outcome.SENT: State.SENT,
    Outcome.QUEUED: State.SENT,  # the peer is another queue
    Outcome.REFUSED: State.REFUSED,
    Outcome.UNKNOWN: State.UNKNOWN,
}
_ERRORS: Final = {
    Outcome.REFUSED: MessageRefused,
    Outcome.NOT_SENT: BackendUnavailable,
    Outcome.UNKNOWN: DeliveryUnknown,
}


def is_of_opening(error: BaseException | None) -> bool:
    """Return True if the mailer cannot be reached at all, so that no message is at fault."""
    return isinstance(error, DeliveryError) and error.stage in _OPENING


def error_of(receipt: Receipt) -> BaseException:
    """Return the error of a receipt whose message was not taken."""
    if receipt.error is not None:
        return receipt.error
    return _ERRORS[receipt.outcome](receipt.response or receipt.outcome.value, receipt=receipt)


def result_of(
    row: Claimed,
    mail: Outgoing | None,
    receipt: Receipt,
    *,
    give_up: float,
    pause: float,
    contents: Contents,
    repeatable: float | None = None,
) -> Result:
    """Return the new state of a row.

    :param give_up: seconds from its creation after which it has failed.
    :param pause: seconds until the mailer is tried again if it cannot be reached.
    :param contents: knows what stays of a message that was sent.
    :param repeatable: seconds for which the mailer recognizes the key of a message, or ``None``.
    """
    response = without_addresses(receipt.response or receipt.reason, mail)
    peer_id = _peer_id(receipt)
    state = _STATES.get(receipt.outcome)
    if state is State.SENT:
        return Result(row, state, response, remains=contents.remains(mail), peer_id=peer_id)
    error = error_of(receipt)
    kind = type(error).__name__
    # An earlier attempt may have been accepted, unless the service was asked again and refused it.
    in_doubt = row.repeatable is not None and (state is None or not receipt.attempts)
    is_unknown = in_doubt or state is State.UNKNOWN
    if state is State.REFUSED and not is_unknown:
        return Result(row, state, response, kind, counted=receipt.attempts > 0)
    ended = Result(
        row, State.UNKNOWN if is_unknown else State.FAILED, response, kind, peer_id=peer_id
    )
    if row.age > give_up or (row.remaining is not None and row.remaining <= 0):
        return ended
    if state is State.REFUSED or (state is None and not _may_pass(error)):
        return ended
    delay, counted = _delay_of(row, error, pause)
    left = repeatable if row.repeatable is None else row.repeatable
    if is_unknown and (repeatable is None or left is None or delay >= left):
        return ended
    return Result(row, State.QUEUED, response, kind, delay, counted, repeats=is_unknown)


def _peer_id(receipt: Receipt) -> str | None:
    """Return the name that the peer has given to a message, if its reply is one."""
    found = receipt.response.strip()
    # Addresses are not stored; a reply of SMTP has several words.
    is_name = 0 < len(found) <= _MAX_PEER_ID and found.isprintable() and not {*" @"} & {*found}
    return found if is_name else None


def _may_pass(error: BaseException) -> bool:
    # A message that is invalid, or a row that cannot be read, stays so; a setting may be changed.
    return isinstance(error, (DeliveryError, ConfigurationError))


def _delay_of(row: Claimed, error: BaseException, pause: float) -> tuple[float, bool]:
    """Return the seconds until the next attempt, and True if this one counts as one."""
    asked = error.retry_after if isinstance(error, DeliveryError) else None
    if is_of_opening(error):
        return max(pause, asked or 0.0), False
    # Never before the time that the peer asked for, and not all messages at the same time.
    if asked is not None and asked < _SHORTEST:
        return max(spread(asked, 1.0), 1.0), False
    backoff = spread(min(_SHORTEST * 2.0 ** min(row.attempts, 10), _LONGEST))
    return max(backoff, spread(asked or 0.0, 1.0)), True
