"""Messages of a program's own class: what becomes of them here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from flask_mail import BadHeaderError, Mail, MessageError, NoRecipients, NoSender
from flask_mail.delivery.foreign import outgoing_of


def foreign(**attributes: Any) -> Any:
    return SimpleNamespace(
        **{
            "sender": "me@example.com",
            "send_to": {"ann@example.com"},
            "has_bad_headers": lambda: False,
            "as_bytes": lambda: b"Subject: Own\nMessage-ID: <1@own>\n\nHello\n",
            **attributes,
        }
    )


def locmem(**config: Any) -> Mail:
    app = Flask(__name__)
    app.config.update({"MAIL_BACKEND": "locmem", **config})
    return Mail(app)


def test_the_outbox_shows_what_the_content_says():
    mail = locmem()
    with mail.connect() as connection:
        receipt = connection.send(foreign(cc=["cc@example.com"], bcc=None))
    [copy] = mail.outbox
    assert (copy.subject, copy.body.strip(), copy.msgId) == ("Own", "Hello", "<1@own>")
    assert (copy.sender, copy.cc, copy.bcc) == ("me@example.com", ["cc@example.com"], [])
    assert copy.envelope.recipients == ("ann@example.com",)
    assert receipt.message_id == "<1@own>"


def test_a_batch_takes_them_between_others():
    mail = locmem()
    receipts = mail.send_many([foreign(), foreign(send_to=set()), foreign()])
    assert [each.sent for each in receipts] == [True, False, True]


def test_the_default_sender_is_theirs_too():
    mail = locmem(MAIL_DEFAULT_SENDER=("Me", "default@example.com"))
    message = foreign(sender=None)
    with mail.connect() as connection:
        connection.send(message)
    assert mail.outbox[0].envelope.sender == "default@example.com"
    assert message.sender == "Me <default@example.com>"


def test_the_allow_list_applies_to_them():
    mail = locmem(MAIL_ALLOWED_RECIPIENTS=["*@example.org"])
    with mail.connect() as connection, pytest.raises(Exception, match="MAIL_ALLOWED_RECIPIENTS"):
        connection.send(foreign())


def test_recipients_keep_the_order_of_their_fields():
    message = foreign(
        recipients=["b@example.com"],
        cc=["a@example.com"],
        send_to={"a@example.com", "b@example.com"},
    )
    assert outgoing_of(message).envelope.recipients == ("b@example.com", "a@example.com")


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"send_to": set()}, NoRecipients),
        ({"sender": ""}, NoSender),
        ({"has_bad_headers": lambda: True}, BadHeaderError),
        ({"send_to": {"a@example.com\nb"}}, BadHeaderError),
        ({"send_to": {"root"}}, MessageError),
        ({"mail_options": ["A B"]}, MessageError),
        ({"as_bytes": lambda: None}, MessageError),
    ],
)
def test_what_must_not_be_sent_is_refused(attributes, error):
    with pytest.raises(error):
        outgoing_of(foreign(**attributes))


def test_a_content_that_cannot_be_read_is_sent_and_not_shown():
    parts = b"--b\nContent-Type: text/plain\n\nHello\n" * 1001
    content = b"Content-Type: multipart/mixed; boundary=b\n\n" + parts + b"--b--\n"
    outgoing = outgoing_of(foreign(as_bytes=lambda: content))
    assert outgoing.content.count(b"Hello") == 1001
    assert outgoing.message.body is None


@pytest.mark.parametrize("message", ["text", 5, None, ["a"], SimpleNamespace(sender="a@b.example")])
def test_what_is_no_message_says_what_it_lacks(message):
    with pytest.raises(MessageError, match=r"is not a message: it has no send_to, .*as_bytes\."):
        outgoing_of(message)
