"""The request that Graph receives."""

from __future__ import annotations

import base64
from urllib.parse import unquote

import pytest
from flask import Flask
from graph_backend import message, new_backend
from service import TOKEN

from flask_mail import Attachment, Mail, UnsupportedFeature


def recipient(address, name=None):
    return {"emailAddress": {"address": address, **({"name": name} if name else {})}}


def test_fields_of_a_message_are_those_of_the_request(graph):
    sent = message(
        recipients=[("Bob", "bob@example.com"), "joe@example.com"],
        cc=["cc@example.com"],
        bcc=["blind@example.com"],
        reply_to=("Help", "help@example.com"),
        sender=("Ann", "ann@example.com"),
        extra_headers={"X-Order": "4711"},
        priority="high",
    )
    new_backend(graph).send(sent)
    assert graph.paths == ["/v1.0/users/ann%40example.com/sendMail"]
    assert graph.accepted == [
        {
            "message": {
                "subject": "Hello",
                "body": {"contentType": "text", "content": "Hi"},
                "from": recipient("ann@example.com", "Ann"),
                "toRecipients": [recipient("bob@example.com", "Bob"), recipient("joe@example.com")],
                "ccRecipients": [recipient("cc@example.com")],
                "bccRecipients": [recipient("blind@example.com")],
                "replyTo": [recipient("help@example.com", "Help")],
                "importance": "high",
                "internetMessageId": sent.msgId,
                "internetMessageHeaders": [{"name": "X-Order", "value": "4711"}],
            }
        }
    ]


def test_html_is_the_body_if_there_is_any(graph):
    new_backend(graph).send(message(html="<b>Hi</b>"))
    assert graph.accepted[0]["message"]["body"] == {"contentType": "html", "content": "<b>Hi</b>"}


def test_attachments_have_names_types_and_ids(graph):
    sent = message(html='<img src="cid:logo">')
    sent.attach("Übersicht.txt", "text/plain", "Straße")
    sent.embed(b"\x89PNG\r\n\x1a\n", "logo.png", content_id="logo")
    new_backend(graph).send(sent)
    kind = "#microsoft.graph.fileAttachment"
    assert graph.accepted[0]["message"]["attachments"] == [
        {
            "@odata.type": kind,
            "name": "Übersicht.txt",
            "contentType": "text/plain; charset=utf-8",
            "contentBytes": base64.b64encode("Straße".encode()).decode(),
            "isInline": False,
        },
        {
            "@odata.type": kind,
            "name": "logo.png",
            "contentType": "image/png",
            "contentBytes": base64.b64encode(b"\x89PNG\r\n\x1a\n").decode(),
            "isInline": True,
            "contentId": "logo",
        },
    ]


def test_redirected_mail_goes_to_the_new_recipient_alone(graph):
    """Raw MIME would go to those in its header."""
    app = Flask("shop")
    app.config.update(
        MAIL_MAILERS={
            "default": {
                "BACKEND": "flask_mail_graph:GraphBackend",
                "TOKEN": lambda: TOKEN,
                "URL": graph.url,
            }
        },
        MAIL_ALLOWED_RECIPIENTS=[],
        MAIL_REDIRECT_TO=["dev@example.com"],
    )
    Mail(app).send(message(cc=["cc@example.com"], bcc=["blind@example.com"]))
    (sent,) = graph.accepted
    assert sent["message"]["toRecipients"] == [recipient("dev@example.com")]
    assert not sent["message"].keys() & {"ccRecipients", "bccRecipients"}


def test_blind_copies_need_no_other_recipient(graph):
    new_backend(graph).send(message(recipients=[], bcc=["one@example.com", "two@example.com"]))
    sent = graph.accepted[0]["message"]
    assert "toRecipients" not in sent
    assert sent["bccRecipients"] == [recipient("one@example.com"), recipient("two@example.com")]


# --- The path (the class of CVE-2026-54893) ------------------------------------------------------


@pytest.mark.parametrize(
    "sender",
    [
        "ann/../bob@example.com",
        '"../../users/ceo"@example.com',
        '"../bob@example.com/sendMail?x="@example.com',
        "ann?$select=id@example.com",
        "ann#@example.com",
        "ann/messages@example.com",
        "ann%2e%2e%2f@example.com",
        "$ann@example.com",
        "ann+tag@example.com",
    ],
)
def test_sender_cannot_leave_its_place_in_the_path(graph, sender):
    backend = new_backend(graph)
    backend.send(message(sender=sender))
    (path,) = graph.paths
    before, _, after = path.partition("/v1.0/users/")
    segment, _, rest = after.partition("/")
    assert (before, rest) == ("", "sendMail")
    assert unquote(segment) == sender
    assert not set(segment) & set('/?#@\\"$')


def test_mailbox_is_used_in_place_of_the_sender(graph):
    new_backend(graph, mailbox="shared/box@example.com").send(message())
    assert graph.paths == ["/v1.0/users/shared%2Fbox%40example.com/sendMail"]
    assert graph.accepted[0]["message"]["from"] == recipient("ann@example.com")


# --- Limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"extra_headers": {"List-Id": "<news.example.com>"}},
        {"in_reply_to": "<1@example.com>"},
        {"extra_headers": {"Priority": "urgent"}},
        {"extra_headers": {f"X-{number}": "a" for number in range(6)}},
        {"alts": {"html": "<b>Hi</b>", "calendar": "BEGIN:VCALENDAR"}},
        {"attachments": [Attachment("a.txt", "text/plain", "data", headers={"X-A": "b"})]},
        {"tags": ["welcome"]},
        {"metadata": {"order": 1}},
        {"recipients": [f"r{number}@example.com" for number in range(501)]},
        {"attachments": [Attachment("a.bin", "application/octet-stream", bytes(3_000_000))]},
        {"body": "ü" * 700_000},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_graph_cannot_express_is_unsupported(graph, fields):
    with pytest.raises(UnsupportedFeature, match="graph backend does not support"):
        new_backend(graph).send(message(**fields))
    assert graph.requests == []


def test_five_headers_and_a_priority_are_supported(graph):
    headers = {f"X-{number}": "a" for number in range(5)}
    new_backend(graph).send(message(extra_headers=headers, priority="low"))
    sent = graph.accepted[0]["message"]
    assert (len(sent["internetMessageHeaders"]), sent["importance"]) == (5, "low")
