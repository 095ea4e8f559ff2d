"""Outcomes of requests by HTTP: of each status, and of each way in which a connection fails."""

from __future__ import annotations

import ssl
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import TYPE_CHECKING, Final

from ..errors import BackendUnavailable, DeliveryError, DeliveryUnknown, MessageRefused
from ..smtp.deadline import DeadlinePassed

if TYPE_CHECKING:
    from .http_values import Answer

_LOGIN: Final = (401, 403)
_REFUSED: Final = (400, 413, 415, 422)
_LATER: Final = (404, 405, 429)
_LONGEST_REASON: Final = 300
# Where services say what is wrong, in JSON.
_REASONS: Final = (
    *(("message",), ("Message",), ("error", "message"), ("error_description",)),
    *(("detail",), ("error",)),
)


def kind_of(answer: Answer) -> tuple[type[DeliveryError], str]:
    """Return the class of the error for a status other than 2xx, and its stage.

    A status that is not known to mean that nothing was accepted is unknown: a gateway answers some
    of them when the service has the request.
    """
    status = answer.status
    if status in _LOGIN:
        return BackendUnavailable, "login"
    if status in _REFUSED:
        return MessageRefused, "accept"
    if status in _LATER or (status == 503 and answer.retry_after() is not None):
        return BackendUnavailable, "accept"
    return DeliveryUnknown, "accept"


def reason_in(answer: Answer) -> str:
    """Return what a service says about its answer, on one line."""
    found = next((text for each in _REASONS if (text := answer.find(*each))), answer.text)
    shown = "".join(each if each.isprintable() else " " for each in found[: 2 * _LONGEST_REASON])
    shown = " ".join(shown.split())
    return shown if len(shown) <= _LONGEST_REASON else f"{shown[:_LONGEST_REASON]}..."


def broken(place: str, stage: str, error: Exception) -> DeliveryError:
    """Return the error for a connection that failed at a stage."""
    why = describe_failure(error)
    if stage == "accept":
        problem: DeliveryError = DeliveryUnknown(
            f"{place} sent no valid answer ({why}), so the message may have been accepted.",
            stage=stage,
        )
    else:
        what = "cannot be reached" if stage != "data" else "did not get the whole request"
        problem = BackendUnavailable(f"{place} {what}: {why}. Nothing was sent.", stage=stage)
    if isinstance(error, OSError) and not isinstance(error, HTTPException):
        problem.__cause__ = error.with_traceback(None)
    return problem


def describe_failure(error: BaseException) -> str:
    """Return why a connection failed, without what the peer sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, DeadlinePassed):
        return "there was no time left"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, RemoteDisconnected):
        return "it closed the connection"
    if isinstance(error, IncompleteRead):
        return "its answer was cut"
    if isinstance(error, HTTPException):
        return "its answer is not valid HTTP"
    if isinstance(error, UnicodeError):
        return "its name is not valid"
    return (getattr(error, "strerror", None) or type(error).__name__).strip(".")
