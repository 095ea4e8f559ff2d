"""Settings that come from the environment as words: they mean what they say, or are an error."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from servers import smtp_server

from flask_mail import ConfigurationError, Mail, MailError, Message, MessageRefused, Outcome
from flask_mail.delivery.signals import email_dispatched

FALSE = ("False", "false", "0", "no", "off", "n", " FALSE ", '"False"', '"0"')
TRUE = ("True", "true", "1", "yes", "on", "y", '"True"')


@pytest.fixture
def environment(monkeypatch):
    """Set variables, and return the app that ``from_prefixed_env()`` makes of them."""

    def app_with(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"FLASK_{name}", value)
        app = Flask("shop")
        app.config["MAIL_DEFAULT_SENDER"] = "shop@example.com"
        app.config.from_prefixed_env()
        return app

    return app_with


def hello():
    return Message("Hello", ["ann@example.com"], "Hi")


# TESTING and DEBUG


@pytest.mark.parametrize("word", [*FALSE, "", " ", "null", "[]"])
def test_testing_that_is_off_sends(environment, word):
    with smtp_server() as server:
        mail = Mail(environment(TESTING=word, MAIL_PORT=str(server.port)))
        receipt = mail.send(hello())
    assert (receipt.backend, receipt.outcome) == ("smtp", Outcome.SENT)
    assert len(server.recorder.accepted) == 1
    assert mail.state.testing is False
    assert mail.state.suppress is False


@pytest.mark.parametrize("word", TRUE)
def test_testing_that_is_on_keeps_mail_in_memory(environment, word):
    mail = Mail(environment(TESTING=word))
    assert mail.send(hello()).backend == "locmem"
    assert mail.state.testing is True


@pytest.mark.parametrize("word", ["maybe", "Flase", "2.5x"])
def test_testing_that_is_no_bool_is_an_error(environment, word):
    """Neither reading is safe: one loses mail of production, the other sends that of tests."""
    mail = Mail(environment(TESTING=word))
    with pytest.raises(ConfigurationError, match=f"TESTING must be true or false, not '{word}'"):
        mail.send(hello())


@pytest.mark.parametrize("word", [*FALSE, "maybe"])
def test_debug_that_is_off_logs_no_dialogue(environment, word):
    mail = Mail(environment(DEBUG=word))
    assert mail.state.debug is False
    assert mail.state.selection.build("smtp").server.debug is False


def test_debug_that_is_on_logs_the_dialogue(environment):
    mail = Mail(environment(DEBUG="yes"))
    assert mail.state.debug is True
    assert mail.state.selection.build("smtp").server.debug is True


@pytest.mark.parametrize("word", ["False", "off"])
def test_a_word_assigned_to_debug_means_what_it_says(environment, word):
    mail = Mail(environment(DEBUG="true"))
    mail.state.debug = word
    assert mail.state.selection.build("smtp").server.debug is False


@pytest.mark.parametrize(("debug", "testing", "warns"), [("no", "0", 0), ("1", "0", 1)])
def test_real_mail_is_warned_about_in_debug_alone(environment, caplog, debug, testing, warns):
    with smtp_server() as server:
        app = environment(DEBUG=debug, TESTING=testing, MAIL_PORT=str(server.port))
        Mail(app).send(hello())
    assert caplog.text.count("app.debug is on") == warns


@pytest.mark.parametrize("key", ["TESTING", "DEBUG", "PROPAGATE_EXCEPTIONS"])
@pytest.mark.parametrize(("word", "propagates"), [("False", False), ("off", False), ("on", True)])
def test_a_receiver_that_fails_propagates_where_a_word_says_so(
    environment, key, word, propagates, caplog
):
    app = environment(**{key: word}, MAIL_BACKEND='"null"')
    mail = Mail(app)

    def fail(app, message):
        raise LookupError("a receiver's")

    caplog.set_level(logging.CRITICAL)
    with email_dispatched.connected_to(fail):
        if propagates:
            with pytest.raises(LookupError):
                mail.send(hello())
        else:
            assert mail.send(hello()).sent


def test_init_mail_reads_words_too():
    state = Mail().init_mail({}, "False", "0")
    assert (state.app_debug, state.testing) == (False, False)
    assert Mail().init_mail({}, "on", "on").testing


# MAIL_BACKEND


@pytest.mark.parametrize("kept", [{}, {"TESTING": "true"}, {"MAIL_SUPPRESS_SEND": "false"}])
def test_a_backend_of_json_null_is_never_smtp(environment, kept):
    with smtp_server() as server:
        mail = Mail(environment(MAIL_BACKEND="null", MAIL_PORT=str(server.port), **kept))
        with pytest.raises(ConfigurationError, match=r"MAIL_BACKEND is None.*'\"null\"'"):
            mail.send(hello())
        with pytest.raises(ConfigurationError, match="MAIL_BACKEND is None"):
            mail.send_many([hello()])
        with pytest.raises(ConfigurationError, match="MAIL_BACKEND is None"), mail.connect():
            pass
    assert server.recorder.accepted == []


@pytest.mark.parametrize(
    ("word", "backend"), [('"null"', "null"), ("console", "console"), ('"console"', "console")]
)
def test_a_backend_in_quotes_is_the_one_of_that_name(environment, word, backend):
    assert Mail(environment(MAIL_BACKEND=word)).state.selection.backend().name == backend


def test_a_backend_that_is_empty_or_left_out_is_smtp(environment):
    assert Mail(environment()).state.selection.backend().name == "smtp"
    assert Mail(environment(MAIL_BACKEND="")).state.selection.backend().name == "smtp"


# Settings that keep mail in


@pytest.mark.parametrize("word", ["", " ", ",", " , ,", "[]"])
def test_an_allow_list_that_is_empty_allows_nobody(environment, word):
    mail = Mail(environment(MAIL_ALLOWED_RECIPIENTS=word, MAIL_BACKEND="locmem"))
    with pytest.raises(MessageRefused, match="MAIL_ALLOWED_RECIPIENTS does not allow"):
        mail.send(hello())
    assert mail.outbox == []


@pytest.mark.parametrize("value", ["", (), [], set(), frozenset(), "[]", "()", "{}", b"", {}, 0])
def test_an_allow_list_of_another_form_lets_nobody_through(value):
    app = Flask("shop")
    app.config.update(MAIL_ALLOWED_RECIPIENTS=value, MAIL_BACKEND="locmem")
    mail = Mail(app)
    with pytest.raises(MailError, match="MAIL_ALLOWED_RECIPIENTS"):
        mail.send(Message("Hello", ["ann@example.com"], sender="me@example.com"))
    assert mail.outbox == []


@pytest.mark.parametrize("word", ["", " ", ",", "[]", '""', "{}", "false", "0"])
@pytest.mark.parametrize("allowed", [{}, {"MAIL_ALLOWED_RECIPIENTS": "*@example.com"}])
def test_a_redirection_to_nobody_is_an_error(environment, word, allowed):
    mail = Mail(environment(MAIL_REDIRECT_TO=word, MAIL_BACKEND="locmem", **allowed))
    with pytest.raises(ConfigurationError, match="MAIL_REDIRECT_TO must be an address"):
        mail.send(hello())
    assert mail.outbox == []


def test_an_empty_allow_list_with_a_redirection_redirects_all(environment):
    app = environment(MAIL_ALLOWED_RECIPIENTS="", MAIL_REDIRECT_TO="qa@example.com")
    app.config["MAIL_BACKEND"] = "locmem"
    mail = Mail(app)
    mail.send(hello())
    assert mail.outbox[0].envelope.recipients == ("qa@example.com",)


@pytest.mark.parametrize("word", ["", " ", "maybe"])
def test_suppression_that_is_neither_on_nor_off_sends_nothing(environment, word):
    with smtp_server() as server:
        mail = Mail(environment(MAIL_SUPPRESS_SEND=word, MAIL_PORT=str(server.port)))
        with pytest.raises(ConfigurationError, match="MAIL_SUPPRESS_SEND"):
            mail.send(hello())
    assert server.recorder.accepted == []


def test_suppression_that_is_empty_follows_a_test():
    app = Flask("shop")
    app.config.update(MAIL_SUPPRESS_SEND="", TESTING=True)
    assert Mail(app).state.selection.backend().name == "locmem"
