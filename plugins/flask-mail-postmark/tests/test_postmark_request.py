"""The request that Postmark receives, and what cannot be one."""

from __future__ import annotations

import base64

import pytest
from postmark import TOKEN, backend_at, message

from flask_mail import Attachment, MessageError, UnsupportedFeature


def test_message_is_sent_in_fields(postmark):
    sent = message(
        recipients=[('Bob, of the "Loft"', "bob@example.com"), "eve@example.com"],
        cc=["cat@example.com"],
        bcc=["dan@example.com"],
        reply_to="desk@example.com",
        html="<p>Hi</p>",
        extra_headers={"X-Order": "42"},
        tags=["welcome"],
        metadata={"order": 42, "paid": True},
    )
    receipt = backend_at(postmark.url).send(sent)

    (email,) = postmark.accepted
    headers = {each["Name"]: each["Value"] for each in email.pop("Headers")}
    assert headers == {"X-Order": "42", "Message-ID": receipt.message_id, "X-PM-KeepID": "true"}
    assert email == {
        "From": "ann@example.com",
        "To": '"Bob, of the \\"Loft\\"" <bob@example.com>, eve@example.com',
        "Cc": "cat@example.com",
        "Bcc": "dan@example.com",
        "Subject": "Hello",
        "ReplyTo": "desk@example.com",
        "TextBody": "Hi",
        "HtmlBody": "<p>Hi</p>",
        "Tag": "welcome",
        "Metadata": {"order": "42", "paid": "true", "flask_mail_id": receipt.message_id[1:-1]},
    }
    (request,) = postmark.service.requests
    assert f"X-Postmark-Server-Token: {TOKEN}".encode() in request.split(b"\r\n")


def test_redirected_message_goes_to_the_envelope_only(postmark):
    """Nobody in a field gets it unless the envelope has them."""
    from flask_mail.backends import Envelope, Outgoing

    mail = Outgoing.of(message(cc=["cat@example.com"]))
    redirected = mail.with_envelope(Envelope("ann@example.com", ("test@example.com",)))
    backend_at(postmark.url).dispatch(redirected)
    assert postmark.accepted[0]["To"] == "test@example.com"
    assert "Cc" not in postmark.accepted[0]
    assert "Bcc" not in postmark.accepted[0]


def test_attachments_are_sent_with_type_and_content_id(postmark, tmp_path):
    (tmp_path / "plan.txt").write_text("A plan")
    sent = message(html='<img src="cid:logo">')
    sent.attach_file(tmp_path / "plan.txt")
    sent.embed(b"\x89PNG\r\n\x1a\n", "logo.png", content_id="logo")
    backend_at(postmark.url).send(sent)

    plan, logo = postmark.accepted[0]["Attachments"]
    assert base64.b64decode(plan.pop("Content")) == b"A plan"
    assert plan["Name"] == "plan.txt"
    assert plan["ContentType"].startswith("text/plain")
    assert "ContentID" not in plan
    assert base64.b64decode(logo.pop("Content")).startswith(b"\x89PNG")
    assert logo == {"Name": "logo.png", "ContentType": "image/png", "ContentID": "cid:logo"}


def test_stream_of_a_message_precedes_that_of_the_settings(postmark):
    backend = backend_at(postmark.url, message_stream="broadcast")
    backend.send(message())
    backend.send(message(options={"postmark": {"message_stream": "outbound"}}))
    backend_at(postmark.url).send(message())
    streams = [each.get("MessageStream") for each in postmark.accepted]
    assert streams == ["broadcast", "outbound", None]
    with pytest.raises(MessageError, match="'stream'"):
        backend.send(message(options={"postmark": {"stream": "outbound"}}))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tags": ["one", "two"]}, "more than one tag"),
        ({"tags": ["x" * 1001]}, "tags of more than 1000"),
        ({"metadata": {f"m{number}": 1 for number in range(11)}}, "more than 10 metadata"),
        ({"metadata": {"flask_mail_id": 1}}, "with the name flask_mail_id"),
        ({"metadata": {"x" * 21: 1}}, "up to 20 characters"),
        ({"metadata": {"x": "y" * 81}}, "a value 80"),
        ({"alts": {"calendar": "BEGIN:VCALENDAR"}}, "alternatives other than HTML"),
        ({"body": ""}, "messages without text"),
        ({"body": "A long line of text.\n" * 300_000}, "more than 5 MB"),
        ({"recipients": [], "bcc": ["bob@example.com"]}, "without a recipient in To"),
        (
            {"attachments": [Attachment("a.png", "image/png", b"x", "inline")]},
            "inline attachments without a content_id",
        ),
        (
            {"attachments": [Attachment("a.txt", "text/plain", "x", headers={"X-A": "b"})]},
            "headers of attachments",
        ),
        ({"recipients": [f"r{number}@example.com" for number in range(51)]}, "more than 50"),
    ],
)
def test_message_that_postmark_cannot_express_is_refused(postmark, fields, says):
    with pytest.raises(UnsupportedFeature, match=says):
        backend_at(postmark.url).send(message(**fields))
    assert postmark.service.connections == 0


@pytest.mark.parametrize("envelope_from", ["bounces@example.com", "<>"])
def test_another_envelope_sender_is_refused(postmark, envelope_from):
    with pytest.raises(UnsupportedFeature, match="envelope sender"):
        backend_at(postmark.url).send(message(), envelope_from=envelope_from)
