"""The request that the service receives."""

from __future__ import annotations

import os

import pytest
from moto.ses.models import ses_backends
from service import serving
from ses_backend import message, new_backend

from flask_mail import (
    MessageError,
    MessageRefused,
    UnsupportedFeature,
)


def test_moto_receives_the_message_and_returns_its_id(moto):
    with serving(moto) as service:
        sent = message(bcc=["blind@example.com"])
        receipt = new_backend(service).send(sent)

    (kept,) = [
        each
        for each in ses_backends["123456789012"]["us-east-1"].sent_messages
        if each.id == receipt.response
    ]
    assert kept.raw_data.encode() == sent.as_bytes()
    assert kept.destinations[:2] == ["bob@example.com", "blind@example.com"]


def test_unverified_sender_is_refused_by_moto(moto):
    with serving(moto) as service, pytest.raises(MessageRefused, match="authority") as caught:
        new_backend(service).send(message(sender="ann@unverified.example"))
    assert [*caught.value.receipt.refused] == ["bob@example.com"]


def test_tags_and_metadata_become_message_tags(service):
    new_backend(service).send(
        message(tags=["welcome", "trial"], metadata={"order": 4711, "paid": True})
    )

    (request,) = service.requests
    assert {each["Name"]: each["Value"] for each in request["EmailTags"]} == {
        "welcome": "true",
        "trial": "true",
        "order": "4711",
        "paid": "true",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": ["two words"]},
        {"tags": ["grün"]},
        {"metadata": {"a.b": "c"}},
        {"metadata": {"name": "Ann Lee"}},
        {"metadata": {"name": ""}},
        {"metadata": {"name": "x" * 257}},
        {"tags": ["order"], "metadata": {"order": 1}},
        {"tags": [f"t{number}" for number in range(51)]},
    ],
)
def test_invalid_tags_are_unsupported(service, fields):
    with pytest.raises(UnsupportedFeature, match="ses backend does not support"):
        new_backend(service).send(message(**fields))
    assert service.requests == []


def test_settings_and_message_options_are_in_the_request(service):
    backend = new_backend(service, configuration_set="shop", from_arn="arn:aws:ses:example")
    backend.send(message())
    backend.send(
        message(
            options={
                "ses": {"configuration_set": "news", "contact_list": "readers", "topic": "weekly"}
            }
        )
    )
    backend.send(message(options={"ses": {"contact_list": "readers"}}))

    first, second, third = service.requests
    assert first["ConfigurationSetName"] == "shop"
    assert first["FromEmailAddressIdentityArn"] == "arn:aws:ses:example"
    assert "ListManagementOptions" not in first
    assert second["ConfigurationSetName"] == "news"
    assert second["ListManagementOptions"] == {"ContactListName": "readers", "TopicName": "weekly"}
    assert third["ListManagementOptions"] == {"ContactListName": "readers"}


@pytest.mark.parametrize(
    ("options", "says"),
    [({"configuration": "x"}, "configuration"), ({"topic": "x"}, "topic needs contact_list")],
)
def test_invalid_message_option_is_named(service, options, says):
    with pytest.raises(MessageError, match=says):
        new_backend(service).send(message(options={"ses": options}))
    assert service.requests == []


def test_bounce_address_is_sent_only_if_it_is_set(service):
    backend = new_backend(service)
    backend.send(message())
    backend.send(message(), envelope_from="bounces@example.com")

    first, second = service.requests
    assert "FeedbackForwardingEmailAddress" not in first
    assert second["FeedbackForwardingEmailAddress"] == "bounces@example.com"


def test_user_agent_names_the_plugin(service):
    new_backend(service).send(message())
    (headers,) = service.headers
    assert "Flask-Mail-SES" in headers["User-Agent"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_process_has_its_own_connections(service):
    backend = new_backend(service)
    backend.send(message())
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if backend.send(message()).sent else 1
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert backend.send(message()).sent
    before, of_the_child, after = service.peers
    assert of_the_child != before
    assert after == before
