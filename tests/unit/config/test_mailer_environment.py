"""Mailers from the environment, read by Flask's `from_prefixed_env`."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from servers import Recorder, smtp_server

from flask_mail import ConfigurationError, Mail, MailerNotFound, Message


@pytest.fixture
def mail_of(monkeypatch):
    """Make a Mail whose app has settings from the environment alone."""

    def make(**variables: str) -> Mail:
        for name, value in variables.items():
            monkeypatch.setenv(f"FLASK_{name}", value)
        app = Flask("shop")
        app.config.from_prefixed_env()
        return Mail(app)

    return make


def hello(**given: Any) -> Message:
    return Message("Hi", ["to@example.com"], "Hello", sender="from@example.com", **given)


def test_url_is_the_account_of_the_app(mail_of):
    recorder = Recorder()
    with smtp_server(
        recorder, authenticator=recorder.authenticate, auth_require_tls=False
    ) as server:
        url = f"smtp://ann:s3cret-p%C3%A4ssword@{server.host}:{server.port}"
        mail = mail_of(MAIL_URL=url)
        assert mail.send(hello()).sent
        mail.close()
    assert recorder.logins == [("ann", "s3cret-pässword")]


def test_options_of_a_mailer_are_variables(mail_of):
    with smtp_server() as server:
        mail = mail_of(
            MAIL_BACKEND='"null"',
            MAIL_MAILERS__bulk__BACKEND="smtp",
            MAIL_MAILERS__bulk__SERVER=server.host,
            MAIL_MAILERS__bulk__PORT=str(server.port),
            MAIL_MAILERS__bulk__USE_TLS="no",
        )
        receipt = mail.using("bulk").send(hello())
        assert (receipt.mailer, receipt.backend) == ("bulk", "smtp")
        assert mail.send(hello()).backend == "null"
        mail.close()


@pytest.mark.parametrize(
    "value", ["locmem", '"locmem"', "locmem://", '{"BACKEND": "locmem"}', '{"backend": "locmem"}']
)
def test_mailer_is_one_variable(mail_of, value):
    mail = mail_of(MAIL_MAILERS__bulk=value)
    assert mail.using("bulk").send(hello()).backend == "locmem"


def test_all_mailers_are_one_variable(mail_of):
    mail = mail_of(MAIL_MAILERS='{"default": "null", "bulk": {"BACKEND": "locmem"}}')
    assert mail.send(hello()).backend == "null"
    assert mail.using("bulk").send(hello()).backend == "locmem"


@pytest.mark.parametrize(
    ("variable", "setting"),
    [
        ("MAIL_BACKEND", "MAIL_BACKEND is None"),
        ("MAIL_MAILERS__default__BACKEND", r"MAIL_MAILERS\['default'\]\['BACKEND'\] is None"),
        ("MAIL_MAILERS__default", r"MAIL_MAILERS\['default'\] must be a dict"),
    ],
)
def test_null_without_quotes_is_an_error_and_never_smtp(mail_of, variable, setting):
    with pytest.raises(ConfigurationError, match=setting):
        mail_of(**{variable: "null"}).send(hello())


def test_empty_variables_are_not_set(mail_of):
    mail = mail_of(MAIL_URL="", MAIL_BACKEND="locmem", MAIL_MAILERS__bulk__BACKEND="locmem")
    mail.app.config["MAIL_MAILERS"]["bulk"]["SERVER"] = ""
    assert mail.send(hello()).backend == "locmem"
    assert mail.using("bulk").send(hello()).backend == "locmem"


def test_empty_variable_for_all_mailers_is_not_set(mail_of):
    mail = mail_of(MAIL_MAILERS="", MAIL_BACKEND="locmem")
    assert mail.send(hello()).backend == "locmem"
    with pytest.raises(MailerNotFound, match="It has: default"):
        mail.using("bulk").send(hello())


def test_misspelt_name_is_an_error(mail_of):
    mail = mail_of(MAIL_MAILERS__bulk="locmem")
    with pytest.raises(MailerNotFound, match="did you mean 'bulk'"):
        mail.using("blk").send(hello())


def test_misspelt_setting_is_warned_of(mail_of, caplog):
    mail_of(MAIL_MAILER__bulk="locmem", MAIL_BACKEND="locmem").send(hello())
    assert "MAIL_MAILER is not a setting; did you mean MAIL_MAILERS?" in caplog.text


def test_known_settings_of_mailers_are_not_warned_of(mail_of, caplog):
    mail_of(MAIL_URL="locmem://", MAIL_MAILERS__bulk="locmem").send(hello())
    assert "is not a setting" not in caplog.text
