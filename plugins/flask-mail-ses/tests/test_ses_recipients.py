"""Messages to many recipients, and refused recipients."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ParamValidationError,
)
from flask_mail_ses.outcomes import error_of
from flask_mail_ses.requests import Requests
from service import HANG_UP, Answer
from ses_backend import NOT_VERIFIED, message, new_backend, refuse

from flask_mail import (
    BackendUnavailable,
    DeliveryUnknown,
    MessageRefused,
    Outcome,
)


def many(count):
    return [f"r{number}@example.com" for number in range(count)]


def test_each_request_has_up_to_fifty_recipients(service):
    receipt = new_backend(service).send(message(recipients=many(120)))

    asked = [each["Destination"]["ToAddresses"] for each in service.requests]
    assert [len(each) for each in asked] == [50, 50, 20]
    assert [each for group in asked for each in group] == many(120)
    assert receipt.response == "id-1 id-2 id-3"
    assert receipt.refused == {}


def test_others_are_sent_to_if_some_recipients_are_refused(service):
    service.decide = refuse("r3@example.com", "r60@example.com")
    receipt = new_backend(service).send(message(recipients=many(70)))

    assert receipt.outcome is Outcome.SENT
    assert [*receipt.refused] == ["r3@example.com", "r60@example.com"]
    assert receipt.refused["r3@example.com"].code == 550
    assert "not verified" in receipt.refused["r3@example.com"].text
    taken = [each for request in service.accepted for each in request["Destination"]["ToAddresses"]]
    assert sorted(taken) == sorted(set(many(70)) - {"r3@example.com", "r60@example.com"})


def test_sender_that_is_not_verified_is_of_the_account(service):
    """No recipient is refused, and a failover sends it another way."""
    service.decide = lambda _: Answer(
        400, "MessageRejected", NOT_VERIFIED.format("ann@example.com")
    )
    with pytest.raises(BackendUnavailable, match="Verify the sender") as caught:
        new_backend(service).send(message(recipients=many(60)))

    assert len(service.requests) == 1
    assert caught.value.stage == "accept"
    assert "550" not in str(caught.value.receipt.refused)


def test_refusal_without_a_name_is_of_all_recipients(service):
    service.decide = lambda _: Answer(400, "MessageRejected", "By content, says eve@example.com.")
    with pytest.raises(MessageRefused) as caught:
        new_backend(service).send(message(recipients=many(60)))

    assert len(service.requests) == 2
    assert [*caught.value.receipt.refused] == many(60)


def test_message_is_refused_if_all_recipients_are(service):
    service.decide = refuse(*many(2))
    with pytest.raises(MessageRefused) as caught:
        new_backend(service).send(message(recipients=many(2)))
    assert len(service.requests) == 1
    assert [*caught.value.receipt.refused] == many(2)


def after(count, answer):
    """Return a response to each request after the first `count`."""
    seen = []

    def decide(request):
        seen.append(request)
        return answer if len(seen) > count else None

    return decide


def test_recipients_after_a_rate_limit_are_refused_with_451(service):
    service.decide = after(1, Answer(429, "TooManyRequestsException", "Slow down"))
    receipt = new_backend(service).send(message(recipients=many(150)))

    assert receipt.outcome is Outcome.SENT
    assert [*receipt.refused] == many(150)[50:]
    assert {each.code for each in receipt.refused.values()} == {451}
    assert len(service.requests) == 2


def test_refusal_by_boto3_has_a_reason():
    """boto3 validates requests, so such an error comes without a response."""

    def send(recipients):
        raise error_of(ParamValidationError(report="too long"), "Amazon SES (here)", str.upper)

    with pytest.raises(MessageRefused) as caught:
        Requests(send).run(["bob@example.com"])
    assert "too long" in caught.value.refused["bob@example.com"].text


def test_broken_connection_between_requests_is_unknown(service):
    service.decide = after(1, HANG_UP)
    with pytest.raises(DeliveryUnknown) as caught:
        new_backend(service).send(message(recipients=many(150)))

    assert caught.value.receipt.outcome is Outcome.UNKNOWN
    assert [*caught.value.refused] == many(150)[100:]
    assert len(service.requests) == 2
    assert str(caught.value).endswith("Accepted before it: id-1.")
