"""The request that the service receives."""

from __future__ import annotations

import base64

import pytest
from flask import Flask
from flask_mail_resend import ResendBackend
from flask_mail_resend.payload import payload_of
from resend_backend import message, new_backend
from service import KEY

from flask_mail import Attachment, Mail, MessageError, Outgoing, UnsupportedFeature


def test_fields_of_a_message_are_those_of_the_request(service):
    new_backend(service).send(
        message(
            extra_headers={"X-Entity-Ref-ID": "4711", "Message-ID": "<1@example.com>"},
            recipients=[("Bob", "bob@example.com"), "joe@example.com"],
            cc=["cc@example.com"],
            bcc=["blind@example.com"],
            reply_to=("Help", "help@example.com"),
            html="<b>Hi</b>",
            sender=("Ann", "ann@example.com"),
            tags=["welcome"],
            metadata={"order": 4711, "paid": True},
        )
    )
    assert service.requests == [
        {
            "from": "Ann <ann@example.com>",
            "to": ["Bob <bob@example.com>", "joe@example.com"],
            "cc": ["cc@example.com"],
            "bcc": ["blind@example.com"],
            "reply_to": ["Help <help@example.com>"],
            "subject": "Hello",
            "text": "Hi",
            "html": "<b>Hi</b>",
            "headers": {"X-Entity-Ref-ID": "4711"},
            "tags": [
                {"name": "welcome", "value": "true"},
                {"name": "order", "value": "4711"},
                {"name": "paid", "value": "true"},
                {"name": "flask_mail_id", "value": "PDFAZXhhbXBsZS5jb20-IDQ"},
            ],
        }
    ]
    assert service.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_plain_message_has_no_empty_fields(service):
    new_backend(service).send(message())
    assert service.requests[0].keys() == {"from", "to", "subject", "text", "tags"}


def test_message_id_that_is_too_long_for_a_tag_is_left_out():
    sent = message()
    sent.msgId = f"<{'x' * 200}@example.com>"
    payload = payload_of(Outgoing.of(sent), ResendBackend.unsupported)
    assert "tags" not in payload


@pytest.mark.parametrize(
    ("name", "sender", "recipient"),
    [
        ("Jürgen Groß", "Jürgen Groß", "Jürgen Groß"),
        ("Dr. O'Neill", "Dr. O'Neill", "Dr. O'Neill"),
        ("Doe, Ann", '"Doe, Ann"', "=?utf-8?b?RG9lLCBBbm4=?="),
        ('An"n <x@y.z>', r'"An\"n <x@y.z>"', "=?utf-8?b?QW4ibiA8eEB5Lno+?="),
        (
            "ü" * 24 + ",",
            '"' + "ü" * 24 + ',"',
            "=?utf-8?b?" + "w7zDvMO8" * 7 + "w7w=?= =?utf-8?b?w7zDvCw=?=",
        ),
    ],
)
def test_names_are_written_so_that_resend_reads_them(service, name, sender, recipient):
    new_backend(service).send(
        message(sender=(name, "ann@example.com"), recipients=[(name, "bob@example.com")])
    )
    assert service.requests[0]["from"] == f"{sender} <ann@example.com>"
    assert service.requests[0]["to"] == [f"{recipient} <bob@example.com>"]


def test_attachments_have_names_types_and_ids(service):
    sent = message(html='<img src="cid:logo">')
    sent.attach("Übersicht.txt", "text/plain", "Straße")
    sent.embed(b"\x89PNG\r\n\x1a\n", "logo.png", content_id="logo")
    new_backend(service).send(sent)
    assert service.requests[0]["attachments"] == [
        {
            "filename": "Übersicht.txt",
            "content_type": "text/plain; charset=utf-8",
            "content": base64.b64encode("Straße".encode()).decode(),
        },
        {
            "filename": "logo.png",
            "content_type": "image/png",
            "content": base64.b64encode(b"\x89PNG\r\n\x1a\n").decode(),
            "content_id": "logo",
        },
    ]


def test_repeated_header_is_one_with_a_list(service):
    """As the recipient allow-list adds them."""
    app = Flask("shop")
    app.config.update(
        MAIL_MAILERS={"default": {"BACKEND": "flask_mail_resend:ResendBackend", "KEY": KEY}},
        MAIL_ALLOWED_RECIPIENTS=[],
        MAIL_REDIRECT_TO=["dev@example.com"],
    )
    app.config["MAIL_MAILERS"]["default"]["URL"] = service.url
    Mail(app).send(message(recipients=["bob@example.com", "joe@example.com"]))
    (request,) = service.requests
    assert request["to"] == ["dev@example.com"]
    assert request["headers"] == {"X-Original-To": "bob@example.com, joe@example.com"}


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": ["two words"]},
        {"tags": ["grün"]},
        {"tags": ["x" * 257]},
        {"metadata": {"a.b": "c"}},
        {"metadata": {"name": "Ann Lee"}},
        {"metadata": {"name": ""}},
        {"tags": ["order"], "metadata": {"order": 1}},
        {"metadata": {"flask_mail_id": "1"}},
        {"metadata": {f"n{number}": "1" for number in range(75)}},
        {"alts": {"html": "<b>Hi</b>", "calendar": "BEGIN:VCALENDAR"}},
        {"recipients": [], "bcc": ["one@example.com", "two@example.com"]},
        {"recipients": [], "cc": ["bob@example.com"]},
        {"attachments": [Attachment("a.txt", "text/plain", "data", "inline")]},
        {"attachments": [Attachment("a.txt", "text/plain", "data", headers={"X-A": "b"})]},
        {"recipients": [f"r{number}@example.com" for number in range(51)]},
    ],
)
def test_what_resend_cannot_express_is_unsupported(service, fields):
    with pytest.raises(UnsupportedFeature, match="resend backend does not support"):
        new_backend(service).send(message(**fields))
    assert service.requests == []


def test_message_may_have_75_tags_with_that_of_its_id(service):
    assert new_backend(service).send(message(metadata={f"n{n}": "1" for n in range(74)})).sent
    assert len(service.requests[0]["tags"]) == 75


def test_message_over_40_megabytes_is_unsupported(service, tmp_path):
    with (tmp_path / "large.bin").open("wb") as file:
        file.truncate(30_000_000)
    sent = message()
    sent.attach_file(tmp_path / "large.bin")
    with pytest.raises(UnsupportedFeature, match="40000000 octets"):
        new_backend(service).send(sent)
    assert service.requests == []


def test_file_that_has_changed_sends_nothing(service, tmp_path):
    (tmp_path / "data.bin").write_bytes(bytes(200_000))
    sent = message()
    sent.attach_file(tmp_path / "data.bin")
    (tmp_path / "data.bin").write_bytes(bytes(200_001))
    with pytest.raises(MessageError, match="has changed"):
        new_backend(service).send(sent)
    assert service.accepted == []
