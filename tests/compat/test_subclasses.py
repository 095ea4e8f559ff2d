"""Subclasses in public programs: of `Connection`, `Mail`, its state and `Message`."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, current_app

from flask_mail import (
    Connection,
    Mail,
    Message,
    _Mail,
    _MailMixin,
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


# --- Connection ----------------------------------------------------------------------------------


def mail_class_for(connection_class: type[Connection]) -> type[Mail]:
    """Return a `Mail` that hands out `connection_class`, as programs write it."""

    class OwnMail(Mail):
        def connect(self) -> Connection:
            app = getattr(self, "app", None) or current_app
            return connection_class(app.extensions["mail"])

    return OwnMail


def test_a_subclass_chooses_its_own_host(live_app: Flask, host: Any) -> None:
    class OwnConnection(Connection):
        def configure_host(self) -> Any:
            return host

    mail = mail_class_for(OwnConnection)(live_app)
    with live_app.app_context(), mail.record_messages() as outbox:
        msg = hello(recipients=["ÄÜÖ → ✓ <to@example.com>"], mail_options=["BODY=8BITMIME"])
        mail.send(msg)
        content = msg.as_bytes()

    to = "=?utf-8?b?w4TDnMOWIOKGkiDinJM=?= <to@example.com>"
    assert host.sent == [("from@example.com", [to], content)]
    assert host.options == [(["BODY=8BITMIME"], [])]
    assert host.quits == 1
    assert outbox == [msg]


def test_a_subclass_keeps_its_host_for_a_batch(live_app: Flask, host: Any) -> None:
    class OwnConnection(Connection):
        def configure_host(self) -> Any:
            return host

    mail = mail_class_for(OwnConnection)()
    mail.init_app(live_app)
    with live_app.app_context(), mail.connect() as conn:
        assert conn.host is host
        assert conn.mail is live_app.extensions["mail"]
        conn.send(hello())
        conn.send_message("Hello", recipients=["to@example.com"])
        hello().send(conn)
        assert host.quits == 0

    assert len(host.sent) == 3
    assert host.quits == 1


def test_a_subclass_that_fails_to_connect_tells_its_own_error(live_app: Flask) -> None:
    class OwnConnection(Connection):
        def configure_host(self) -> Any:
            raise TimeoutError("my own words")

    mail = mail_class_for(OwnConnection)(live_app)
    with live_app.app_context(), pytest.raises(TimeoutError, match="my own words"):
        mail.send(hello())


def test_a_subclass_is_asked_for_a_new_host_after_the_most_messages(
    make_app: Callable[..., Flask], host: Any
) -> None:
    app = make_app(MAIL_MAX_EMAILS=2)
    asked: list[Connection] = []

    class OwnConnection(Connection):
        def configure_host(self) -> Any:
            asked.append(self)
            return host

    mail = mail_class_for(OwnConnection)(app)
    with app.app_context(), mail.connect() as conn:
        for _ in range(5):
            conn.send(hello())

    assert len(host.sent) == 5
    assert len(asked) == 3
    assert host.quits == 3


def test_a_subclass_is_not_asked_while_testing(app: Flask) -> None:
    class OwnConnection(Connection):
        def configure_host(self) -> Any:
            raise AssertionError("a test reached for the network")

    mail = mail_class_for(OwnConnection)(app)
    with mail.record_messages() as outbox:
        mail.send(hello())

    assert len(outbox) == 1


def test_a_subclass_reads_the_settings_and_returns_a_real_smtp_session(
    make_app: Callable[..., Flask], smtp_server: Any
) -> None:
    """The time-limit recipe: programs repeat 0.10's method and add `timeout`."""

    class PatientConnection(Connection):
        def configure_host(self) -> smtplib.SMTP:
            if self.mail.use_ssl:
                host = smtplib.SMTP_SSL(self.mail.server, self.mail.port, timeout=10)
            else:
                host = smtplib.SMTP(self.mail.server, self.mail.port, timeout=10)
            host.set_debuglevel(int(self.mail.debug))
            if self.mail.use_tls:
                host.starttls()
            if self.mail.username and self.mail.password:
                host.login(self.mail.username, self.mail.password)
            return host

    app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=smtp_server.port)
    mail = mail_class_for(PatientConnection)(app)
    with app.app_context():
        msg = hello(
            sender=("Mé", "me@example.com"),
            recipients=["Zoë <to@example.com>"],
            bcc=["hidden@example.com"],
        )
        mail.send(msg)
        content = msg.as_bytes()

    [delivery] = smtp_server.deliveries
    assert delivery.sender == "me@example.com"
    assert sorted(delivery.recipients) == ["hidden@example.com", "to@example.com"]
    assert delivery.content.rstrip() == content.rstrip()


