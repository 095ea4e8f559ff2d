"""Names that public programs and their test suites patch, replace or import."""

from __future__ import annotations

import smtplib
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from flask import Flask, current_app

import flask_mail
from flask_mail import (
    Attachment,
    BadHeaderError,
    Connection,
    FlaskMailUnicodeDecodeError,
    Mail,
    Message,
    _Mail,
    _MailMixin,
    email_dispatched,
    force_text,
    sanitize_address,
    sanitize_addresses,
    sanitize_subject,
    signals,
)


def hello(**fields: Any) -> Message:
    return Message(
        **{
            "subject": "testing",
            "sender": "from@example.com",
            "recipients": ["to@example.com"],
            "body": "testing",
            **fields,
        }
    )


# --- Patched: the methods that send --------------------------------------------------------------


def test_patching_mail_send_catches_every_message(app: Flask, mail: Mail) -> None:
    msg = hello()

    with mock.patch("flask_mail.Mail.send") as send, mail.record_messages() as outbox:
        mail.send(msg)
        mail.send_message("Hello", recipients=["to@example.com"])

    assert send.call_args_list[0] == mock.call(msg)
    assert send.call_args_list[1].args[0].subject == "Hello"
    assert outbox == []


def test_patching_mail_send_with_its_signature_gives_the_instance_too(
    app: Flask, mail: Mail
) -> None:
    msg = hello()

    with mock.patch("flask_mail.Mail.send", autospec=True) as send:
        mail.send(msg)

    send.assert_called_once_with(mail, msg)


def test_patching_mail_send_leaves_the_state_alone(app: Flask, mail: Mail) -> None:
    msg = hello()

    with mock.patch("flask_mail.Mail.send") as send, mail.record_messages() as outbox:
        app.extensions["mail"].send(msg)

    send.assert_not_called()
    assert outbox == [msg]


def test_patching_the_mixin_catches_mail_and_state(app: Flask, mail: Mail) -> None:
    msg = hello()

    with mock.patch("flask_mail._MailMixin.send") as send:
        mail.send(msg)
        app.extensions["mail"].send(msg)
        app.extensions["mail"].send_message("Hello", recipients=["to@example.com"])

    assert send.call_count == 3
    assert send.call_args_list[:2] == [mock.call(msg), mock.call(msg)]


def test_patching_the_send_of_the_state_catches_what_is_sent_through_it(
    app: Flask, mail: Mail
) -> None:
    msg = hello()

    with mock.patch("flask_mail._Mail.send", side_effect=smtplib.SMTPServerDisconnected) as send:
        mail.send(msg)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            current_app.extensions["mail"].send(msg)

    send.assert_called_once_with(msg)


