"""The outbox of a test: what comes into it, and that nothing leaves meanwhile."""

from __future__ import annotations

import pickle
import smtplib
from types import SimpleNamespace

import pytest
from flask import Flask

from flask_mail import (
    BackendNotFound,
    Connection,
    Mail,
    Message,
    MessageError,
    Outcome,
    email_dispatched,
    email_sending,
)
from flask_mail.backends import Backend
from flask_mail.cli import mail_cli
from flask_mail.delivery import copies
from flask_mail.testing import Outbox, backends


class RealBackend(Backend[None]):
    """Stands for whatever would mail somebody."""

    name = "real"

    def open(self):
        raise AssertionError("A connection was opened.")

    def deliver(self, mail, session):
        raise AssertionError("Real mail was sent.")


def app_with(**config):
    app = Flask("shop")
    app.config.update(MAIL_DEFAULT_SENDER="shop@example.com", **config)
    return app


@pytest.fixture
def app():
    return app_with(MAIL_BACKEND=RealBackend)


@pytest.fixture
def mail(app):
    return Mail(app)


def send(mail, subject="Hello", to="ann@example.com", **fields):
    return mail.send_message(subject, [to], **fields)


@pytest.mark.parametrize(
    "config",
    [
        {"MAIL_BACKEND": RealBackend},
        {"MAIL_BACKEND": RealBackend, "TESTING": True},
        {"MAIL_BACKEND": RealBackend, "MAIL_SUPPRESS_SEND": False},
        {"MAIL_BACKEND": RealBackend, "MAIL_SUPPRESS_SEND": True},
        {"MAIL_BACKEND": "smtp", "MAIL_SERVER": "smtp.invalid"},
        {"MAIL_BACKEND": "console"},
        {"MAIL_BACKEND": "file", "MAIL_FILE_PATH": "/nonexistent/mail"},
        {"MAIL_BACKEND": "null"},
        {"MAIL_BACKEND": "locmem"},
        {},
    ],
)
def test_messages_come_whatever_the_app_configures(outbox, config, capsys):
    receipt = send(Mail(app_with(**config)))
    assert receipt.sent
    assert receipt.backend == "locmem"
    assert [message.subject for message in outbox] == ["Hello"]
    assert capsys.readouterr().out == ""


def test_every_way_to_send_leads_here(outbox, app, mail):
    send(mail, "by mail")
    mail.send(Message("by message", ["a@example.com"], sender="b@example.com"))
    batch = [Message(each, ["a@example.com"], sender="b@example.com") for each in ("one", "two")]
    assert [each.outcome for each in mail.send_many(batch)] == [Outcome.SENT] * 2
    with mail.connect() as connection:
        connection.send_message("by connection", ["a@example.com"])
    app.extensions["mail"].send_message("by state", ["a@example.com"])
    expected = ["by mail", "by message", "one", "two", "by connection", "by state"]
    assert [message.subject for message in outbox] == expected


def test_a_message_of_a_request_and_of_a_command_comes(outbox, app, mail):
    app.add_url_rule("/", view_func=lambda: send(mail, "by request").outcome.value)
    app.cli.command("nightly")(lambda: send(mail, "by command"))

    assert app.test_client().get("/").text == "sent"
    assert app.test_cli_runner().invoke(args=["nightly"]).exit_code == 0
    assert [message.subject for message in outbox] == ["by request", "by command"]


def test_the_command_that_sends_through_a_named_backend_reaches_nobody(outbox, app, mail):
    arguments = ["send", "ann@example.com", "--backend", "smtp", "--subject", "Test"]
    done = app.test_cli_runner().invoke(mail_cli, arguments)
    assert done.exit_code == 0, done.output
    assert outbox.last.subject == "Test"


def test_a_connection_that_was_opened_before_leads_here_too(app):
    app.config.update(MAIL_BACKEND="null")
    mail = Mail(app)
    with mail.connect() as connection:
        connection.send_message("before", ["a@example.com"])
        with Outbox() as outbox:
            connection.send_message("in the test", ["a@example.com"])
        connection.send_message("after", ["a@example.com"])
    assert [message.subject for message in outbox] == ["in the test"]


def test_a_host_of_the_programs_own_gets_nothing(outbox, mail):
    host = SimpleNamespace(sendmail=lambda *_: pytest.fail("Real mail was sent."))
    with mail.connect() as connection:
        connection.host = host
        connection.send_message("Hello", ["a@example.com"])
    assert len(outbox) == 1


def test_no_host_is_made_by_a_connection_that_makes_its_own(outbox, app, mail):
    class Own(Connection):
        def configure_host(self):
            return smtplib.SMTP("smtp.invalid")

    with Own(app.extensions["mail"]) as connection:
        connection.send_message("Hello", ["a@example.com"])
    assert len(outbox) == 1


def test_it_is_empty_at_the_start_and_gets_nothing_after_the_end(app):
    app.config.update(MAIL_BACKEND="null")
    mail = Mail(app)
    send(mail, "before")
    with Outbox() as outbox:
        assert not outbox
        send(mail, "during")
    send(mail, "after")
    assert [message.subject for message in outbox] == ["during"]


def test_an_inner_outbox_takes_the_messages_from_the_outer_one(mail):
    with Outbox() as outer:
        with Outbox() as inner:
            send(mail, "inner")
        send(mail, "outer")
    assert [message.subject for message in inner] == ["inner"]
    assert [message.subject for message in outer] == ["outer"]


