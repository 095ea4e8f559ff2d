"""``flask mail check``: what it prints, for people on a terminal and elsewhere."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest
from cli_support import PASSWORD, Authority, make_app, run, run_json
from servers import Dialogue, Recorder, scripted_server, smtp_server

from flask_mail.cli import effective, mail_cli, output
from flask_mail.smtp.wire import Wire, log


def local_app(**config: Any) -> Any:
    """Make an app whose backend connects to no server."""
    return make_app(**{"MAIL_BACKEND": "null", "TESTING": True, **config})


def refusing_app() -> Any:
    """Make an app without a server."""
    with smtp_server() as gone:
        return make_app(MAIL_SERVER=gone.host, MAIL_PORT=gone.port)


def test_verdict_and_problems_come_first() -> None:
    app = refusing_app()
    app.config.update(MAIL_SEVER="x", MAIL_TIMEOUT="soon")
    lines = run(app, "check", status=1).stdout.splitlines()

    assert lines[0] == "Found 2 problems and 1 warning (no message was sent)."
    assert [line.split(":")[0] for line in lines[2:5]] == [
        "error   wrong-kind",
        "failed  build",
        "warning unknown-key",
    ]
    assert lines[6] == "Backend: smtp (default)."


def test_problem_of_settings_is_counted_and_printed_once() -> None:
    result = run(make_app(MAIL_USERNAME="ann"), "check", status=1)

    assert result.stdout.startswith("Found 1 problem (")
    assert result.stdout.count("MAIL_USERNAME is set, but neither") == 1


def test_failed_step_names_its_mailer() -> None:
    app = refusing_app()
    app.config["MAIL_MAILERS"] = {"bulk": {"SERVER": "127.0.0.1", "PORT": app.config["MAIL_PORT"]}}
    result = run(app, "check", "--all", status=1)

    assert "\nfailed  connect: Could not connect" in result.stdout
    assert "\nfailed  bulk: connect: Could not connect" in result.stdout


def test_only_settings_that_are_set_are_printed_by_default() -> None:
    lines = run(local_app(), "check").stdout.split("\n\n")[-1].splitlines()

    assert [line.split()[0] for line in lines[:-1]] == [
        "SETTING",
        "MAIL_BACKEND",
        "MAIL_DEFAULT_SENDER",
    ]
    assert re.fullmatch(r"\d\d settings are not set: --defaults prints their values\.", lines[-1])


def test_no_table_is_printed_without_settings() -> None:
    result = run(make_app(MAIL_DEFAULT_SENDER=None, DEBUG=True, MAIL_SERVER=""), "check", status=1)

    assert "SETTING" not in result.stdout


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "MAIL_PORT 25 default"),
        ({"MAIL_USE_SSL": True}, "MAIL_PORT 465 default"),
        ({}, "MAIL_DEADLINE 20 seconds default"),
        ({"MAIL_TIMEOUT": 40}, "MAIL_DEADLINE 40 seconds default"),
        ({}, "MAIL_SUPPRESS_SEND True default"),
        ({}, "MAIL_DEBUG False default"),
        ({"MAIL_BACKEND": "file", "MAIL_FILE_PATH": "x"}, "MAIL_CONSOLE_FORMAT readable default"),
    ],
)
def test_defaults_are_printed_with_the_values_that_apply(config: Any, expected: str) -> None:
    result = run(local_app(**config), "check", "--defaults")

    assert expected in [" ".join(line.split()) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("web1.example.com", "web1.example.com"), ("", "the address of this host")],
)
def test_default_name_of_ehlo_is_that_of_the_host(
    monkeypatch: pytest.MonkeyPatch, name: str, shown: str
) -> None:
    monkeypatch.setattr(effective, "full_name_of_host", lambda: name)
    result = run(local_app(), "check", "--defaults")

    assert re.search(rf"^MAIL_LOCAL_HOSTNAME +{shown} +default$", result.stdout, re.M)


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("FLASK_MAIL_PORT", "2525", "MAIL_PORT", 2525),
        ("MAIL_SERVER", "mx.example.com", "MAIL_SERVER", "mx.example.com"),
        ("SHOP_MAIL_USE_TLS", "true", "MAIL_USE_TLS", True),
        ("FLASK_MAIL_FOOTER", "[1]", "MAIL_FOOTER", [1]),
    ],
)
def test_source_is_environment_if_a_variable_has_the_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, key: str, value: Any
) -> None:
    monkeypatch.setenv(variable, text)
    entries = {
        each["key"]: each for each in run_json(local_app(**{key: value}), "check")["settings"]
    }
    assert (entries[key]["value"], entries[key]["source"]) == (value, "environment")

    monkeypatch.setenv(variable, "other")
    entries = {
        each["key"]: each for each in run_json(local_app(**{key: value}), "check")["settings"]
    }
    assert entries[key]["source"] == "config"


def test_strict_makes_warnings_errors() -> None:
    app = local_app(MAIL_SEVER="x")
    assert run(app, "check").stdout.startswith("Ready to send, with 1 warning (")
    assert run_json(app, "check")["ok"] is True

    result = run(app, "check", "--strict", status=1)
    assert result.stdout.startswith("Found 1 warning, an error with --strict (")
    assert '"ok": false' in run(app, "check", "--strict", "--json", status=1).stdout
    assert run(local_app(), "check", "--strict").stdout.startswith("Ready to send (")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda stream: True)
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.usefixtures("terminal")
def test_terminal_shows_marks_in_colour() -> None:
    app = local_app(MAIL_SEVER="x")
    lines = run(app, "check", color=True).stdout.splitlines()

    assert lines[0].startswith("\x1b[32m✓\x1b[0m Ready to send")
    assert lines[2].startswith("\x1b[33m!\x1b[0m warning unknown-key: ")
    assert lines[6].startswith("- skipped connect")
    failed = run(refusing_app(), "check", color=True, status=1).stdout
    assert failed.startswith("\x1b[31m✗\x1b[0m Found 1 problem")


@pytest.mark.usefixtures("terminal")
def test_no_color_leaves_the_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert run(local_app(), "check", color=True).stdout.startswith("✓ Ready to send")


@pytest.mark.usefixtures("terminal")
def test_terminal_without_unicode_shows_plain_marks() -> None:
    runner = local_app().test_cli_runner(charset="ascii")

    assert runner.invoke(mail_cli, ["check"]).stdout.startswith("* Ready to send")


def test_terminal_is_a_stream_that_says_so() -> None:
    controller, follower = os.openpty()
    try:
        with open(follower, "w", closefd=False) as stream:
            assert output.is_terminal(stream)
    finally:
        os.close(controller)
        os.close(follower)
    assert not output.is_terminal(None)


@pytest.mark.usefixtures("terminal")
def test_progress_is_shown_on_standard_error() -> None:
    result = run(local_app(), "check")

    assert "Connecting" in result.stderr
    assert "Connecting" not in result.stdout
    assert list(output.progress([1], "Few")) == [1]


@pytest.mark.usefixtures("terminal")
def test_dialogue_replaces_progress() -> None:
    assert run(local_app(), "check", "-v").stderr == ""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_details_are_kept_if_a_later_step_fails(authority: Authority, implicit: bool) -> None:
    recorder = Recorder()
    options: dict[str, Any] = {
        "ssl_context" if implicit else "tls_context": authority.server_context
    }
    with smtp_server(
        recorder, authenticator=recorder.authenticate, auth_require_tls=not implicit, **options
    ) as server:
        app = make_app(
            MAIL_SERVER=server.host,
            MAIL_PORT=server.port,
            MAIL_USE_SSL=implicit,
            MAIL_USE_TLS=not implicit,
            MAIL_TLS_CA_FILE=Path(authority.ca_file),
            MAIL_USERNAME="ann",
            MAIL_PASSWORD="wrong",
        )
        report = run_json(app, "check", status=1)
        steps = {each["name"]: each for each in report["steps"]}

    assert steps["login"]["status"] == "failed"
    assert steps["connect"]["detail"] == f"127.0.0.1:{server.port}"
    assert steps["greeting"]["detail"].startswith("offers ")
    assert steps["tls"]["detail"].startswith("TLSv1.")


def test_dialogue_is_printed_without_passwords(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    with smtp_server(
        recorder, authenticator=recorder.authenticate, auth_require_tls=False
    ) as server:
        app = make_app(
            MAIL_MAILERS={
                "default": {
                    "SERVER": server.host,
                    "PORT": server.port,
                    "USERNAME": "ann",
                    "PASSWORD": PASSWORD,
                }
            }
        )
        before = log.level, log.propagate, log.disabled, list(log.handlers)
        with caplog.at_level(logging.DEBUG):
            result = run(app, "check", "-v")

    dialogue = [line.partition(" ")[2] for line in result.stderr.splitlines()]
    assert dialogue[0].startswith("S: 220 ")
    assert "C: MAIL FROM:<shop@example.com>" in dialogue
    assert dialogue[-2:] == ["C: QUIT", "S: 221 Bye"]
    assert PASSWORD not in result.output
    assert not [each for each in caplog.records if each.name == log.name]
    assert (log.level, log.propagate, log.disabled, list(log.handlers)) == before
    assert not Wire.traces_all


def test_control_characters_of_the_dialogue_are_escaped() -> None:
    with scripted_server(lambda each: Dialogue(each).say("554 go \x1b[31m away")) as port:
        app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=port)
        result = run(app, "check", "-v", status=1)

    assert "S: 554 go \\x1b[31m away" in result.stderr


def test_mailers_of_the_environment_are_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_MAIL_MAILERS__relay__SERVER", "mx.example.com")
    monkeypatch.setenv("FLASK_MAIL_MAILERS__relay__PORT", "2525")
    for options, source in (
        ({"SERVER": "mx.example.com", "PORT": 2525}, "environment"),
        ({"SERVER": "mx.example.com", "PORT": 2526}, "config"),
        ({}, "config"),
    ):
        app = local_app(MAIL_MAILERS={"relay": options})
        entries = {each["key"]: each for each in run_json(app, "check")["settings"]}
        assert entries["MAIL_MAILERS"]["source"] == source
