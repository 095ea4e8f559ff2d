"""``flask mail send``: messages of templates and previews, JSON, and what counts as sent."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from cli_support import PASSWORD, backend_source, install, make_app, run
from servers import Recorder, smtp_server

from flask_mail import Mail, Message
from flask_mail.cli import dialogue, output


@pytest.fixture
def server():
    with smtp_server() as running:
        yield running


@pytest.fixture
def app(server, tmp_path):
    """An app with templates and previews."""
    made = make_app(with_mail=False, MAIL_SERVER=server.host, MAIL_PORT=server.port)
    made.template_folder = str(tmp_path)
    (tmp_path / "welcome.txt").write_text(
        "{% block subject %}Welcome, {{ name }}{% endblock %}Hello {{ name }} at {{ url }}"
    )
    mail = Mail(made)

    @mail.preview("welcome")
    def welcome() -> Message:
        return Message(
            "Welcome",
            ["sample@example.com"],
            "Hello",
            cc=["copy@example.com"],
            bcc=["blind@example.com"],
            sender="sample-shop@example.com",
            extra_headers={"X-Sample": "1"},
            options={"smtp": {"no_such": "option"}},
        )

    @mail.preview("broken")
    def broken() -> Message:
        raise KeyError(PASSWORD)

    return made


def received(server: Any) -> tuple[Any, Any]:
    (envelope,) = server.recorder.accepted
    return envelope, message_from_bytes(envelope.content, policy=policy.default)


def sent_json(app: Any, *arguments: str, status: int = 0) -> Any:
    return json.loads(run(app, "send", *arguments, "--json", status=status).stdout)


def test_preview_is_sent_to_the_given_addresses_only(app, server):
    """Nor with its options, such as the key of an order in a queue."""
    run(app, "send", "me@example.com", "--preview", "welcome", "--header", "X-Run: 7")
    envelope, message = received(server)

    assert envelope.rcpt_tos == ["me@example.com"]
    assert (message["To"], message["Cc"]) == ("me@example.com", None)
    assert (message["From"], message["Subject"]) == ("sample-shop@example.com", "Welcome")
    assert (message["X-Sample"], message["X-Run"]) == ("1", "7")


def test_fields_of_a_preview_may_be_replaced(app, server):
    options = ("--subject", "Look", "--sender", "me@example.com", "--reply-to", "re@example.com")
    run(app, "send", "me@example.com", "--preview", "welcome", *options)
    message = received(server)[1]

    assert (message["Subject"], message["From"]) == ("Look", "me@example.com")
    assert message["Reply-To"] == "re@example.com"


def test_unknown_preview_is_a_usage_error_with_the_nearest(app):
    result = run(app, "send", "me@example.com", "--preview", "welcom", status=2)

    assert "'--preview': the app has no preview 'welcom'; did you mean 'welcome'?" in result.stderr


def test_error_of_a_preview_is_reported_without_secrets(app, monkeypatch):
    app.config["MAIL_PASSWORD"] = PASSWORD
    result = run(app, "send", "me@example.com", "--preview", "broken", status=1)
    assert result.stdout == ""
    assert result.stderr == "Not sent: KeyError: '***'\n"

    monkeypatch.setenv("FLASK_DEBUG", "1")
    app.debug = True
    result = run(app, "send", "me@example.com", "--preview", "broken", status=1)
    assert "\nTraceback (most recent call last):\n" in result.stderr
    assert PASSWORD not in result.stderr


def test_template_is_rendered_with_variables(app, server):
    variables = ("--set", "name=Ann", "--set", "url= https://shop.example.com/?a=b")
    run(app, "send", "ann@example.com", "--template", "welcome", *variables)
    message = received(server)[1]

    assert message["Subject"] == "Welcome, Ann"
    assert message.get_content().strip() == "Hello Ann at https://shop.example.com/?a=b"


def test_template_is_rendered_in_the_given_locale(app, server, tmp_path):
    (tmp_path / "welcome.de.txt").write_text("{% block subject %}Willkommen{% endblock %}Hallo")
    run(app, "send", "ann@example.com", "--template", "welcome", "--locale", "de")

    assert received(server)[1]["Subject"] == "Willkommen"


def test_preview_in_a_locale_needs_flask_babel(app, server):
    options = ("--preview", "welcome", "--locale", "de")
    assert "needs Flask-Babel" in sent_json(app, "me@example.com", *options, status=1)["error"]


def test_missing_template_is_reported_as_not_sent(app, server):
    report = sent_json(app, "ann@example.com", "--template", "gone", status=1)

    assert (report["sent"], report["outcome"], report["backend"]) == (False, "not sent", None)
    assert "gone" in report["error"]
    assert not server.recorder.accepted


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--preview", "welcome", "--body", "x"), "--preview and --body cannot be combined"),
        (("--template", "a", "--html", "x"), "--template and --html cannot be combined"),
        (("--set", "a=b"), "--set needs --template"),
        (("--locale", "de"), "--locale needs --preview or --template"),
        (("--template", "welcome", "--set", "a"), "'--set': write NAME=VALUE."),
        (("--header", "X-Run"), "'--header': write \"NAME: VALUE\"."),
        (("--header", ": 7"), "'--header': write"),
    ],
)
def test_wrong_options_are_usage_errors(app, options, problem):
    assert problem in run(app, "send", "me@example.com", *options, status=2).stderr


def test_header_is_added_and_checked(app, server):
    headers = ("--header", "X-Run: 7:8", "--header", "X-Empty:")
    run(app, "send", "me@example.com", *headers)
    assert received(server)[1]["X-Run"] == "7:8"

    result = run(app, "send", "me@example.com", "--header", "X Run: 7", status=1)
    assert "X Run" in result.stderr


def test_json_has_the_fields_of_the_receipt(app, server):
    server.recorder.answers["bob@example.com"] = "550 5.1.1 no such user"
    report = sent_json(app, "ann@example.com", "bob@example.com")
    message_id = received(server)[1]["Message-ID"]

    assert isinstance(report.pop("seconds"), float)
    assert report == {
        "sent": True,
        "outcome": "sent",
        "backend": "smtp",
        "mailer": None,
        "message_id": message_id,
        "recipients": ["ann@example.com"],
        "redirected": [],
        "refused": {"bob@example.com": {"code": 550, "enhanced": "5.1.1", "text": "no such user"}},
        "response": "250 2.0.0 queued as 42",
        "note": None,
        "error": None,
    }


def test_json_says_why_a_message_was_not_sent():
    with smtp_server() as gone:
        app = make_app(MAIL_SERVER=gone.host, MAIL_PORT=gone.port)
    report = sent_json(app, "ann@example.com", status=1)

    assert (report["sent"], report["outcome"]) == (False, "not sent")
    assert report["error"].startswith("Could not connect to ")


def test_json_names_the_mailer_and_those_who_are_redirected(server):
    place = {"SERVER": server.host, "PORT": server.port}
    app = make_app(MAIL_MAILERS={"bulk": place}, MAIL_REDIRECT_TO="qa@example.com")
    report = sent_json(app, "ann@example.com", "--mailer", "bulk")

    assert report["mailer"] == "bulk"
    assert report["recipients"] == ["qa@example.com"]
    assert report["redirected"] == ["ann@example.com"]


def test_json_is_alone_on_standard_output(monkeypatch, tmp_path):
    source = backend_source("loud", head="print('import')").replace("pass", "print('built')")
    install(monkeypatch, tmp_path, "Loud", backends="loud = loud_c:Plugin", loud_c=source)
    report = sent_json(make_app(MAIL_BACKEND="loud"), "ann@example.com")
    assert report["backend"] == "loud"

    report = sent_json(make_app(MAIL_BACKEND="console"), "ann@example.com")
    assert report["note"] == "Nothing left this machine: console is a local backend."


def test_strict_makes_a_refused_recipient_a_failure(app, server):
    server.recorder.answers["bob@example.com"] = "550 5.1.1 no such user"
    recipients = ("ann@example.com", "bob@example.com")

    run(app, "send", *recipients)
    result = run(app, "send", *recipients, "--strict", status=1)
    assert "outcome     sent\n" in result.stdout
    assert sent_json(app, *recipients, "--strict", status=1)["sent"] is True
    run(app, "send", "ann@example.com", "--strict")


def test_dialogue_is_printed_on_standard_error(app, server):
    result = run(app, "send", "ann@example.com", "-v")

    assert " C: RCPT TO:<ann@example.com>" in result.stderr
    assert " S: 250 2.0.0 queued as 42" in result.stderr
    assert result.stdout.startswith("outcome     sent\n")
    # The final dot is no part of the content.
    size = len(server.recorder.accepted[0].content)
    assert f" C: ({size} octets of content)" in result.stderr


def test_dialogue_masks_the_secrets_of_other_settings():
    with smtp_server(Recorder(answers={"MAIL": f"550 I know {PASSWORD}"})) as server:
        app = make_app(MAIL_SERVER=server.host, MAIL_PORT=server.port, MAIL_API_KEY=PASSWORD)
        result = run(app, "send", "ann@example.com", "-v", status=1)

    assert " S: 550 I know ***" in result.stderr
    assert PASSWORD not in result.output


def test_closed_standard_error_does_not_break_the_delivery(app, server, monkeypatch):
    def broken(*arguments: Any, **options: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(dialogue, "say", broken)
    assert sent_json(app, "ann@example.com", "-v")["sent"] is True


def test_error_on_a_terminal_has_a_mark(app, server, monkeypatch):
    monkeypatch.setattr(output, "is_terminal", lambda stream: True)
    server.recorder.answers["ann@example.com"] = "550 5.1.1 no"

    assert run(app, "send", "ann@example.com", status=1).stderr.startswith("✗ Refused: ")


def test_file_of_an_attachment_is_read_before_a_preview_is_made(app, tmp_path: Path):
    result = run(
        app,
        "send",
        "me@example.com",
        *("--preview", "broken", "--attach", str(tmp_path / "gone")),
        status=2,
    )
    assert "cannot be read" in result.stderr
