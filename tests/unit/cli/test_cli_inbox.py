"""``flask mail inbox``: the address of the inbox, and a browser."""

from __future__ import annotations

from typing import Any

import pytest
from cli_support import make_app, run
from flask import Blueprint

from flask_mail.cli import inbox
from flask_mail.inbox import inbox_blueprint


@pytest.fixture(autouse=True)
def in_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")  # which the command line makes app.debug of


def app_in_debug(**config: Any) -> Any:
    return make_app(**{"MAIL_BACKEND": "console", **config})


@pytest.mark.parametrize(
    ("arguments", "env", "address"),
    [
        ((), {}, "http://127.0.0.1:5000/_mail"),
        (
            (),
            {"FLASK_RUN_HOST": "0.0.0.0", "FLASK_RUN_PORT": "8000"},
            "http://127.0.0.1:8000/_mail",
        ),
        (("--host", "::1", "--port", "80"), {}, "http://[::1]:80/_mail"),
        (("--host", "::"), {}, "http://[::1]:5000/_mail"),
        (("--host", "shop.test"), {}, "http://shop.test:5000/_mail"),
    ],
)
def test_it_prints_the_address(arguments: Any, env: Any, address: str) -> None:
    assert run(app_in_debug(), "inbox", "--no-open", *arguments, env=env).output == f"{address}\n"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that a browser was asked to open."""
    urls: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: urls.append(url) or True)
    return urls


@pytest.mark.parametrize(
    ("arguments", "is_terminal", "opens"),
    [
        ((), True, True),
        ((), False, False),
        (("--open",), False, True),
        (("--no-open",), True, False),
    ],
)
def test_browser_is_opened_from_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
    opened: list[str],
    arguments: tuple[str, ...],
    is_terminal: bool,
    opens: bool,
) -> None:
    monkeypatch.setattr(inbox, "is_terminal", lambda stream: is_terminal)
    result = run(app_in_debug(), "inbox", "--port", "80", *arguments)

    assert result.output == "http://127.0.0.1:80/_mail\n"
    assert opened == ["http://127.0.0.1:80/_mail"] * opens


def test_browser_is_not_opened_without_an_inbox(opened: list[str]) -> None:
    run(app_in_debug(MAIL_INBOX=False), "inbox", "--open", status=1)

    assert opened == []


def test_the_prefix_is_that_of_the_setting() -> None:
    result = run(app_in_debug(MAIL_INBOX="/dev/mail"), "inbox")

    assert result.output == "http://127.0.0.1:5000/dev/mail\n"


def test_without_debug_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLASK_DEBUG")

    assert "flask --debug run" in run(make_app(), "inbox", status=1).output


def test_where_it_is_switched_off_it_says_so() -> None:
    assert "set it to True" in run(app_in_debug(MAIL_INBOX=False), "inbox", status=1).output


def test_a_wrong_setting_is_named() -> None:
    result = run(app_in_debug(MAIL_INBOX="mail"), "inbox", status=1)

    assert "MAIL_INBOX must be" in result.output


@pytest.mark.parametrize("backend", ["smtp", "null", "missing"])
def test_a_backend_that_keeps_nothing_is_told_of(backend: str) -> None:
    result = run(app_in_debug(MAIL_BACKEND=backend), "inbox")

    assert result.stdout == "http://127.0.0.1:5000/_mail\n"
    assert result.stderr.startswith("The inbox is empty. ")
    assert backend in result.stderr


def test_a_backend_that_cannot_be_built_is_named() -> None:
    result = run(app_in_debug(MAIL_BACKEND="file"), "inbox")

    assert result.stdout == "http://127.0.0.1:5000/_mail\n"
    assert "MAIL_FILE_PATH" in result.stderr


def test_an_inbox_that_the_app_mounts_itself_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLASK_DEBUG")
    app = make_app(MAIL_BACKEND="locmem")
    app.register_blueprint(Blueprint("other", __name__))
    app.register_blueprint(inbox_blueprint(), url_prefix="/<tenant>/mail")
    assert "The inbox needs debug mode" in run(app, "inbox", status=1).output

    app.register_blueprint(inbox_blueprint("admin_mail"), url_prefix="/admin/mail")
    assert run(app, "inbox").output == "http://127.0.0.1:5000/admin/mail\n"


def test_it_looks_at_the_default_mailer() -> None:
    app = make_app(MAIL_MAILERS={"default": {"BACKEND": "null"}})
    assert "The null backend does not keep messages" in run(app, "inbox").stderr
