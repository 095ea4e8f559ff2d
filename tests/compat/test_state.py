"""The state of an app: what programs ask it, how they make one, and what they assign."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, current_app

from flask_mail import (
    Mail,
    Message,
)

STATE_ATTRIBUTES = (
    "server",
    "username",
    "password",
    "port",
    "use_tls",
    "use_ssl",
    "default_sender",
    "debug",
    "max_emails",
    "suppress",
    "ascii_attachments",
)


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


# --- The state of an app -------------------------------------------------------------------------


def test_init_mail_makes_an_equal_state(app: Flask, mail: Mail) -> None:
    state = mail.init_mail(app.config, app.debug, app.testing)

    assert state is not mail.state
    assert state.__dict__ == mail.state.__dict__


def test_init_mail_reads_the_mapping_it_is_given(make_app: Callable[..., Flask]) -> None:
    state = Mail(make_app(MAIL_SERVER="app.example.com")).init_mail(
        {"MAIL_SERVER": "other.example.com"}
    )

    assert (state.server, state.port) == ("other.example.com", 25)
    assert state.suppress is False


def test_a_state_made_of_other_settings_serves_in_place_of_the_apps_own(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    """Settings from a database: `init_mail` of a dict, put into the extensions by hand."""
    mail = Mail()
    app = make_app(MAIL_SERVER="app.example.com")
    app.extensions["mail"] = mail.init_mail(
        {"MAIL_SERVER": "database.example.com", "MAIL_DEFAULT_SENDER": "db@example.com"}
    )

    with app.app_context():
        mail.send(Message("Hello", ["to@example.com"]))

    [session] = fake_smtp.opened
    assert session.host == "database.example.com"
    assert [sender for sender, _, _ in session.sent] == ["db@example.com"]


def test_the_state_answers_everything_that_programs_ask_it(app: Flask, mail: Mail) -> None:
    state = app.extensions["mail"]
    msg = hello()

    with state.record_messages() as outbox:
        current_app.extensions["mail"].send(msg)
        state.send_message("Hello", recipients=["to@example.com"])
        with state.connect() as conn:
            conn.send(hello(subject="in a batch"))

    assert [each.subject for each in outbox] == ["testing", "Hello", "in a batch"]
    assert outbox[0] is msg
    for name in STATE_ATTRIBUTES:
        assert hasattr(state, name)


def test_mail_answers_for_the_state_of_its_app(mail: Mail) -> None:
    for name in STATE_ATTRIBUTES:
        assert getattr(mail, name) == getattr(mail.state, name)


def test_init_app_returns_the_state(make_app: Callable[..., Flask]) -> None:
    """Programs assign it: `mail.state = mail.init_app(app)`."""
    mail, app = Mail(), make_app(MAIL_SERVER="mail.example.com")

    mail.state = mail.init_app(app)

    assert mail.state is app.extensions["mail"]
    assert mail.server == "mail.example.com"


def test_mail_itself_may_stand_in_for_the_state(live_app: Flask, fake_smtp: Any) -> None:
    """A common slip: `app.extensions["mail"] = mail`."""
    mail = Mail(live_app)
    live_app.extensions["mail"] = mail

    with live_app.app_context():
        mail.send(Message("Hello", ["to@example.com"]))
        live_app.extensions["mail"].send(hello())

    assert [session.host for session in fake_smtp.opened] == ["mail.example.com"] * 2
    assert len(fake_smtp.sent) == 2


def test_a_stand_in_for_the_state_is_what_its_app_sends_through(app: Flask, mail: Mail) -> None:
    fake = SimpleNamespace(sent=[], default_sender=None)
    fake.send = fake.sent.append
    app.extensions["mail"] = fake

    current_app.extensions["mail"].send(msg := hello())

    assert fake.sent == [msg]


def test_an_app_without_mail_is_told_so(make_app: Callable[..., Flask]) -> None:
    app = make_app()

    with app.app_context(), pytest.raises(RuntimeError, match="not configured with Flask-Mail"):
        Mail().connect()


# --- The state, changed at run time --------------------------------------------------------------


def test_suppression_is_switched_on_at_run_time(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)
    mail.state.suppress = True

    with live_app.app_context(), mail.record_messages() as outbox:
        mail.send(hello())
        with mail.connect() as conn:
            conn.send(hello())

    assert mail.suppress is True
    assert fake_smtp.opened == []
    assert len(outbox) == 2


def test_suppression_is_switched_off_at_run_time(app: Flask, mail: Mail, fake_smtp: Any) -> None:
    app.extensions["mail"].suppress = False

    mail.send(hello())
    app.extensions["mail"].suppress = True
    mail.send(hello())

    assert len(fake_smtp.sent) == 1


def test_the_default_sender_is_changed_at_run_time(app: Flask, mail: Mail) -> None:
    app.extensions["mail"].default_sender = ("tester", "tester@example.com")

    assert Message("testing").sender == "tester <tester@example.com>"


def test_the_default_sender_is_taken_away_at_run_time(app: Flask, mail: Mail) -> None:
    app.extensions["mail"].default_sender = None
    msg = Message("testing", ["to@example.com"], "testing")

    with pytest.raises(AssertionError, match="sender"):
        mail.send(msg)


def test_names_of_attachments_become_ascii_from_some_time_on(app: Flask, mail: Mail) -> None:
    msg = hello()
    msg.attach("café.txt", "text/plain", b"coffee")
    names = []

    for switch in (True, False):
        app.extensions["mail"].ascii_attachments = switch
        parsed = message_from_bytes(msg.as_bytes(), policy=policy.default)
        names.append(parsed.get_payload()[1].get_filename())

    assert names == ["cafe.txt", "café.txt"]


def test_debug_is_changed_at_run_time(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)
    mail.state.debug = True

    with live_app.app_context():
        mail.send(hello())

    assert mail.debug is True
    assert len(fake_smtp.sent) == 1


def test_the_account_is_changed_at_run_time(live_app: Flask, fake_smtp: Any) -> None:
    mail = Mail(live_app)
    mail.state.server = "other.example.com"
    mail.state.port = 587
    mail.state.use_tls = True
    mail.state.username = "someone"
    mail.state.password = "a secret"

    with live_app.app_context():
        mail.send(hello())

    [session] = fake_smtp.opened
    assert (session.host, session.port) == ("other.example.com", 587)
    assert session.tls
    assert session.credentials == ("someone", "a secret")


def test_the_most_messages_per_connection_are_changed_at_run_time(
    live_app: Flask, fake_smtp: Any
) -> None:
    mail = Mail(live_app)
    mail.state.max_emails = 1

    with live_app.app_context(), mail.connect() as conn:
        conn.send(hello())
        conn.send(hello())

    assert [len(session.sent) for session in fake_smtp.opened if session.sent] == [1, 1]
