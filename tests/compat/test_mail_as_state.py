"""`app.extensions["mail"] = mail`: dozens of programs put a Mail in the place of its state."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest
from flask import Flask, current_app

from flask_mail import Connection, Mail, Message

ACCOUNT = {
    "server": "other.example.com",
    "port": 587,
    "username": "someone",
    "password": "a secret",
    "use_tls": True,
}


def hello(**fields: Any) -> Message:
    return Message(
        **{
            "subject": "testing",
            "sender": "from@example.com",
            "recipients": ["to@example.com"],
            "body": "testing",
            **fields,
        }
    )


def registered(app: Flask, mail_class: type[Mail] = Mail) -> Mail:
    mail = mail_class(app)
    app.extensions["mail"] = mail
    return mail


def assign(mail: Mail, **attributes: Any) -> None:
    for name, value in attributes.items():
        setattr(mail, name, value)


def test_suppress_on_a_registered_mail_sends_nothing(live_app: Flask, fake_smtp: Any) -> None:
    mail = registered(live_app)
    live_app.extensions["mail"].suppress = True

    with live_app.app_context(), mail.record_messages() as outbox:
        mail.send(hello())
        current_app.extensions["mail"].send(hello())
        with mail.connect() as conn:
            assert conn.host is None
            conn.send(hello())

    assert mail.suppress is True
    assert fake_smtp.opened == []
    assert len(outbox) == 3


def test_suppress_on_a_registered_mail_may_be_false_in_tests(
    app: Flask, mail: Mail, fake_smtp: Any
) -> None:
    app.extensions["mail"] = mail
    mail.suppress = False

    mail.send(hello())

    assert len(fake_smtp.sent) == 1


def test_the_sender_of_a_registered_mail_is_the_default(live_app: Flask, fake_smtp: Any) -> None:
    mail = registered(live_app)
    mail.default_sender = "assigned@example.com"

    with live_app.app_context():
        assert Message("Hello").sender == "assigned@example.com"
        mail.send(Message("Hello", ["to@example.com"]))

    assert [sender for sender, _, _ in fake_smtp.sent] == ["assigned@example.com"]


@pytest.mark.parametrize("order", ["before", "after"])
def test_an_account_of_a_mail_counts_before_and_after_it_is_registered(
    live_app: Flask, fake_smtp: Any, order: str
) -> None:
    mail = Mail(live_app)
    if order == "before":
        assign(mail, **ACCOUNT)
    live_app.extensions["mail"] = mail
    if order == "after":
        assign(mail, **ACCOUNT)

    with live_app.app_context():
        mail.send(hello())

    [session] = fake_smtp.opened
    assert (session.host, session.port, session.tls) == ("other.example.com", 587, True)
    assert session.credentials == ("someone", "a secret")


def test_implicit_tls_of_a_registered_mail_counts(live_app: Flask, fake_smtp: Any) -> None:
    mail = registered(live_app)
    assign(mail, use_ssl=True, port=465)

    with live_app.app_context():
        mail.send(hello())

    assert [session.implicit_tls for session in fake_smtp.opened] == [True]


def test_the_most_messages_of_a_registered_mail_count(live_app: Flask, fake_smtp: Any) -> None:
    mail = registered(live_app)
    mail.max_emails = 1

    with live_app.app_context(), mail.connect() as conn:
        conn.send(hello())
        conn.send(hello())

    assert [len(session.sent) for session in fake_smtp.opened if session.sent] == [1, 1]


def test_ascii_attachments_of_a_registered_mail_count(app: Flask) -> None:
    mail = registered(app)
    mail.ascii_attachments = True
    msg = hello()
    msg.attach("café.txt", "text/plain", b"coffee")

    parsed = message_from_bytes(msg.as_bytes(), policy=policy.default)

    assert parsed.get_payload()[1].get_filename() == "cafe.txt"


def test_what_is_deleted_on_a_registered_mail_counts_no_more(
    live_app: Flask, fake_smtp: Any
) -> None:
    mail = registered(live_app)
    assign(mail, **ACCOUNT)
    for name in ACCOUNT:
        delattr(mail, name)

    with live_app.app_context():
        mail.send(hello())

    [session] = fake_smtp.opened
    assert (session.host, session.port) == ("mail.example.com", 2525)
    assert session.credentials is None


@pytest.mark.parametrize("way", ["class attribute", "property"])
def test_a_subclass_of_a_registered_mail_decides(live_app: Flask, fake_smtp: Any, way: str) -> None:
    class OwnMail(Mail):
        suppress: Any = True if way == "class attribute" else property(lambda self: True)

    mail = registered(live_app, OwnMail)

    with live_app.app_context():
        mail.send(hello())

    assert fake_smtp.opened == []


def test_what_was_assigned_on_the_state_still_counts(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail()
    mail.app = live_app
    state = mail.state = mail.init_app(live_app)
    live_app.extensions["mail"] = mail
    state.suppress = True

    with live_app.app_context():
        mail.send(hello())

    assert fake_smtp.opened == []


@pytest.mark.parametrize("last", [False, True])
def test_of_two_mails_for_one_app_the_registered_one_decides(
    live_app: Flask, fake_smtp: Any, last: bool
) -> None:
    first, second = Mail(live_app), Mail(live_app)
    live_app.extensions["mail"] = chosen = second if last else first
    chosen.suppress = True

    with live_app.app_context():
        first.send(hello())
        second.send(hello())

    assert fake_smtp.opened == []


def test_a_connection_of_a_mail_takes_what_was_assigned_on_it(
    live_app: Flask, fake_smtp: Any
) -> None:
    mail = Mail(live_app)
    mail.server = "other.example.com"

    with live_app.app_context(), Connection(mail) as conn:
        assert conn.mail is mail
        conn.send(hello())

    assert [session.host for session in fake_smtp.opened] == ["other.example.com"]


def test_an_assignment_in_the_block_of_a_connection_counts(live_app: Flask, fake_smtp: Any) -> None:
    """0.10 looks at `max_emails` after each message."""
    mail = registered(live_app)

    with live_app.app_context(), mail.connect() as conn:
        mail.max_emails = 1
        conn.send(hello())
        conn.send(hello())

    assert [len(session.sent) for session in fake_smtp.opened if session.sent] == [1, 1]


def test_a_message_is_made_where_a_mail_without_app_is_registered(
    make_app: Callable[..., Flask],
) -> None:
    app, mail = make_app(), Mail()
    mail.init_app(app)
    app.extensions["mail"] = mail

    with app.app_context():
        assert Message("Hello", sender="from@example.com").sender == "from@example.com"