def test_an_outbox_is_for_one_test(mail):
    used = Outbox()
    with used:
        pass
    with pytest.raises(RuntimeError, match="create a new one"), used:
        pass


def test_what_mail_refuses_is_refused_here(outbox, mail):
    with pytest.raises(MessageError, match="no domain"):
        send(mail, to="ann")
    with pytest.raises(MessageError, match="newlines"):
        send(mail, "Hello\nBcc: eve@example.com")
    assert outbox == []


def test_a_backend_that_does_not_exist_is_still_told(outbox, app, mail):
    app.config["MAIL_BACKEND"] = "smpt"
    with pytest.raises(BackendNotFound, match="did you mean 'smtp'"):
        send(mail)


def test_signals_fire_as_in_production(outbox, app, mail):
    heard = []

    def sending(message):
        message.subject = "changed"

    def dispatched(app, message, receipt):
        heard.append((app, message.subject, receipt.sent))

    with email_sending.connected_to(sending), email_dispatched.connected_to(dispatched):
        send(mail)
    assert heard == [(app, "changed", True)]
    assert outbox.last.subject == "changed"


def test_mail_outbox_and_recorded_messages_go_on(outbox):
    mail = Mail(app_with(TESTING=True))
    with mail.record_messages() as recorded:
        send(mail)
    assert [each.subject for each in mail.outbox] == ["Hello"]
    assert [each.subject for each in recorded] == ["Hello"]
    assert len(outbox) == 1


def test_messages_are_copies_that_know_their_envelope(outbox, mail):
    message = Message("Hello", ["Ann <ann@example.com>"], "Hi", bcc=["bob@example.com"])
    message.sender = "shop@example.com"
    mail.send(message)
    message.subject = "changed later"
    assert outbox.last.subject == "Hello"
    assert outbox.last.envelope.recipients == ("ann@example.com", "bob@example.com")
    assert pickle.loads(pickle.dumps(outbox.last)).subject == "Hello"


def test_receipts_are_in_the_order_of_the_messages(outbox, mail):
    given = [send(mail, "one"), send(mail, "two")]
    assert [each.message_id for each in outbox.receipts] == [each.message_id for each in given]


def test_to_finds_what_went_to_an_address_by_any_field(outbox, mail):
    send(mail, "to", "ann@example.com")
    send(mail, "cc", cc=["Bob <bob@EXAMPLE.com>"])
    send(mail, "bcc", bcc=["bob@example.com"])
    assert [each.subject for each in outbox.to("bob@example.com")] == ["cc", "bcc"]
    assert [each.subject for each in outbox.to(("Bob", "bob@example.com"))] == ["cc", "bcc"]
    assert outbox.to("Bob@example.com") == []  # only the domain is the same in any case


def test_to_takes_addresses_only(outbox):
    with pytest.raises(MessageError, match="no domain"):
        outbox.to("bob")


def test_it_is_a_sequence(outbox, mail):
    for subject in ("one", "two", "three"):
        send(mail, subject)
    assert len(outbox) == 3
    assert outbox[0].subject == "one"
    assert [each.subject for each in outbox[1:]] == ["two", "three"]
    assert outbox.last is outbox[-1]
    assert outbox == list(outbox)
    assert outbox != []
    assert outbox != "one"
    assert outbox != 3
    assert repr(outbox) == "<Outbox: 3 messages were sent: one, two, three>"


def test_clear_forgets_what_was_sent(outbox, mail):
    send(mail)
    outbox.clear()
    assert outbox == []
    assert repr(outbox) == "<Outbox: 0 messages were sent>"
    with pytest.raises(AssertionError, match="Nothing was sent"):
        _ = outbox.last


def test_the_last_message_of_an_empty_outbox_is_a_failure_that_says_so(outbox):
    with pytest.raises(AssertionError, match="^Nothing was sent\\.$"):
        _ = outbox.last


def test_apps_without_outbox_pay_nothing():
    """The core asks only once the kit is in use."""
    import subprocess
    import sys

    program = (
        "import sys, flask_mail\n"
        "from flask_mail.extension import mailers\n"
        "assert mailers.capture is None\n"
        "assert 'flask_mail.testing' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("octets", [10, 300_000])  # the larger one travels in blocks
def test_a_file_that_is_deleted_once_it_is_sent_can_be_looked_at(mail, tmp_path, octets):
    path = tmp_path / "report.bin"
    path.write_bytes(b"x" * octets)
    message = Message("Report", ["ann@example.com"], "Hi")
    message.attach_file(path)
    with Outbox(tmp_path) as outbox:
        mail.send(message)
    path.unlink()

    sent = outbox.assert_sent(attachment=lambda each: each.read() == b"x" * octets)
    assert outbox.assert_sent(headers={"Subject": "Report"}) is sent
    with pytest.raises(AssertionError, match=f"report.bin: .*, {octets} bytes"):
        outbox.assert_matches("report")


def test_a_file_that_is_very_large_takes_no_memory(mail, tmp_path, monkeypatch):
    for module in (backends, copies):
        monkeypatch.setattr(module, "MOST_KEPT", 100_000)
    path = tmp_path / "report.bin"
    path.write_bytes(b"x" * 300_000)
    message = Message("Report", ["ann@example.com"], "Hi")
    message.attach_file(path)
    with Outbox() as outbox:
        mail.send(message)

    outbox.assert_sent(attachment=lambda each: len(each.read()) == 300_000)
    path.unlink()
    with pytest.raises(MessageError, match="cannot be read any more"):
        outbox.assert_sent(headers={"Subject": "Report"})
