"""Errors, warnings and steps of smtp name the settings of the mailer that is concerned."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from cli_support import make_app, run_json
from servers import Recorder, smtp_server

from flask_mail import BackendUnavailable, ConfigurationError, Message
from flask_mail.backends.options import Options
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.backends.smtp_naming import naming_of


def send(mailer: str = "default", **config: Any) -> None:
    mail = make_app(**config).extensions["mail"]
    mail.using(mailer).send(Message("Hi", ["ann@example.com"], "Hello"))


@pytest.fixture
def without_login() -> Iterator[str]:
    """A URL with a password, of a server that offers no login."""
    with smtp_server() as server:
        yield f"smtp://ann:hunter22@127.0.0.1:{server.port}"


def test_login_error_names_the_url(without_login: str) -> None:
    with pytest.raises(BackendUnavailable) as caught:
        send(MAIL_URL=without_login)
    assert (
        "the user name in MAIL_URL is set, but the server offers no supported login method"
        in str(caught.value)
    )
    assert "set ?use_tls=true or smtps:// in MAIL_URL, or remove the user name in MAIL_URL" in str(
        caught.value
    )
    assert "MAIL_USE" not in str(caught.value)


def test_login_error_names_the_option_of_the_mailer() -> None:
    table = {"SERVER": "127.0.0.1", "USERNAME": "ann", "PASSWORD": "hunter22"}
    with smtp_server() as server, pytest.raises(BackendUnavailable) as caught:
        send("bulk", MAIL_MAILERS={"bulk": {**table, "PORT": server.port}})
    advice = "set MAIL_MAILERS['bulk']['USE_TLS'] or MAIL_MAILERS['bulk']['USE_SSL']"
    assert advice in str(caught.value)


def test_check_advises_what_the_url_can_have(without_login: str) -> None:
    report = run_json(make_app(MAIL_URL=without_login), "check", 1)
    steps = {each["name"]: each for each in report["steps"]}
    assert steps["tls"]["detail"] == "not configured (?use_tls=true, smtps:// in MAIL_URL)"
    assert "set ?use_tls=true or smtps:// in MAIL_URL" in steps["login"]["detail"]


@pytest.mark.parametrize(
    ("config", "advice"),
    [
        ({}, 'Check MAIL_SERVER and MAIL_PORT, or set MAIL_BACKEND="console"'),
        ({"MAIL_URL": "{url}"}, 'Check the host and the port in MAIL_URL, or set MAIL_BACKEND="c'),
        (
            {"MAIL_MAILERS": {"default": "{url}"}},
            "Check the host and the port in MAIL_MAILERS['default'], or set"
            " MAIL_MAILERS['default']=\"console\"",
        ),
        (
            {"MAIL_MAILERS": {"default": {"SERVER": "127.0.0.1", "PORT": "{port}"}}},
            "Check MAIL_MAILERS['default']['SERVER'] and MAIL_MAILERS['default']['PORT'], or set"
            " MAIL_MAILERS['default']['BACKEND']=\"console\"",
        ),
    ],
)
def test_connection_error_names_the_place_of_the_server(
    config: dict[str, Any], advice: str
) -> None:
    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(each) for key, each in value.items()}
        return value.format(url=f"smtp://127.0.0.1:{port}", port=port)

    with socket.socket() as unused:  # bound, but not listening
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ConnectionRefusedError) as caught:
            send(MAIL_SERVER="127.0.0.1", MAIL_PORT=port, **filled(config))
    assert advice in str(caught.value)


def test_errors_of_a_batch_name_the_url() -> None:
    recorder = Recorder(answers={"MAIL": "530 5.7.0 Authentication required"})
    with smtp_server(recorder) as server:
        mail = make_app(MAIL_URL=f"smtp://127.0.0.1:{server.port}").extensions["mail"]
        messages = [Message("Hi", ["ann@example.com"], "Hello") for _ in range(2)]
        for receipt in mail.send_many(messages):
            assert "set the user name in MAIL_URL" in str(receipt.error)
        with pytest.raises(BackendUnavailable, match="set the user name in MAIL_URL"):
            mail.send(messages[0])


def test_words_of_the_server_are_left_as_they_are() -> None:
    said = "530 5.7.0 Set MAIL_USERNAME. Now."
    with (
        smtp_server(Recorder(answers={"MAIL": said})) as server,
        pytest.raises(BackendUnavailable) as caught,
    ):
        send(MAIL_URL=f"smtp://127.0.0.1:{server.port}")
    assert caught.value.response == said
    assert said.rstrip(".") in str(caught.value)
    assert "set the user name in MAIL_URL" in str(caught.value)


def test_conflicting_options_are_named_as_they_are_set() -> None:
    with pytest.raises(ConfigurationError, match=r"^The user name in MAIL_URL is set, but neither"):
        send(MAIL_URL="smtp://ann@127.0.0.1")
    with pytest.raises(ConfigurationError, match=r"^MAIL_MAILERS\['bulk'\]\['USERNAME'\] is set"):
        send("bulk", MAIL_MAILERS={"bulk": {"USERNAME": "ann"}})


def test_errors_of_other_programs_are_left_alone() -> None:
    error = KeyError("MAIL_PORT", 5)
    assert SmtpBackend().rename(error).args == ("MAIL_PORT", 5)


def test_a_warning_names_the_url(caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(MAIL_URL="smtp://127.0.0.1:465?use_tls=true")
    with caplog.at_level(logging.WARNING, "flask_mail"):
        app.extensions["mail"].selection.build("default")
    assert "set smtps:// in MAIL_URL instead of ?use_tls=true in MAIL_URL" in caplog.text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "which MAIL_USE_TLS requires. Set MAIL_USE_SSL, or unset MAIL_USE_TLS if",
            "which ?use_tls=true in MAIL_URL requires. Set smtps:// in MAIL_URL, or set"
            " ?use_tls=false in MAIL_URL if",
        ),
        ("within MAIL_TIMEOUT.", "within the timeout in MAIL_URL."),
        ("MAIL_DEADLINE has passed.", "The deadline in MAIL_URL has passed."),
        ("No. MAIL_SERVER is odd", "No. The host in MAIL_URL is odd"),
        ("MAIL_TLS_VERIFY=False accepts", "?tls_verify=False in MAIL_URL accepts"),
        (
            "(MAIL_USERNAME, MAIL_PASSWORD or MAIL_OAUTH2_TOKEN)",
            "(the user name, the password or ?oauth2_token= in MAIL_URL)",
        ),
        ("MAIL_DEFAULT_SENDER, MAIL_PORTS", "MAIL_DEFAULT_SENDER, MAIL_PORTS"),
    ],
)
def test_settings_in_a_text_are_named_as_parts_of_the_url(text: str, named: str) -> None:
    naming = naming_of(Options({}, str, "MAIL_URL"))
    assert naming(text) == naming(named) == named
