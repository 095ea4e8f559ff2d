"""Outcomes by answer."""

from __future__ import annotations

import pytest
from graph_backend import message, new_backend
from service import HANG_UP, TOKEN, Answer

from flask_mail import (
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    MessageRefused,
    Outcome,
)


@pytest.mark.parametrize(
    ("answer", "error", "stage"),
    [
        (Answer(400, "ErrorInvalidRecipients", "Invalid"), MessageRefused, "accept"),
        (Answer(403, "ErrorAccessDenied", "Access is denied"), BackendUnavailable, "login"),
        (Answer(403, "ErrorSendAsDenied", "Not as this sender"), BackendUnavailable, "accept"),
        (Answer(400, "ErrorExceededMessageLimit", "Cannot send"), BackendUnavailable, "accept"),
        (Answer(403, "ErrorExceededMessageLimit", "Cannot send"), BackendUnavailable, "accept"),
        (
            Answer(400, "ErrorExceededMessageLimitShowTierUpgrade", "Cannot send"),
            *(BackendUnavailable, "accept"),
        ),
        (Answer(400, "ErrorAccountSuspend", "Verify it"), BackendUnavailable, "accept"),
        (Answer(413, "ErrorQuotaExceeded", "The mailbox is full"), BackendUnavailable, "accept"),
        (Answer(400, "ErrorMessageSizeExceeded", "Too large"), MessageRefused, "accept"),
        (Answer(404, "ErrorInvalidUser", "No such mailbox"), BackendUnavailable, "accept"),
        (Answer(413, "RequestEntityTooLarge", "Too large"), MessageRefused, "accept"),
        (Answer(429, "ApplicationThrottled", "Slow down"), BackendUnavailable, "accept"),
        (Answer(500, "ErrorInternalServerError", "Oops"), DeliveryUnknown, "accept"),
        (Answer(503, "ErrorServerBusy", "Busy"), DeliveryUnknown, "accept"),
        (Answer(507, "ErrorQuotaExceeded", "It is full"), DeliveryUnknown, "accept"),
        (Answer(504, "UnknownError", "Gateway"), DeliveryUnknown, "accept"),
        (Answer(200, "", "not 202"), DeliveryUnknown, "accept"),
        (Answer(302, "", "elsewhere", location="https://evil.test"), DeliveryUnknown, "accept"),
        (HANG_UP, DeliveryUnknown, "accept"),
    ],
    ids=lambda value: f"{value.status} {value.code}" if isinstance(value, Answer) else None,
)
def test_answer_decides_the_outcome(graph, answer, error, stage):
    graph.decide = lambda _: answer
    with pytest.raises(DeliveryError) as caught:
        new_backend(graph).send(message())
    assert (type(caught.value), caught.value.stage) == (error, stage)
    assert answer.said in str(caught.value)
    assert len(graph.requests) == 1


def test_accepted_message_is_sent_whatever_else_the_answer_says(graph):
    """Graph has answered 202 with Retry-After: a repetition would be a second message."""
    receipt = new_backend(graph).send(message())
    assert receipt.outcome is Outcome.SENT
    assert len(graph.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_throttled_message_says_when_to_try_again(graph, status):
    graph.decide = lambda _: Answer(status, "ApplicationThrottled", "Later", retry_after="150")
    with pytest.raises(BackendUnavailable, match="Later") as caught:
        new_backend(graph).send(message())
    assert caught.value.retry_after == 150.0


def test_errors_show_no_token(graph):
    graph.decide = lambda _: Answer(500, "UnknownError", f"Bearer {TOKEN}")
    with pytest.raises(DeliveryUnknown) as caught:
        new_backend(graph).send(message())
    assert TOKEN not in str(caught.value) + str(vars(caught.value))