def test_a_subclass_may_set_its_host_itself_as_well_as_return_it(
    live_app: Flask, host: Any
) -> None:
    class OwnConnection(Connection):
        def configure_host(self) -> Any:
            self.host = host
            return self.host

    mail = mail_class_for(OwnConnection)(live_app)
    with live_app.app_context():
        mail.send(hello())

    assert len(host.sent) == 1
    assert host.quits == 1


def test_a_subclass_may_wrap_send(live_app: Flask, host: Any) -> None:
    class OwnConnection(Connection):
        def configure_host(self) -> Any:
            return host

        def send(self, message: Message, envelope_from: Any = None) -> Any:
            message.subject = f"[staging] {message.subject}"
            return super().send(message, envelope_from)

    mail = mail_class_for(OwnConnection)(live_app)
    with live_app.app_context():
        mail.send(hello())

    [(_, _, content)] = host.sent
    assert b"Subject: [staging] testing" in content


# --- the state -----------------------------------------------------------------------------------


def test_the_state_is_made_of_the_eleven_settings_by_position(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    """A second account beside the one of the app: a state and a connection made by hand."""
    app = make_app(MAIL_SERVER="transactional.example.com")
    Mail(app)
    other = _Mail(
        "bulk.example.com", None, None, 2526, False, False, None, False, None, False, False
    )

    with app.app_context(), Connection(other) as conn:
        conn.send(hello())

    [session] = fake_smtp.opened
    assert (session.host, session.port) == ("bulk.example.com", 2526)
    assert len(session.sent) == 1


def test_the_state_is_made_of_the_eleven_settings_by_name(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    app = make_app(TESTING=True)
    Mail(app)
    other = _Mail(
        server="bulk.example.com",
        username="token",
        password="token",
        port=587,
        use_tls=True,
        use_ssl=False,
        default_sender=None,
        debug=0,
        max_emails=None,
        suppress=False,
        ascii_attachments=False,
    )

    with app.app_context():
        conn = Connection(other)
        conn.__enter__()
        conn.send(hello())
        conn.__exit__(None, None, None)

    [session] = fake_smtp.opened
    assert session.host == "bulk.example.com"
    assert session.tls
    assert session.credentials == ("token", "token")
    assert session.quits == 1


def test_a_subclass_of_mail_makes_its_own_state(live_app: Flask, fake_smtp: Any) -> None:
    class OwnState(_Mail):
        envelope_from: str

        def send(self, message: Message) -> None:
            with self.connect() as connection:
                connection.send(message, self.envelope_from)

    class OwnMail(Mail):
        def init_mail(self, config: Any, debug: bool = False, testing: bool = False) -> OwnState:
            state = OwnState(
                config.get("MAIL_SERVER", "127.0.0.1"),
                config.get("MAIL_USERNAME"),
                config.get("MAIL_PASSWORD"),
                config.get("MAIL_PORT", 25),
                config.get("MAIL_USE_TLS", False),
                config.get("MAIL_USE_SSL", False),
                config.get("MAIL_DEFAULT_SENDER"),
                int(config.get("MAIL_DEBUG", debug)),
                config.get("MAIL_MAX_EMAILS"),
                config.get("MAIL_SUPPRESS_SEND", testing),
                config.get("MAIL_ASCII_ATTACHMENTS", False),
            )
            state.envelope_from = "bounces@example.com"
            return state

    OwnMail(live_app)
    with live_app.app_context():
        current_app.extensions["mail"].send(hello())

    assert type(live_app.extensions["mail"]) is OwnState
    assert [sender for sender, _, _ in fake_smtp.sent] == ["bounces@example.com"]
    assert fake_smtp.opened[0].host == "mail.example.com"


def test_a_state_is_given_its_own_connect(live_app: Flask, host: Any) -> None:
    class OwnConnection(Connection):
        def configure_host(self) -> Any:
            assert self.mail.timeout == 10
            return host

    class OwnMail(Mail):
        def init_app(self, app: Flask) -> _Mail:
            state = super().init_app(app)
            state.timeout = 10
            state.connect = lambda: OwnConnection(state)
            return state

    OwnMail(live_app)
    with live_app.app_context():
        live_app.extensions["mail"].send(hello())

    assert len(host.sent) == 1


def test_any_object_with_the_attributes_of_a_state_serves_as_one(
    make_app: Callable[..., Flask], fake_smtp: Any
) -> None:
    class Settings(_MailMixin):
        server = "mail.example.com"
        username = password = default_sender = max_emails = None
        port = 2525
        use_tls = use_ssl = suppress = ascii_attachments = False
        debug = 0

    app = make_app()
    app.extensions["mail"] = Settings()
    with app.app_context():
        app.extensions["mail"].send(hello())
        Mail().send(hello())

    assert [session.host for session in fake_smtp.opened] == ["mail.example.com"] * 2
    assert len(fake_smtp.sent) == 2


# --- Message -------------------------------------------------------------------------------------


def test_what_a_subclass_renders_is_what_is_sent(live_app: Flask, fake_smtp: Any) -> None:
    """Programs sign their mail this way."""

    class SignedMessage(Message):
        def as_bytes(self) -> bytes:
            return b"DKIM-Signature: v=1; b=abc\r\n" + super().as_bytes()

    mail = Mail(live_app)
    with live_app.app_context():
        mail.send(SignedMessage("Hello", ["to@example.com"]))

    [(_, _, content)] = fake_smtp.sent
    assert content.startswith(b"DKIM-Signature: v=1; b=abc\r\n")


def test_a_subclass_renders_from_the_message_tree(live_app: Flask, fake_smtp: Any) -> None:
    """Programs wrap their mail in S/MIME with an adapter of the tree of parts."""

    class Adapter(Message):
        def __init__(self, message: Message) -> None:
            super().__init__()
            self.__dict__.update(message.__dict__.copy())

        def as_bytes(self) -> bytes:
            tree = self._message()
            tree["X-Signed"] = "yes"
            del tree["Message-ID"]
            return tree.as_bytes()

    mail = Mail(live_app)
    with live_app.app_context():
        mail.send(Adapter(hello(html="<p>testing</p>")))

    [(sender, recipients, content)] = fake_smtp.sent
    assert (sender, recipients) == ("from@example.com", ["to@example.com"])
    assert b"X-Signed: yes\r\n" in content
    assert b"Message-ID" not in content
    assert b"<p>testing</p>" in content


def test_a_subclass_may_have_a_send_of_its_own(live_app: Flask, fake_smtp: Any) -> None:
    class OwnMessage(Message):
        def send_to_each(self, mail: Mail) -> None:
            with mail.connect() as connection:
                for recipient in list(self.recipients):
                    self.recipients = [recipient]
                    Message.send(self, connection)

    mail = Mail(live_app)
    with live_app.app_context():
        OwnMessage("Hello", ["a@example.com", "b@example.com"]).send_to_each(mail)

    assert len(fake_smtp.opened) == 1
    assert [to for _, to, _ in fake_smtp.sent] == [["a@example.com"], ["b@example.com"]]
