"""MAIL_DEFAULT_REPLY_TO and MAIL_DEFAULT_HEADERS."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_mail import (
    ConfigurationError,
    Mail,
    Message,
    MessageError,
    email_dispatched,
    email_sending,
)
from flask_mail.message.defaults import fill_in


def mail_with(**settings):
    app = Flask(__name__)
    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="shop@example.com", **settings)
    return Mail(app)


def to_ann(**fields):
    return Message("Hello", ["ann@example.com"], "Hello.", **fields)


def source_of(mail):
    return mail.outbox[-1].as_bytes().decode()


@pytest.mark.parametrize(
    ("setting", "written"),
    [
        ("help@example.com", "help@example.com"),
        (("Help", "help@example.com"), "Help <help@example.com>"),
        (["Help", "help@example.com"], "Help <help@example.com>"),
        (["a@example.com", ("B", "b@example.com")], "a@example.com, B <b@example.com>"),
    ],
)
def test_a_message_without_reply_to_gets_the_default_one(setting, written):
    mail = mail_with(MAIL_DEFAULT_REPLY_TO=setting)
    mail.send(to_ann())
    assert f"\r\nReply-To: {written}\r\n" in source_of(mail)


@pytest.mark.parametrize(
    "own", [{"reply_to": "own@example.com"}, {"extra_headers": {"reply-to": "own@example.com"}}]
)
def test_the_reply_to_of_a_message_wins(own):
    mail = mail_with(MAIL_DEFAULT_REPLY_TO="help@example.com")
    mail.send(to_ann(**own))
    assert "Reply-To: own@example.com\r\n" in source_of(mail)
    assert "help@example.com" not in source_of(mail)


def test_a_message_gets_the_default_headers_that_it_does_not_have():
    mail = mail_with(MAIL_DEFAULT_HEADERS={"X-Campaign": "spring", "X-Level": 3})
    own = {"x-campaign": "mine"}
    message = to_ann()
    message.extra_headers = own
    mail.send(message)
    assert message.extra_headers == {"x-campaign": "mine", "X-Level": "3"}
    assert own == {"x-campaign": "mine"}
    assert "\r\nX-Level: 3\r\n" in source_of(mail)
    assert "spring" not in source_of(mail)


def test_each_message_of_a_batch_gets_the_defaults():
    mail = mail_with(MAIL_DEFAULT_REPLY_TO="help@example.com", MAIL_DEFAULT_HEADERS={"X-A": "1"})
    assert all(mail.send_many([to_ann(), to_ann()]))
    for sent in mail.outbox:
        assert (sent.reply_to, sent.extra_headers) == ("help@example.com", {"X-A": "1"})


def test_a_sent_message_keeps_the_defaults_and_renders_as_it_was_sent():
    mail = mail_with(MAIL_DEFAULT_REPLY_TO="help@example.com", MAIL_DEFAULT_HEADERS={"X-A": "1"})
    message = to_ann()
    mail.send(message)
    assert message.as_bytes() == mail.outbox[0].as_bytes()
    mail.app.config.update(MAIL_DEFAULT_REPLY_TO="new@example.com", MAIL_DEFAULT_HEADERS={})
    mail.send(message)
    assert mail.outbox[0].as_bytes() == mail.outbox[1].as_bytes()


def test_receivers_see_the_defaults_and_may_remove_them():
    mail = mail_with(MAIL_DEFAULT_REPLY_TO="help@example.com", MAIL_DEFAULT_HEADERS={"X-A": "1"})
    seen = []

    def remove(app, message):
        seen.append((message.reply_to, message.extra_headers))
        message.reply_to = message.extra_headers = None

    with email_sending.connected_to(remove):
        mail.send(to_ann())
    assert seen == [("help@example.com", {"X-A": "1"})]
    assert "Reply-To" not in source_of(mail)
    assert "X-A" not in source_of(mail)


def test_a_mailer_uses_the_defaults_of_its_app():
    mail = mail_with(
        MAIL_MAILERS={"bulk": {"BACKEND": "locmem"}}, MAIL_DEFAULT_HEADERS={"X-A": "1"}
    )
    sent = []

    def note(app, message):
        sent.append(message.extra_headers)

    with email_dispatched.connected_to(note):
        mail.using("bulk").send(to_ann())
    assert sent == [{"X-A": "1"}]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"MAIL_DEFAULT_REPLY_TO": "nobody"}, "MAIL_DEFAULT_REPLY_TO must be an address"),
        ({"MAIL_DEFAULT_REPLY_TO": []}, "MAIL_DEFAULT_REPLY_TO must be an address"),
        ({"MAIL_DEFAULT_REPLY_TO": "a@x.test\nBcc: b@x.test"}, "MAIL_DEFAULT_REPLY_TO must be"),
        ({"MAIL_DEFAULT_HEADERS": "X-A: 1"}, "MAIL_DEFAULT_HEADERS must be a dict of headers"),
        ({"MAIL_DEFAULT_HEADERS": {"X A": "1"}}, "has the name 'X A', which is not valid"),
        ({"MAIL_DEFAULT_HEADERS": {7: "1"}}, "has the name 7, which is not valid"),
        ({"MAIL_DEFAULT_HEADERS": {"From": "x@x.test"}}, "cannot set From, which each message"),
        ({"MAIL_DEFAULT_HEADERS": {"content-type": "a/b"}}, "cannot set content-type"),
        ({"MAIL_DEFAULT_HEADERS": {"X-A": "1\r\nBcc: b@x.test"}}, r"\['X-A'\]: it contains the"),
        ({"MAIL_DEFAULT_HEADERS": {"X-A": b"1"}}, r"\['X-A'\] must be a string, not b'1'\."),
    ],
)
def test_a_wrong_default_is_an_error_that_names_the_setting(settings, problem):
    mail = mail_with(**settings)
    with pytest.raises(ConfigurationError, match=problem):
        mail.send(to_ann())
    with pytest.raises(ConfigurationError, match=problem):
        mail.send_many([to_ann()])
    assert mail.outbox == []


@pytest.mark.parametrize("unset", [None, ""])
def test_unset_defaults_change_nothing(unset):
    mail = mail_with(MAIL_DEFAULT_REPLY_TO=unset, MAIL_DEFAULT_HEADERS=unset)
    message = to_ann()
    mail.send(message)
    assert (message.reply_to, message.extra_headers) == (None, None)


def test_wrong_headers_of_a_message_are_still_refused():
    mail = mail_with(MAIL_DEFAULT_HEADERS={"X-A": "1"})
    message = to_ann()
    message.extra_headers = ["X-A: 1"]
    with pytest.raises(MessageError, match="extra headers must be a dict"):
        mail.send(message)


def test_a_message_of_a_foreign_class_gets_no_attribute_that_it_lacks():
    class Foreign:
        extra_headers = None

    foreign = Foreign()
    config = {"MAIL_DEFAULT_REPLY_TO": "a@example.com", "MAIL_DEFAULT_HEADERS": {"X-A": "1"}}
    fill_in(foreign, config)
    assert vars(foreign) == {"extra_headers": {"X-A": "1"}}
