"""``flask mail send``: builds a message, sends it, prints the receipt."""

from __future__ import annotations

import re
import subprocess
import sys
from email import message_from_bytes, policy

import pytest
from cli_support import PASSWORD, backend_source, install, make_app, run
from flask.cli import ScriptInfo
from servers import Recorder, smtp_server

from flask_mail import Message, email_dispatched, email_queued, email_sending
from flask_mail.backends import Backend, BackendUnavailable
from flask_mail.cli import mail_cli


@pytest.fixture
def server():
    with smtp_server() as running:
        yield running


@pytest.fixture
def app(server):
    return make_app(MAIL_SERVER=server.host, MAIL_PORT=server.port)


def received(server):
    (envelope,) = server.recorder.accepted
    return envelope, message_from_bytes(envelope.content, policy=policy.default)


def test_everything_that_is_asked_for_arrives(app, server, tmp_path):
    page = tmp_path / "page.html"
    page.write_bytes("\ufeff<p>Grüße</p>".encode())
    picture = tmp_path / "dot.png"
    picture.write_bytes(bytes(range(256)))
    notes = tmp_path / "notes.unheard-of"
    notes.write_bytes(b"\xff\x00")
    run(
        app,
        "send",
        "Ann <ann@example.com>",
        "bob@example.com",
        *("--subject", "Grüße", "--body", "Hello", "--html", str(page)),
        *("--attach", str(picture), "--attach", str(notes)),
        *("--sender", "Me <me@example.com>", "--cc", "cc@example.com"),
        *("--bcc", "one@example.com", "--bcc", "two@example.com"),
        *("--reply-to", "a@example.com", "--reply-to", "b@example.com"),
    )
    envelope, message = received(server)
    assert envelope.mail_from == "me@example.com"
    assert envelope.rcpt_tos == [
        "ann@example.com",
        "bob@example.com",
        "cc@example.com",
        "one@example.com",
        "two@example.com",
    ]
    assert message["Subject"] == "Grüße"
    assert message["To"] == "Ann <ann@example.com>, bob@example.com"
    assert message["Reply-To"] == "a@example.com, b@example.com"
    assert b"one@example.com" not in envelope.content
    assert message.get_body(("plain",)).get_content().strip() == "Hello"
    assert message.get_body(("html",)).get_content().strip() == "<p>Grüße</p>"
    first, second = message.iter_attachments()
    assert (first.get_filename(), first.get_content_type()) == ("dot.png", "image/png")
    assert first.get_content() == bytes(range(256))
    assert second.get_content_type() == "application/octet-stream"
    assert second.get_content() == b"\xff\x00"


def test_subject_and_text_say_by_default_that_it_is_a_test_of_the_app(app, server):
    run(app, "send", "ann@example.com")
    envelope, message = received(server)
    assert envelope.mail_from == "shop@example.com"
    assert message["Subject"] == "Test message of shop"
    assert "test message of the app shop" in message.get_content()


def test_an_empty_subject_is_left_empty(app, server):
    run(app, "send", "ann@example.com", "--subject", "")
    assert not received(server)[1]["Subject"]


