"""Errors, warnings and steps of smtp name the settings of the mailer that is concerned."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_support import make_app, run_json
from servers import Recorder, smtp_server

from flask_mail import BackendUnavailable, ConfigurationError, Message


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
    assert "set ?use_tls= or smtps://, or remove the user name." in str(caught.value)
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
    assert steps["tls"]["detail"] == "not configured (?use_tls= in MAIL_URL, smtps:// in MAIL_URL)"
    assert "set ?use_tls= in MAIL_URL or smtps:// in MAIL_URL" in steps["login"]["detail"]


@pytest.mark.parametrize(
    ("config", "advice"),
    [
        ({}, 'Check MAIL_SERVER and MAIL_PORT, or set MAIL_BACKEND="console"'),
        (
            {"MAIL_URL": "{url}"},
            'Check the host in MAIL_URL and the port, or set MAIL_BACKEND="console"',
        ),
        (
            {"MAIL_MAILERS": {"default": "{url}"}},
            "Check the host in MAIL_MAILERS['default'] and the port, or"
            " set MAIL_MAILERS['default']=\"console\"",
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


def test_a_warning_names_the_url(caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(MAIL_URL="smtp://127.0.0.1:465?use_tls=true")
    with caplog.at_level(logging.WARNING, "flask_mail"):
        app.extensions["mail"].selection.build("default")
    assert "set smtps:// in MAIL_URL instead of ?use_tls= in MAIL_URL" in caplog.text


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"SERVER": "127.0.0.1", "TIMEOUT": -1}, r"^MAIL_MAILERS\['bulk'\]\['TIMEOUT'\] must be"),
        ("smtp://127.0.0.1?timeout=-1", r"^\?timeout= in MAIL_MAILERS\['bulk'\] must be"),
        ("smtp://h%20st", r"^The host in MAIL_MAILERS\['bulk'\] must be"),
        (
            "smtps://127.0.0.1?tls_ca_file=/no/such/file",
            r"^\?tls_ca_file= in MAIL_MAILERS\['bulk'\] cannot be read",
        ),
        ({"BACKEND": "file", "PATH": "a\0b"}, r"^MAIL_MAILERS\['bulk'\]\['PATH'\] must be"),
        (
            {"BACKEND": "console", "FORMAT": "short"},
            r"^MAIL_MAILERS\['bulk'\]\['FORMAT'\] must be",
        ),
    ],
)
def test_error_of_a_constructor_names_the_option_of_the_mailer(config: Any, error: str) -> None:
    with pytest.raises(ConfigurationError, match=error):
        send("bulk", MAIL_MAILERS={"bulk": config})


def test_error_of_an_inbox_names_the_option_of_the_mailer(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    folder.write_text("not a folder")
    app = make_app(MAIL_MAILERS={"kept": {"BACKEND": "file", "PATH": str(folder)}})
    backend = app.extensions["mail"].selection.build("kept")
    with pytest.raises(ConfigurationError, match=r"\(MAIL_MAILERS\['kept'\]\['PATH'\]\) cannot"):
        backend.kept()
