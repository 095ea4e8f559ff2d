"""Outcomes by answer, and what a key does to a message that is sent again."""

from __future__ import annotations

import copy

import pytest
from resend_backend import message, new_backend
from service import ACCEPT_AND_HANG_UP, HANG_UP, KEY, Answer

from flask_mail import (
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    MessageRefused,
    Outcome,
    Outgoing,
)


@pytest.mark.parametrize(
    ("answer", "error", "stage"),
    [
        (Answer(400, "validation_error", "Invalid"), MessageRefused, "accept"),
        (Answer(400, "validation_error", "API key is invalid"), BackendUnavailable, "login"),
        (Answer(401, "missing_api_key", "Missing"), BackendUnavailable, "login"),
        (Answer(403, "invalid_api_key", "Invalid"), BackendUnavailable, "login"),
        (Answer(403, "suspended_api_key", "Suspended"), BackendUnavailable, "login"),
        (Answer(403, "validation_error", "Not verified"), BackendUnavailable, "accept"),
        (Answer(404, "not_found", "No such endpoint"), BackendUnavailable, "accept"),
        (Answer(405, "method_not_allowed", "No"), BackendUnavailable, "accept"),
        (Answer(409, "concurrent_idempotent_requests", "Later"), DeliveryUnknown, "accept"),
        (Answer(409, "invalid_idempotent_request", "Other"), DeliveryUnknown, "accept"),
        (Answer(409, "whatever"), DeliveryUnknown, "accept"),
        (Answer(413, "", "Too large"), MessageRefused, "accept"),
        (Answer(422, "invalid_attachment", "No content"), MessageRefused, "accept"),
        (Answer(429, "daily_quota_exceeded", "Enough"), BackendUnavailable, "accept"),
        (Answer(451, "security_error", "Suspicious"), MessageRefused, "accept"),
        (Answer(500, "application_error", "Oops"), DeliveryUnknown, "accept"),
        (Answer(503, "", "Busy"), DeliveryUnknown, "accept"),
        (Answer(200, "", "no id"), DeliveryUnknown, "accept"),
        (HANG_UP, DeliveryUnknown, "accept"),
    ],
    ids=lambda value: f"{value.status} {value.name}" if isinstance(value, Answer) else None,
)
def test_answer_decides_the_outcome(service, answer, error, stage):
    service.decide = lambda _: answer
    with pytest.raises(DeliveryError) as caught:
        new_backend(service).send(message())
    assert (type(caught.value), caught.value.stage) == (error, stage)
    assert answer.said in str(caught.value)
    assert len(service.requests) == 1


def test_wrong_key_is_not_sent_and_not_shown(service):
    with pytest.raises(BackendUnavailable, match="MAIL_RESEND_KEY") as caught:
        new_backend(service, key="re_wr0ng-key").send(message())
    assert caught.value.stage == "login"
    assert "re_wr0ng-key" not in str(vars(caught.value)) + str(caught.value)


def test_throttled_message_says_when_to_try_again(service):
    service.decide = lambda _: Answer(429, "rate_limit_exceeded", "Slow down", retry_after="7")
    with pytest.raises(BackendUnavailable, match="Slow down") as caught:
        new_backend(service).send(message())
    assert caught.value.retry_after == 7.0


# --- Idempotency ---------------------------------------------------------------------------------


def test_key_of_the_message_is_sent(service):
    new_backend(service).send(message(key="order-42-receipt"))
    assert service.headers[0]["Idempotency-Key"] == "order-42-receipt"


def test_message_that_may_have_been_accepted_arrives_once_if_sent_again(service):
    """Also if a queue has stored it in between."""
    backend, sent = new_backend(service), message()
    sent.attach("a.txt", "text/plain", "data")
    service.decide = lambda _: ACCEPT_AND_HANG_UP
    with pytest.raises(DeliveryUnknown):
        backend.send(sent)
    service.decide = lambda _: None
    again = Outgoing.from_dict(Outgoing.of(sent).to_dict())
    receipt = backend.dispatch(again)

    assert receipt.outcome is Outcome.SENT
    assert len(service.requests) == 2
    assert len(service.accepted) == 1
    (known,) = service.known.values()
    assert receipt.response == known[1]


@pytest.mark.parametrize(
    "change",
    [
        {"recipients": ["joe@example.com"]},
        {"subject": "Other"},
        {"body": "Other"},
        {"extra_headers": {"X-A": "b"}},
    ],
)
def test_changed_message_is_another_one(service, change):
    """Programs send one message object to several recipients, one after another."""
    backend, sent = new_backend(service), message()
    backend.send(sent)
    for name, value in change.items():
        setattr(sent, name, value)
    assert backend.send(sent).sent
    assert len(service.accepted) == 2


def test_two_equal_messages_are_two(service):
    backend = new_backend(service)
    assert backend.send(message()).sent
    assert backend.send(message()).sent
    assert len(service.accepted) == 2


def test_same_key_with_another_content_is_unknown(service):
    backend = new_backend(service)
    backend.send(message(key="order-42"))
    with pytest.raises(DeliveryUnknown, match="same key and another content"):
        backend.send(message(key="order-42", body="Other"))
    assert len(service.accepted) == 1


def test_message_under_way_with_the_same_key_is_unknown(service):
    sent = message(key="order-42")
    backend = new_backend(service)
    backend.send(copy.copy(sent))
    content, _ = service.known["order-42"]
    service.known["order-42"] = (content, None)
    with pytest.raises(DeliveryUnknown, match="in progress"):
        backend.send(sent)
    assert len(service.accepted) == 1


def test_errors_show_no_key(service):
    service.decide = lambda _: Answer(500, "application_error", f"Bearer {KEY}")
    with pytest.raises(DeliveryUnknown) as caught:
        new_backend(service).send(message())
    assert KEY not in str(caught.value) + str(vars(caught.value))