def test_html_alone_gets_no_text_but_its_own(app, server, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p>Hi</p>")
    run(app, "send", "ann@example.com", "--html", str(page))
    message = received(server)[1]
    assert message.get_body(("html",)).get_content().strip() == "<p>Hi</p>"
    assert message.get_body(("plain",)).get_content().strip() == "Hi"


def test_the_text_is_read_from_standard_input(app, server):
    run(app, "send", "ann@example.com", "--body", "-", input="Grüße\n".encode())
    assert received(server)[1].get_content().strip() == "Grüße"


def test_the_receipt_tells_what_became_of_the_message(app, server):
    result = run(app, "send", "ann@example.com")
    message_id = received(server)[1]["Message-ID"]
    lines = result.stdout.splitlines()
    assert lines[:-1] == [
        "outcome     sent",
        "backend     smtp",
        f"message id  {message_id}",
        "recipient   ann@example.com",
        "response    250 2.0.0 queued as 42",
    ]
    assert re.fullmatch(r"seconds     \d+\.\d{3}", lines[-1])
    assert result.stderr == ""


def test_refused_recipients_are_listed_with_the_reply(app, server):
    server.recorder.answers["bob@example.com"] = "550 5.1.1 no such user"
    result = run(app, "send", "ann@example.com", "bob@example.com")
    assert "recipient   ann@example.com\n" in result.stdout
    assert "refused     bob@example.com: 550 5.1.1 no such user\n" in result.stdout
    assert "recipient   bob" not in result.stdout


def test_a_message_that_was_redirected_is_told_to_be(app, server):
    app.config.update(MAIL_ALLOWED_RECIPIENTS="ann@example.com", MAIL_REDIRECT_TO="qa@test.example")
    result = run(app, "send", "bob@customer.test", "ann@example.com")

    assert received(server)[0].rcpt_tos == ["qa@test.example", "ann@example.com"]
    assert "recipient   qa@test.example\n" in result.stdout
    assert "recipient   ann@example.com\n" in result.stdout
    assert "redirected  bob@customer.test\n" in result.stdout
    assert "recipient   bob" not in result.stdout


def test_recipients_that_the_settings_do_not_allow_are_refused(app, server):
    app.config["MAIL_ALLOWED_RECIPIENTS"] = "*@example.com"
    result = run(app, "send", "bob@customer.test", "ann@example.com")

    assert "refused     bob@customer.test: 550 5.7.1 not allowed by" in result.stdout
    assert "recipient   ann@example.com\n" in result.stdout
    assert "bob@customer.test\n" not in result.stdout


def test_settings_that_are_wrong_are_told_and_nobody_is_named(app):
    app.config["MAIL_REDIRECT_TO"] = ","
    result = run(app, "send", "bob@customer.test", status=1)

    assert "Not sent: MAIL_REDIRECT_TO must be an address" in result.stderr
    assert "bob@customer.test" not in result.stdout


def test_a_refusal_ends_with_status_1_and_the_reason(app, server):
    server.recorder.answers["ann@example.com"] = "550 5.1.1 no \x1b[31muser"
    result = run(app, "send", "ann@example.com", status=1)
    assert "outcome     refused\n" in result.stdout
    assert result.stderr.startswith("Refused: The server ")
    assert "550 5.1.1 no \\x1b[31muser" in result.stderr
    assert "\x1b" not in result.output


def test_an_unreachable_server_ends_with_status_1_and_the_reason():
    with smtp_server() as gone:
        app = make_app(MAIL_SERVER=gone.host, MAIL_PORT=gone.port)
    result = run(app, "send", "ann@example.com", status=1)
    assert "outcome     not sent\n" in result.stdout
    assert result.stderr.startswith(f"Not sent: Could not connect to 127.0.0.1:{gone.port}")


def test_a_failure_that_the_app_silences_is_told_all_the_same():
    with smtp_server() as gone:
        app = make_app(MAIL_SERVER=gone.host, MAIL_PORT=gone.port, MAIL_FAIL_SILENTLY=True)
    with pytest.warns(DeprecationWarning, match="MAIL_FAIL_SILENTLY"):
        result = run(app, "send", "ann@example.com", status=1)
    assert "Not sent: Could not connect" in result.stderr


def test_a_bad_address_is_refused_before_anything_is_connected(app, server):
    result = run(app, "send", "ann@example.com, bob@example.com", status=1)
    assert "outcome     not sent\n" in result.stdout
    assert "recipient " not in result.stdout
    assert "more than one address" in result.stderr
    assert not server.recorder.accepted


def test_no_recipient_is_bad_usage(app):
    assert "TO..." in run(app, "send", status=2).stderr


@pytest.mark.parametrize("option", ["--html", "--attach"])
def test_a_missing_file_is_bad_usage_that_names_option_and_file(app, option, tmp_path):
    result = run(app, "send", "a@example.com", option, str(tmp_path / "gone\x1b.txt"), status=2)
    assert f"'{option}'" in result.stderr
    assert "gone\\x1b.txt' cannot be read: No such file" in result.stderr


def test_html_that_is_not_utf_8_is_bad_usage_that_names_option_and_file(app, tmp_path):
    page = tmp_path / "p.html"
    page.write_bytes(b"ab\xff")
    result = run(app, "send", "a@example.com", "--html", str(page), status=2)
    assert "'--html'" in result.stderr
    assert "p.html' is not UTF-8 at byte 2" in result.stderr


def test_stdin_that_is_not_utf_8_is_a_usage_error(app):
    result = run(app, "send", "a@example.com", "--body", "-", input=b"\xff", status=2)
    assert "'--body': standard input is not UTF-8 at byte 0" in result.stderr


def test_under_testing_a_note_says_that_nothing_left(app, server):
    app.config["TESTING"] = True
    result = run(app, "send", "ann@example.com")
    assert "backend     locmem\n" in result.stdout
    assert (
        "note        Nothing left this machine: TESTING replaces smtp with locmem.\n"
        in result.stdout
    )
    assert not server.recorder.accepted


def test_under_suppression_a_note_says_that_nothing_left(app):
    app.config["MAIL_SUPPRESS_SEND"] = "yes"
    result = run(app, "send", "ann@example.com")
    assert "MAIL_SUPPRESS_SEND replaces smtp with null." in result.stdout


def test_a_local_backend_that_the_settings_choose_is_noted():
    result = run(make_app(MAIL_BACKEND="null"), "send", "ann@example.com")
    assert "Nothing left this machine: null is a local backend." in result.stdout


def test_a_named_backend_is_used_also_under_testing(app, server):
    app.config["TESTING"] = True
    result = run(app, "send", "ann@example.com", "--backend", "smtp")
    assert "note" not in result.stdout
    assert received(server)


def test_a_named_local_backend_is_noted(app, server):
    result = run(app, "send", "ann@example.com", "--backend", "locmem")
    assert "backend     locmem\n" in result.stdout
    assert "note        Nothing left this machine: locmem is a local backend." in result.stdout
    assert not server.recorder.accepted


def test_a_name_that_nobody_has_is_bad_usage_with_the_nearest_one(app):
    result = run(app, "send", "ann@example.com", "--backend", "smpt", status=2)
    assert "'--backend': 'smpt' is not installed; did you mean 'smtp'?" in result.stderr


def test_send_reports_a_backend_that_cannot_be_loaded(app):
    result = run(app, "send", "ann@example.com", "--backend", "nowhere:Backend", status=1)
    assert result.stdout == ""
    assert result.stderr.startswith("Not sent: MAIL_BACKEND 'nowhere:Backend' could not be")


def test_send_reports_settings_without_a_backend(app):
    app.config["MAIL_BACKEND"] = "smpt"
    result = run(app, "send", "ann@example.com", status=1)
    assert "Not sent: MAIL_BACKEND 'smpt' is not installed" in result.stderr


class Recording(Backend[str]):
    """A backend with sessions, which a test looks at."""

    name = "recording"
    events: list[str] = []  # noqa: RUF012

    def open(self):
        self.events.append("open")
        return "session"

    def close(self, session):
        self.events.append(f"close {session}")

    def deliver(self, mail, session):
        self.events.append(f"deliver {session}")
        return self.accepted(mail)


class Unreachable(Backend[str]):
    name = "unreachable"
    closed = False

    def open(self):
        raise BackendUnavailable("Nobody is there.")

    def close(self, session):
        raise AssertionError("nothing was opened")

    def deliver(self, mail, session):
        raise NotImplementedError


class Exploding(Backend[None]):
    name = "exploding"

    def __init__(self, *, api_token=""):
        self.token = api_token

    def deliver(self, mail, session):
        raise RuntimeError(f"boom with {self.token}")


def test_failure_that_the_command_prints_is_no_warning_of_the_log(app, caplog):
    caplog.set_level("INFO", "flask_mail")
    run(app, "send", "ann@example.com", "--backend", f"{__name__}:Unreachable", status=1)
    [record] = caplog.records
    assert "not sent by " in record.getMessage()
    assert record.levelname == "INFO"


def test_a_named_backend_gets_its_session_opened_and_closed(app, monkeypatch):
    monkeypatch.setattr(Recording, "events", [])
    run(app, "send", "ann@example.com", "--backend", f"{__name__}:Recording")
    assert Recording.events == ["open", "deliver session", "close session"]


def test_a_session_that_did_not_open_is_not_closed(app):
    result = run(app, "send", "ann@example.com", "--backend", f"{__name__}:Unreachable", status=1)
    assert "Not sent: Nobody is there." in result.stderr


def test_what_a_broken_backend_raises_is_unknown_and_shows_no_secret(app):
    app.config.update(MAIL_BACKEND=Exploding, MAIL_EXPLODING_API_TOKEN="tok-4711")
    result = run(app, "send", "ann@example.com", status=1)
    assert "outcome     unknown\n" in result.stdout
    assert result.stderr == "The message may have been sent: RuntimeError: boom with ***\n"


def test_in_debug_mode_a_broken_backend_shows_its_traceback(app, monkeypatch):
    monkeypatch.setenv("FLASK_DEBUG", "1")
    app.config.update(MAIL_BACKEND=Exploding, MAIL_EXPLODING_API_TOKEN="tok-4711")
    result = run(app, "send", "ann@example.com", status=1)
    assert "\nTraceback (most recent call last):\n" in result.stderr
    assert result.stderr.endswith("\nRuntimeError: boom with ***\n")


def test_an_error_of_a_receiver_does_not_make_a_sent_message_look_unsent(app, server):
    app.config.update(TESTING=True, MAIL_SUPPRESS_SEND=False)

    def receiver(app, message):
        raise KeyError("later")

    with email_dispatched.connected_to(receiver):
        result = run(app, "send", "ann@example.com")
    assert "outcome     sent\n" in result.stdout
    assert result.stderr == "Sent, but something failed after that: KeyError: 'later'\n"
    assert received(server)


class ShelfBackend(Backend):
    name = "shelf"

    def deliver(self, mail, session):
        return self.queued(mail)


def test_an_error_of_a_receiver_does_not_make_a_queued_message_look_lost(app):
    app.config.update(MAIL_BACKEND=ShelfBackend, TESTING=True, MAIL_SUPPRESS_SEND=False)

    def receiver(app, message):
        raise KeyError("later")

    with email_queued.connected_to(receiver):
        result = run(app, "send", "ann@example.com")
    assert "outcome     queued\n" in result.stdout


def test_an_error_of_a_receiver_before_sending_stops_the_message(app, server):
    def receiver(app, message):
        raise PermissionError("not today")

    with email_sending.connected_to(receiver):
        result = run(app, "send", "ann@example.com", status=1)
    assert "Not sent: PermissionError: not today" in result.stderr
    assert not server.recorder.accepted


def test_mail_that_receivers_send_does_not_replace_the_receipt(app, server):
    app.config.update(TESTING=True, MAIL_SUPPRESS_SEND=False)

    def receiver(app, message):
        if message.subject != "copy":
            app.extensions["mail"].send(Message("copy", ["archive@example.com"], "copy"))
            raise KeyError("later")

    with email_dispatched.connected_to(receiver):
        result = run(app, "send", "ann@example.com")
    own = [each for each in server.recorder.accepted if each.rcpt_tos == ["ann@example.com"]]
    message_id = message_from_bytes(own[0].content)["Message-ID"]
    assert f"message id  {message_id}\n" in result.stdout
    assert len(server.recorder.accepted) == 2


def test_a_server_that_echoes_the_login_shows_no_password(tmp_path):
    with smtp_server(Recorder(answers={"MAIL": f"550 I know {PASSWORD}"})) as server:
        app = make_app(MAIL_SERVER=server.host, MAIL_PORT=server.port)
        app.config.update(MAIL_BACKEND="exploding", MAIL_EXPLODING_PASSWORD=PASSWORD)
        result = run(app, "send", "ann@example.com", "--backend", "smtp", status=1)
    assert PASSWORD not in result.output
    assert "550 I know ***" in result.stderr


def test_an_app_without_mail_gets_it_for_the_command_only(server):
    app = make_app(with_mail=False, MAIL_SERVER=server.host, MAIL_PORT=server.port)
    run(app, "send", "ann@example.com")
    assert received(server)
    assert "mail" not in app.extensions


def test_where_another_extension_is_in_the_place_of_ours_nothing_is_done(app, server):
    app.extensions["mail"] = object()
    result = run(app, "send", "ann@example.com", status=1)
    assert "app.extensions['mail'] is a object" in result.stderr
    assert not server.recorder.accepted


def test_a_terminal_that_knows_only_ascii_gets_escapes(app, server):
    server.recorder.answers["DATA"] = "550 nö"
    runner = app.test_cli_runner(charset="ascii")
    result = runner.invoke(mail_cli, args=["send", "bücher@example.com"])
    assert result.exit_code == 1
    assert "recipient   b\\xfccher@example.com\n" in result.stdout


def test_a_job_whose_output_is_closed_sends_all_the_same(app, server, monkeypatch):
    """It must not seem to have failed once the message is sent: whoever retries sends it twice."""
    monkeypatch.setattr(sys, "stdout", None)
    obj = ScriptInfo(create_app=lambda: app)
    assert mail_cli.main(["send", "ann@example.com"], obj=obj, standalone_mode=False) == 0
    assert received(server)


def test_the_flask_command_offers_mail_in_every_app(tmp_path):
    (tmp_path / "plain.py").write_text("from flask import Flask\napp = Flask('plain')\n")
    run = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "plain", "mail", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    for command in ("backends", "check", "send"):
        assert f"\n  {command} " in run.stdout


def test_a_plugin_is_chosen_by_its_name(app, tmp_path, monkeypatch):
    source = backend_source("pigeon")
    install(monkeypatch, tmp_path, "pigeon", backends="pigeon = pigeonry:Plugin", pigeonry=source)
    assert "backend     pigeon\n" in run(app, "send", "a@b.example", "--backend", "pigeon").stdout


@pytest.mark.parametrize("settings", [{}, {"MAIL_BACKEND": "null"}])
def test_a_backend_of_the_command_line_reaches_only_allowed_recipients(settings):
    app = make_app(MAIL_ALLOWED_RECIPIENTS="*@example.com", **settings)
    result = run(app, "send", "--backend", "locmem", "eve@example.net", status=1)
    assert "MAIL_ALLOWED_RECIPIENTS does not allow any of the recipients" in result.stderr
    app.config["MAIL_REDIRECT_TO"] = "qa@example.com"
    run(app, "send", "--backend", "locmem", "eve@example.net")
    [sent] = app.extensions["mail"].selection.build("locmem").outbox
    assert sent.envelope.recipients == ("qa@example.com",)
