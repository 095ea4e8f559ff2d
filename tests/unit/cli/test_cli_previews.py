"""``flask mail previews`` and ``flask mail render``."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from typing import Any

import pytest
from cli_support import PASSWORD, make_app, run, run_json
from flask import request, url_for
from flask_babel import Babel, get_locale

from flask_mail import Mail, Message
from flask_mail.cli import mail_cli, output


@pytest.fixture
def app() -> Any:
    """An app with previews, of which some do not work."""
    made = make_app(with_mail=False, SERVER_NAME="shop.example.com", MAIL_API_KEY=PASSWORD)
    made.add_url_rule("/orders", "orders", lambda: "")
    Babel(made)
    mail = Mail(made)

    @mail.preview("order")
    def order() -> Message:
        """Confirm an order.

        More is not listed.
        """
        assert request
        body = f"{url_for('orders', _external=True)} in {get_locale()}"
        return Message("Your order", ["ann@example.com"], body)

    @mail.preview("broken")
    def broken() -> Message:
        raise KeyError(PASSWORD)

    @mail.preview("empty")
    def empty() -> Message:
        return Message("Empty")

    @mail.preview("none")
    def none() -> Any:
        """Return nothing."""

    return made


def test_previews_are_listed_with_subject_and_description(app: Any) -> None:
    lines = run(app, "previews").stdout.splitlines()

    assert [line.split("  ")[0] for line in lines[:5]] == [
        "NAME",
        "broken",
        "empty",
        "none",
        "order",
    ]
    assert re.fullmatch(r"order +Your order +Confirm an order\.", lines[4])


def test_broken_previews_are_listed_with_their_error(app: Any) -> None:
    listed = {each["name"]: each for each in run_json(app, "previews")["previews"]}

    assert listed["order"] == {
        "name": "order",
        "subject": "Your order",
        "description": "Confirm an order.",
        "error": None,
    }
    assert listed["broken"]["error"] == "KeyError: '***'"
    assert listed["empty"]["subject"] == "Empty"
    assert "recipient" in listed["empty"]["error"]
    assert "must return a Message; it returned NoneType" in listed["none"]["error"]
    assert "\nProblem with broken: KeyError: '***'\n" in run(app, "previews").stdout


def test_previews_are_listed_in_the_given_locale(app: Any) -> None:
    mail = app.extensions["mail"]
    mail.previews["order"] = lambda: Message(f"In {get_locale()}", ["ann@example.com"], "Hi")

    assert "In de" in run(app, "previews", "--locale", "de").stdout
    result = run(app, "previews", "--locale", "x-y-z", status=1)
    assert "locale 'x-y-z' does not exist" in result.stderr


def test_only_working_previews_have_no_problems(app: Any) -> None:
    for name in ("broken", "empty", "none"):
        del app.extensions["mail"].previews[name]

    assert len(run(app, "previews").stdout.splitlines()) == 2


def test_app_without_previews_is_told_how_to_add_one() -> None:
    assert "@mail.preview" in run(make_app(), "previews").stdout
    assert run_json(make_app(), "previews") == {"previews": []}


def test_progress_is_shown_while_previews_are_rendered(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda stream: True)

    assert "Rendering" in run(app, "previews").stderr


def test_render_writes_the_octets_of_the_message(app: Any) -> None:
    content = app.test_cli_runner().invoke(mail_cli, ["render", "order"]).stdout_bytes
    message = message_from_bytes(content, policy=policy.default)

    assert (message["Subject"], message["To"]) == ("Your order", "ann@example.com")
    assert message.get_content().strip() == "http://shop.example.com/orders in en"
    assert b"\r\n" in content


def test_render_uses_the_given_locale(app: Any) -> None:
    assert "orders in de" in run(app, "render", "order", "--locale", "de").stdout

    result = run(app, "render", "order", "--locale", "x-y-z", status=1)
    assert "locale 'x-y-z' does not exist" in result.stderr


def test_render_in_a_locale_needs_flask_babel(app: Any) -> None:
    del app.extensions["babel"]
    result = run(app, "render", "empty", "--locale", "de", status=1)
    assert "needs Flask-Babel" in result.stderr


@pytest.mark.parametrize(
    ("name", "problem"), [("empty", "recipient"), ("none", "must return a Message")]
)
def test_render_writes_nothing_if_the_message_could_not_be_sent(
    app: Any, name: str, problem: str
) -> None:
    result = run(app, "render", name, status=1)

    assert result.stdout == ""
    assert problem in result.stderr


@pytest.mark.parametrize("is_debug", [False, True])
def test_render_of_a_preview_that_raises_is_one_line(
    app: Any, is_debug: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", str(int(is_debug)))
    *trace, line = run(app, "render", "broken", status=1).stderr.splitlines()

    assert line == "Error: KeyError: '***'"
    assert trace[:1] == ["Traceback (most recent call last):"] * is_debug
    assert PASSWORD not in "".join(trace)


def test_unknown_preview_is_a_usage_error_with_the_nearest(app: Any) -> None:
    result = run(app, "render", "ordre", status=2)

    assert "'NAME': the app has no preview 'ordre'; did you mean 'order'?" in result.stderr