def test_replacing_send_on_one_instance_catches_send_message(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[Message] = []
    monkeypatch.setattr(mail, "send", caught.append)

    mail.send_message("Hello", recipients=["to@example.com"])

    assert [msg.subject for msg in caught] == ["Hello"]


def test_patching_connection_send_catches_single_messages_and_batches(
    app: Flask, mail: Mail
) -> None:
    msg = hello()

    with mock.patch("flask_mail.Connection.send") as send:
        mail.send(msg)
        app.extensions["mail"].send(msg)
        with mail.connect() as conn:
            conn.send(msg)
            conn.send_message("Hello", recipients=["to@example.com"])

    assert send.call_args_list[:3] == [mock.call(msg)] * 3
    assert send.call_count == 4


def test_an_error_raised_by_a_patched_connection_reaches_the_caller(app: Flask, mail: Mail) -> None:
    refused = smtplib.SMTPRecipientsRefused({"to@example.com": (550, b"no such user")})

    with (
        mock.patch("flask_mail.Connection.send", side_effect=refused),
        pytest.raises(smtplib.SMTPRecipientsRefused) as caught,
    ):
        app.extensions["mail"].send(hello())

    assert caught.value is refused


def test_patching_message_send_catches_every_message(mail: Mail) -> None:
    with mock.patch("flask_mail.Message.send") as send:
        mail.send(hello())

    [call] = send.call_args_list
    assert isinstance(call.args[0], Connection)


def test_a_message_may_send_itself_in_its_own_way(
    live_app: Flask, fake_smtp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Mail.send` asks the message, which gives the connection an envelope sender."""

    def send(self: Message, connection: Connection) -> None:
        self.extra_headers = {"Sender": "bounces@example.com"}
        connection.send(self, "bounces@example.com")

    monkeypatch.setattr(Message, "send", send)
    mail = Mail(live_app)
    with live_app.app_context():
        mail.send(hello())

    [(sender, _, content)] = fake_smtp.sent
    assert sender == "bounces@example.com"
    assert b"Sender: bounces@example.com" in content
    assert b"From: from@example.com" in content


def test_replacing_connection_send_by_a_function_that_returns_nothing(
    live_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs replace SMTP with a web API this way."""
    posted: list[tuple[Message, object]] = []

    def send(self: Connection, message: Message, envelope_from: object = None) -> None:
        posted.append((message, envelope_from))
        self.num_emails += 1

    monkeypatch.setattr(Connection, "configure_host", lambda self: None)
    monkeypatch.setattr(Connection, "send", send)
    mail = Mail(live_app)
    with live_app.app_context():
        msg = hello()
        mail.send(msg)

    assert posted == [(msg, None)]


# --- Patched: the host ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipient", "passed"),
    [
        ("to@example.com", "to@example.com"),
        ("ÄÜÖ → ✓ <to@example.com>", "=?utf-8?b?w4TDnMOWIOKGkiDinJM=?= <to@example.com>"),
        (("ÄÜÖ → ✓", "to@example.com"), "=?utf-8?b?w4TDnMOWIOKGkiDinJM=?= <to@example.com>"),
    ],
)
@pytest.mark.parametrize("body", ["body", "Öö"])
def test_a_mocked_host_is_given_the_message_even_while_testing(
    mail: Mail, recipient: Any, passed: str, body: str
) -> None:
    with mail.connect() as conn, mock.patch.object(conn, "host") as host:
        msg = hello(recipients=[recipient], body=body)
        conn.send(msg)

        host.sendmail.assert_called_once_with(
            "from@example.com",
            [passed],
            msg.as_bytes(),
            msg.mail_options,
            msg.rcpt_options,
        )


def test_a_mocked_host_is_given_the_esmtp_options(mail: Mail) -> None:
    with mail.connect() as conn, mock.patch.object(conn, "host") as host:
        conn.send(hello(mail_options=["BODY=8BITMIME"], rcpt_options=["NOTIFY=SUCCESS"]))

    assert host.sendmail.call_args.args[3:] == (["BODY=8BITMIME"], ["NOTIFY=SUCCESS"])


def test_a_mocked_host_is_given_all_recipients_once(mail: Mail) -> None:
    with mail.connect() as conn, mock.patch.object(conn, "host") as host:
        conn.send(
            hello(
                recipients=["to@example.com", "both@example.com"],
                cc=["cc@example.com", "both@example.com"],
                bcc=["bcc@example.com"],
            )
        )

    assert sorted(host.sendmail.call_args.args[1]) == [
        "bcc@example.com",
        "both@example.com",
        "cc@example.com",
        "to@example.com",
    ]


@pytest.mark.parametrize("envelope_from", ["bounces@example.com", ("", "bounces@example.com")])
def test_a_mocked_host_is_given_the_envelope_sender(mail: Mail, envelope_from: Any) -> None:
    with mail.connect() as conn, mock.patch.object(conn, "host") as host:
        msg = hello()
        conn.send(msg, envelope_from=envelope_from)

    assert host.sendmail.call_args.args[0] == "bounces@example.com"
    assert "From: from@example.com" in msg.as_string()


def test_a_mocked_host_is_gone_when_the_patch_ends(mail: Mail) -> None:
    with mail.connect() as conn:
        with mock.patch.object(conn, "host") as host:
            pass
        conn.send(hello())

    host.sendmail.assert_not_called()


def test_a_suppressed_connection_has_no_host(mail: Mail) -> None:
    with mail.connect() as conn:
        assert conn.host is None
        assert conn.num_emails == 0
        conn.send(hello())
        assert conn.num_emails == 1


def test_patching_configure_host_puts_a_mock_in_the_place_of_smtp(live_app: Flask) -> None:
    mail = Mail(live_app)

    with (
        live_app.app_context(),
        mock.patch("flask_mail.Connection.configure_host") as configure_host,
    ):
        msg = hello()
        mail.send(msg)

    configure_host.assert_called_once_with()
    host = configure_host.return_value
    host.sendmail.assert_called_once()
    assert host.sendmail.call_args.args[:2] == ("from@example.com", ["to@example.com"])
    host.quit.assert_called_once_with()


def test_configure_host_is_not_asked_while_testing(mail: Mail) -> None:
    with mock.patch("flask_mail.Connection.configure_host") as configure_host:
        mail.send(hello())

    configure_host.assert_not_called()


def test_patching_smtp_with_a_mock_shows_the_whole_dialogue(make_app: Callable[..., Flask]) -> None:
    """The mock returns another mock, which must not look like refused recipients."""
    app = make_app(
        MAIL_SERVER="mail.example.com",
        MAIL_PORT=2525,
        MAIL_USE_TLS=True,
        MAIL_USERNAME="someone",
        MAIL_PASSWORD="a secret",
    )
    mail = Mail(app)

    with app.app_context(), mock.patch("flask_mail.smtplib.SMTP") as smtp:
        mail.send(hello())

    assert smtp.call_args.args == ("mail.example.com", 2525)
    host = smtp.return_value
    host.starttls.assert_called_once()
    host.login.assert_called_once_with("someone", "a secret")
    host.sendmail.assert_called_once()
    assert host.sendmail.call_args.args[:2] == ("from@example.com", ["to@example.com"])
    host.quit.assert_called_once_with()


@pytest.mark.parametrize(
    ("patch", "settings"),
    [
        ("mock.patch('smtplib.SMTP')", "{}"),
        ("mock.patch('smtplib.SMTP_SSL')", "{'MAIL_USE_SSL': True}"),
        ("mock.patch.multiple('flask_mail.smtplib.SMTP', connect=connect, sendmail=sent)", "{}"),
    ],
    ids=["class", "class with TLS", "methods"],
)
def test_patch_of_smtplib_works_before_the_first_message(patch: str, settings: str) -> None:
    program = f"""
from unittest import mock
from flask import Flask
from flask_mail import Mail, Message

sent = mock.Mock(return_value={{}})
connect = mock.Mock(return_value=(220, b"ready"))
app = Flask("app")
app.config.update({settings}, MAIL_DEFAULT_SENDER="from@example.com")
mail = Mail(app)
with {patch} as smtp, app.app_context():
    assert mail.send(Message("testing", ["to@example.com"], body="testing")).sent
(sent if connect.called else smtp.return_value.sendmail).assert_called_once()

from flask_mail.smtp import legacy

assert not legacy.is_replaced(mail.selection.backend().server)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_patching_smtp_ssl_with_a_mock_serves_implicit_tls(make_app: Callable[..., Flask]) -> None:
    app = make_app(MAIL_SERVER="mail.example.com", MAIL_PORT=465, MAIL_USE_SSL=True)
    mail = Mail(app)

    with (
        app.app_context(),
        mock.patch("flask_mail.smtplib.SMTP") as plain,
        mock.patch("flask_mail.smtplib.SMTP_SSL") as implicit,
    ):
        mail.send(hello())

    plain.assert_not_called()
    assert implicit.call_args.args == ("mail.example.com", 465)
    implicit.return_value.starttls.assert_not_called()
    implicit.return_value.sendmail.assert_called_once()


@pytest.mark.parametrize(
    "error",
    [
        smtplib.SMTPRecipientsRefused({"to@example.com": (550, b"no such user")}),
        smtplib.SMTPSenderRefused(550, b"not you", "from@example.com"),
        smtplib.SMTPDataError(554, b"no"),
        smtplib.SMTPServerDisconnected("gone"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_a_mocked_host_is_caught_as_what_it_is(
    live_app: Flask, error: Exception
) -> None:
    mail = Mail(live_app)

    with live_app.app_context(), mock.patch("flask_mail.smtplib.SMTP") as smtp:
        smtp.return_value.sendmail.side_effect = error
        with pytest.raises(type(error)) as caught, mail.record_messages() as outbox:
            mail.send(hello())

    for name, value in vars(error).items():
        assert getattr(caught.value, name) == value
    assert outbox == []


def test_a_hand_written_smtp_class_serves_without_login_and_tls(
    live_app: Flask, fake_smtp: Any
) -> None:
    mail = Mail(live_app)

    with live_app.app_context():
        msg = hello()
        mail.send(msg)
        content = msg.as_bytes()

    [session] = fake_smtp.opened
    assert (session.host, session.port) == ("mail.example.com", 2525)
    assert session.sent == [("from@example.com", ["to@example.com"], content)]
    assert session.options == [([], [])]
    assert not session.tls
    assert session.credentials is None
    assert session.quits == 1


def test_a_hand_written_smtp_class_serves_starttls_and_login(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app(
        MAIL_SERVER="mail.example.com",
        MAIL_PORT=587,
        MAIL_USE_TLS=True,
        MAIL_USERNAME="someone",
        MAIL_PASSWORD="a secret",
    )
    mail = Mail(app)

    with app.app_context():
        mail.send(hello())

    [session] = fake_smtp.opened
    assert session.tls
    assert session.credentials == ("someone", "a secret")
    assert len(session.sent) == 1


def test_a_hand_written_smtp_ssl_class_serves_implicit_tls(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app(MAIL_SERVER="mail.example.com", MAIL_PORT=465, MAIL_USE_SSL=True)
    mail = Mail(app)

    with app.app_context():
        mail.send(hello())

    [session] = fake_smtp.opened
    assert (session.host, session.port) == ("mail.example.com", 465)
    assert session.implicit_tls


# --- Patched: the rest ---------------------------------------------------------------------------


def test_patching_make_msgid_with_a_mock_fixes_the_message_id(mail: Mail) -> None:
    with mock.patch("flask_mail.make_msgid", return_value="<fixed@example.com>") as make_msgid:
        msg = hello()

        assert msg.msgId == "<fixed@example.com>"
        assert "Message-ID: <fixed@example.com>" in msg.as_string()

    make_msgid.assert_called_once()


def test_patching_make_msgid_with_a_function_that_takes_nothing(mail: Mail) -> None:
    """The function is asked when the message is made, so the id outlives the patch."""

    def make_msgid() -> str:
        return "<fixed@example.com>"

    with mock.patch("flask_mail.make_msgid", make_msgid):
        msg = hello()

    assert msg.msgId == "<fixed@example.com>"


def test_patching_the_class_of_the_state_replaces_what_an_app_gets(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app()

    with mock.patch("flask_mail._Mail") as state_class:
        mail = Mail(app)

    state_class.assert_called_once()
    assert app.extensions["mail"] is state_class.return_value
    assert mail.state is state_class.return_value


def test_replacing_the_connection_class_of_the_module(
    live_app: Flask, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OwnConnection(Connection):
        def configure_host(self) -> Any:
            return host

    monkeypatch.setattr(flask_mail, "Connection", OwnConnection)
    mail = Mail(live_app)
    with live_app.app_context():
        mail.send(hello())
        live_app.extensions["mail"].send(hello())

    assert len(host.sent) == 2


# --- Imported ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "sanitized"),
    [
        ("to@example.com", "to@example.com"),
        ("<to@example.com>", "to@example.com"),
        (("", "to@example.com"), "to@example.com"),
        ("ÄÜÖ → ✓ <to@example.com>", "=?utf-8?b?w4TDnMOWIOKGkiDinJM=?= <to@example.com>"),
        (("ÄÜÖ → ✓", "to@example.com"), "=?utf-8?b?w4TDnMOWIOKGkiDinJM=?= <to@example.com>"),
        ("someone@bücher.example", "someone@xn--bcher-kva.example"),
    ],
)
def test_sanitize_address_gives_the_form_for_a_header(address: Any, sanitized: str) -> None:
    assert sanitize_address(address) == sanitized


def test_sanitize_address_takes_a_character_set() -> None:
    in_latin_1 = "=?iso-8859-1?q?Zo=EB?= <to@example.com>"

    assert sanitize_address("Zoë <to@example.com>", "iso-8859-1") == in_latin_1
    assert sanitize_address("Zoë <to@example.com>", encoding="iso-8859-1") == in_latin_1
    assert sanitize_address("→ <to@example.com>", "iso-8859-1").startswith("=?utf-8?")


def test_sanitize_addresses_sanitizes_each_in_order() -> None:
    assert list(sanitize_addresses(["b@example.com", ("Ä", "a@example.com")])) == [
        "b@example.com",
        "=?utf-8?b?w4Q=?= <a@example.com>",
    ]


def test_sanitize_subject_encodes_what_is_not_ascii() -> None:
    assert sanitize_subject("subject") == "subject"
    assert sanitize_subject("sübject") == "=?utf-8?q?s=C3=BCbject?="
    assert sanitize_subject("sübject", "iso-8859-1") == "=?iso-8859-1?q?s=FCbject?="
    assert sanitize_subject("→", "iso-8859-1") == "=?utf-8?b?4oaS?="


def test_force_text_makes_text_of_anything(lazy: Callable[[str], Any]) -> None:
    assert force_text("ä") == "ä"
    assert force_text("ä".encode()) == "ä"
    assert force_text("ä".encode("latin-1"), "latin-1") == "ä"
    assert force_text(b"\xff", errors="replace") == "�"
    assert force_text(7) == "7"
    assert force_text(lazy("translated")) == "translated"


def test_force_text_shows_what_it_could_not_decode() -> None:
    with pytest.raises(FlaskMailUnicodeDecodeError, match=r"You passed in b'\\xff'") as caught:
        force_text(b"\xff")

    assert isinstance(caught.value, UnicodeDecodeError)
    assert caught.value.obj == b"\xff"


def test_the_signal_is_in_the_namespace() -> None:
    assert signals["email-dispatched"] is email_dispatched
    assert signals.signal("email-dispatched") is email_dispatched
    assert email_dispatched.name == "email-dispatched"


def test_the_class_tree_is_as_it_was() -> None:
    assert issubclass(BadHeaderError, Exception)
    assert issubclass(Mail, _MailMixin)
    assert issubclass(_Mail, _MailMixin)
    assert not issubclass(Mail, _Mail)


def test_the_old_name_of_has_bad_headers_warns_and_answers(mail: Mail) -> None:
    with pytest.warns(DeprecationWarning, match="has_bad_headers"):
        assert hello(subject="bad\nsubject").is_bad_headers() is True


def test_the_parameters_of_a_message_keep_their_order(mail: Mail) -> None:
    attachment = Attachment("a.txt", "text/plain", b"a", "inline", {"X-A": "a"})
    msg = Message(
        "subject",
        ["to@example.com"],
        "body",
        "<p>html</p>",
        {"calendar": "BEGIN:VCALENDAR"},
        "from@example.com",
        ["cc@example.com"],
        ["bcc@example.com"],
        [attachment],
        "reply@example.com",
        1.0,
        "utf-8",
        {"X-Extra": "Yes"},
        ["BODY=8BITMIME"],
        ["NOTIFY=SUCCESS"],
    )

    assert msg.subject == "subject"
    assert msg.recipients == ["to@example.com"]
    assert msg.body == "body"
    assert msg.html == "<p>html</p>"
    assert msg.alts == {"calendar": "BEGIN:VCALENDAR", "html": "<p>html</p>"}
    assert msg.sender == "from@example.com"
    assert msg.cc == ["cc@example.com"]
    assert msg.bcc == ["bcc@example.com"]
    assert msg.attachments == [attachment]
    assert msg.reply_to == "reply@example.com"
    assert msg.date == 1.0
    assert msg.charset == "utf-8"
    assert msg.extra_headers == {"X-Extra": "Yes"}
    assert msg.mail_options == ["BODY=8BITMIME"]
    assert msg.rcpt_options == ["NOTIFY=SUCCESS"]
    assert (attachment.disposition, attachment.headers) == ("inline", {"X-A": "a"})


def test_the_lists_of_an_empty_message_are_empty_and_its_own(mail: Mail) -> None:
    first, second = Message(), Message()
    for name in ("recipients", "cc", "bcc", "attachments", "mail_options", "rcpt_options"):
        assert getattr(first, name) == []
        getattr(first, name).append("something")
        assert getattr(second, name) == []

    assert first.extra_headers is None
    assert first.charset is None
