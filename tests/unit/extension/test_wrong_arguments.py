"""Arguments, settings and threads that are almost right: the error says what to do."""

from __future__ import annotations

import logging
import pickle
import threading
from unittest.mock import MagicMock

import pytest
from flask import Flask

from flask_mail import Mail, Message, MessageError, Outcome


def make_app(**config):
    app = Flask("shop")
    app.config.update(MAIL_BACKEND="locmem", MAIL_DEFAULT_SENDER="me@example.com", **config)
    return app


def hello():
    return Message("Hello", ["ann@example.com"], "Hi")


@pytest.fixture(params=["mail", "connection"])
def sender(request):
    mail = Mail(make_app())
    if request.param == "mail":
        yield mail
    else:
        with mail.connect() as connection:
            yield connection
    assert mail.outbox == []


def test_a_mock_of_a_message_is_taken():
    # It can be iterated over, as what has several messages can.
    message = MagicMock()
    Mail(make_app()).send(message)

    message.send.assert_called_once()


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ([hello()], "use send_many"),
        ((hello(), hello()), "use send_many"),
        ({hello(): 1}, "use send_many"),
        (iter([hello()]), "use send_many"),
        ((each for each in ()), "use send_many"),
        ("Hello", r"use send_message\(subject, recipients, body\)"),
        (b"Subject: Hello", "use Message"),
        (None, "use Message"),
        (5, "use Message"),
        (Message, "use Message"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_one_message_is_told_where_it_belongs(sender, value, advice):
    with pytest.raises(
        MessageError, match=rf"send\(\) takes one Message, not .*: {advice}"
    ) as caught:
        sender.send(value)
    assert isinstance(caught.value, TypeError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (hello(), r"not one message: write send_many\(\[message\]\), or use send\(\)"),
        ("Hello", "not 'Hello': write"),
        (b"Hello", "not b'Hello': write"),
        (None, "not None: write"),
        (5, "not 5: write"),
        ({"one": hello()}, "write"),
        (Message, "write"),
        (object(), "write"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_several_messages_is_told_so(sender, value, advice):
    with pytest.raises(
        MessageError, match=rf"send_many\(\) takes a list of messages, .*{advice}"
    ) as caught:
        sender.send_many(value)
    assert isinstance(caught.value, TypeError)
    assert caught.value.receipts == []


class Several:
    """Iterable in the oldest way."""

    def __getitem__(self, index):
        if index > 1:
            raise IndexError
        return hello()


@pytest.mark.parametrize(
    "several", [[hello(), hello()], (hello(), hello()), iter([hello(), hello()]), Several()]
)
def test_any_iterable_of_messages_is_sent(several):
    mail = Mail(make_app())
    assert [each.outcome for each in mail.send_many(several)] == [Outcome.SENT] * 2
    assert len(mail.outbox) == 2


@pytest.mark.parametrize("item", ["Hello", [hello()], None, 5])
def test_an_item_that_is_no_message_is_told_by_its_receipt(item):
    receipts = Mail(make_app()).send_many([hello(), item, hello()])
    assert [each.outcome.name for each in receipts] == ["SENT", "NOT_SENT", "SENT"]
    assert isinstance(receipts[1].error, MessageError)
    assert "not a message" in str(receipts[1].error)


# Settings


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("MAIL_USE_TSL", "MAIL_USE_TLS"),
        ("MAIL_SEVER", "MAIL_SERVER"),
        ("MAIL_PASSWROD", "MAIL_PASSWORD"),
        ("MAIL_USER_NAME", "MAIL_USERNAME"),
        ("MAIL_DEFUALT_SENDER", "MAIL_DEFAULT_SENDER"),
        ("MAIL_SUPRESS_SEND", "MAIL_SUPPRESS_SEND"),
        ("MAIL_ALLOWED_RECIPIENT", "MAIL_ALLOWED_RECIPIENTS"),
        ("MAIL_HOST", "MAIL_SERVER"),
        ("MAIL_USER", "MAIL_USERNAME"),
        ("EMAIL_HOST", "MAIL_SERVER"),
        ("EMAIL_HOST_PASSWORD", "MAIL_PASSWORD"),
        ("EMAIL_USE_TLS", "MAIL_USE_TLS"),
    ],
)
def test_a_misspelt_setting_is_warned_about_once(key, meant, caplog):
    mail = Mail(make_app(**{key: "s3cret"}))
    assert caplog.records == []
    mail.send(hello())
    mail.send_many([hello(), hello()])
    with mail.connect() as connection:
        connection.send(hello())
    [record] = caplog.records
    assert (record.name, record.levelno) == ("flask_mail", logging.WARNING)
    assert record.getMessage() == f"{key} is not a setting; did you mean {meant}?"


@pytest.mark.parametrize(
    "config",
    [
        {"MAIL_HOST": "example.com", "MAIL_SERVER": "example.com"},
        {"EMAIL_HOST": "example.com", "MAIL_SERVER": "example.com"},
        {"EMAIL_HOST": "example.com", "MAIL_URL": "locmem://"},
        {"EMAIL_HOST": "", "EMAIL_PORT": None},
        {"DEFAULT_FROM_EMAIL": "me@example.com"},  # which messages may name
    ],
)
def test_a_setting_of_the_program_itself_is_not_warned_about(config, caplog):
    Mail(make_app(**config)).send(hello())
    assert caplog.records == []


def test_settings_of_the_program_and_of_plugins_are_not_warned_about(caplog):
    own = {
        "MAIL_SUBJECT_PREFIX": "[shop]",
        "MAIL_SENDER": "me@example.com",
        "MAIL_ADMINS": ["a@example.com"],
        "MAIL_SES_REGION": "eu-west-1",
        "MAIL_FAIL_SILENTLY": None,
        "MAIL_USE_TSL": "",
        "MAIL_USE_TLS": True,
        "MAX_EMAIL": 3,
    }
    Mail(make_app(**own)).send(hello())
    assert caplog.records == []


# Threads


def in_a_thread(function):
    caught = []

    def run():
        try:
            function()
        except Exception as error:  # noqa: BLE001 (it is looked at)
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return caught[0] if caught else None


@pytest.mark.parametrize(
    "use",
    [
        lambda mail: mail.send(hello()),
        lambda mail: mail.send_many([hello()]),
        lambda mail: mail.send_message("Hello", ["ann@example.com"]),
        lambda mail: mail.connect(),
        lambda mail: mail.render("welcome", ["ann@example.com"]),
        lambda mail: mail.outbox,
        lambda mail: mail.default_sender,
    ],
)
def test_a_thread_without_a_context_is_told_what_to_do(use):
    app, mail = make_app(), Mail()
    mail.init_app(app)
    with app.app_context():
        error = in_a_thread(lambda: use(mail))
    assert isinstance(error, (RuntimeError, AttributeError))
    assert "with app.app_context():" in str(error)


def test_a_thread_needs_no_context_where_the_mail_has_an_app():
    mail = Mail(make_app())
    assert in_a_thread(lambda: mail.send(hello())) is None
    assert len(mail.outbox) == 1
