"""The address of the inbox, which ``flask run`` prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo

from flask_mail import Mail


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run ``flask run`` up to the server, and return what it printed."""
    for module in ("flask.cli", "werkzeug.serving"):  # depending on the version of Flask
        monkeypatch.setattr(f"{module}.run_simple", lambda *args, **options: None, raising=False)
    monkeypatch.delenv("WERKZEUG_RUN_MAIN", raising=False)
    monkeypatch.setenv("FLASK_DEBUG", "0")

    def start(*arguments: str, mails: int = 1, **config: Any) -> str:
        def create() -> Flask:
            app = Flask("shop")
            app.config.update({"MAIL_BACKEND": "console", **config})
            for _ in range(mails):
                Mail(app)
            return app

        runner = Flask("runner").test_cli_runner()
        info = ScriptInfo(create_app=create)
        result = runner.invoke(FlaskGroup(), args=arguments or ("--debug", "run"), obj=info)
        assert result.exit_code == 0, result.output
        return "".join(line for line in result.output.splitlines(True) if "Inbox" in line)

    return start


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        ((), "http://127.0.0.1:5000/_mail"),
        (("--port", "8000", "--host", "0.0.0.0"), "http://127.0.0.1:8000/_mail"),
        (("--host", "::1", "--no-reload"), "http://[::1]:5000/_mail"),
    ],
)
def test_run_prints_the_address_once(
    start: Callable[..., str], arguments: tuple[str, ...], url: str
) -> None:
    assert start("--debug", "run", *arguments) == f" * Inbox: {url}\n"
    assert start("--debug", "run", *arguments, mails=2) == f" * Inbox: {url}\n"


def test_prefix_and_scheme_are_those_of_the_server(start: Callable[..., str]) -> None:
    pytest.importorskip("cryptography")
    arguments = ("--debug", "run", "--cert", "adhoc")

    assert start(*arguments, MAIL_INBOX="/dev") == " * Inbox: https://127.0.0.1:5000/dev\n"


def test_reloaded_process_prints_nothing(
    start: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")

    assert start() == ""


@pytest.mark.parametrize(
    "arguments", [("run",), ("--debug", "run", "--port", "0"), ("--debug", "routes")]
)
def test_nothing_is_printed_without_a_known_address(
    start: Callable[..., str], arguments: tuple[str, ...]
) -> None:
    assert start(*arguments) == ""


@pytest.mark.parametrize("setting", [False, "mail"])
def test_nothing_is_printed_without_an_inbox(start: Callable[..., str], setting: Any) -> None:
    assert start(MAIL_INBOX=setting) == ""
