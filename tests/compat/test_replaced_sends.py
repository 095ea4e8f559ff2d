"""Programs that send in their own way find the host that 0.10 gave them, also in `mail.send()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from flask import Flask, current_app

from flask_mail import Connection, Mail, Message, email_dispatched, sanitize_addresses


def hello(**fields: Any) -> Message:
    return Message("testing", ["to@example.com"], "testing", sender="from@example.com", **fields)


def send_by_the_host(self: Connection, message: Message, envelope_from: Any = None) -> None:
    if self.host:
        self.host.sendmail(
            envelope_from or message.sender,
            list(sanitize_addresses(message.send_to)),
            message.as_bytes(),
            message.mail_options,
            message.rcpt_options,
        )
    email_dispatched.send(current_app._get_current_object(), message=message)
    self.num_emails += 1
    if self.num_emails == self.mail.max_emails:
        self.num_emails = 0
        if self.host:
            self.host.quit()
            self.host = self.configure_host()


class OwnConnection(Connection):
    send = send_by_the_host


def mail_of(connection_class: type[Connection]) -> type[Mail]:
    class OwnMail(Mail):
        def connect(self) -> Connection:
            app = getattr(self, "app", None) or current_app
            return connection_class(app.extensions["mail"])

    return OwnMail


@pytest.fixture
def server_app(make_app: Callable[..., Flask], smtp_server: Any) -> Flask:
    return make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=smtp_server.port)


def test_an_overridden_send_finds_a_host_in_mail_send(server_app: Flask, smtp_server: Any) -> None:
    mail = mail_of(OwnConnection)(server_app)

    with server_app.app_context(), mail.record_messages() as outbox:
        mail.send(hello())
        mail.send_message("testing", ["to@example.com"], "testing", sender="from@example.com")

    assert len(smtp_server.deliveries) == len(outbox) == 2


def test_a_send_put_in_the_place_of_ours_finds_a_host(
    server_app: Flask, smtp_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_mail.Connection.send", send_by_the_host)
    mail = Mail(server_app)

    with server_app.app_context():
        mail.send(hello())
        server_app.extensions["mail"].send(hello())

    assert len(smtp_server.deliveries) == 2


def test_a_mocked_send_with_a_side_effect_finds_a_host(server_app: Flask, smtp_server: Any) -> None:
    mail = Mail(server_app)

    with (
        server_app.app_context(),
        mock.patch.object(Connection, "send", autospec=True, side_effect=send_by_the_host) as send,
    ):
        mail.send(hello())

    send.assert_called_once()
    assert len(smtp_server.deliveries) == 1


def test_a_send_of_one_connection_finds_a_host(server_app: Flask, smtp_server: Any) -> None:
    class OwnMail(Mail):
        def connect(self) -> Connection:
            connection = super().connect()
            connection.send = lambda message: send_by_the_host(connection, message)
            return connection

    mail = OwnMail(server_app)
    with server_app.app_context():
        mail.send(hello())

    assert len(smtp_server.deliveries) == 1


def test_a_message_that_sends_itself_finds_a_host(server_app: Flask, smtp_server: Any) -> None:
    class OwnMessage(Message):
        def send(self, connection: Connection) -> None:
            connection.host.sendmail(self.sender, self.recipients, self.as_bytes())

    mail = Mail(server_app)
    with server_app.app_context():
        mail.send(OwnMessage("testing", ["to@example.com"], "testing", sender="from@example.com"))

    assert len(smtp_server.deliveries) == 1


def test_a_replaced_send_of_the_mixin_finds_a_host(
    server_app: Flask, smtp_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(self: Any, message: Message) -> None:
        with self.connect() as connection:
            send_by_the_host(connection, message)

    monkeypatch.setattr("flask_mail._MailMixin.send", send)
    mail = Mail(server_app)
    with server_app.app_context():
        mail.send(hello())
        server_app.extensions["mail"].send(hello())

    assert len(smtp_server.deliveries) == 2


def test_an_overridden_send_message_finds_a_host(server_app: Flask, smtp_server: Any) -> None:
    class Talkative(OwnConnection):
        def send_message(self, *args: Any, **kwargs: Any) -> None:
            assert self.host is not None
            self.send(Message(*args, **kwargs))

    mail = mail_of(Talkative)(server_app)
    with server_app.app_context(), mail.connect() as connection:
        connection.send_message("testing", ["to@example.com"], "testing", sender="from@example.com")

    assert len(smtp_server.deliveries) == 1


def test_an_overridden_send_has_no_host_in_tests(app: Flask) -> None:
    mail = mail_of(OwnConnection)(app)

    with mail.record_messages() as outbox:
        mail.send(hello())

    assert len(outbox) == 1


def test_an_overridden_send_begins_again_after_the_most_messages(
    make_app: Callable[..., Flask], host: Any
) -> None:
    app = make_app(MAIL_MAX_EMAILS=2)
    asked: list[Connection] = []

    class Counting(OwnConnection):
        def configure_host(self) -> Any:
            asked.append(self)
            return host

    mail = mail_of(Counting)(app)
    with app.app_context(), mail.connect() as connection:
        for _ in range(5):
            connection.send(hello())

    assert len(host.sent) == 5
    assert (len(asked), host.quits) == (3, 3)


class Entering(Connection):
    """Opens the host itself, as 0.10's own `__enter__` did."""

    def __enter__(self) -> Connection:
        self.host = None if self.mail.suppress else self.configure_host()
        self.num_emails = 0
        return self


def test_a_connection_that_enters_in_its_own_way_sends_and_ends(live_app: Flask, host: Any) -> None:
    class Own(Entering):
        def configure_host(self) -> Any:
            return host

    mail = mail_of(Own)(live_app)
    with live_app.app_context():
        mail.send(hello())

    assert (len(host.sent), host.quits) == (1, 1)


def test_a_connection_that_enters_in_its_own_way_talks_to_a_server(
    server_app: Flask, smtp_server: Any
) -> None:
    mail = mail_of(Entering)(server_app)
    with server_app.app_context(), mail.connect() as connection:
        connection.send(hello())
        connection.send(hello())
        assert connection.host is not None

    assert len(smtp_server.deliveries) == 2


def test_a_host_that_a_program_puts_in_place_is_ended(live_app: Flask, host: Any) -> None:
    class Silent(Connection):
        def configure_host(self) -> Any:
            return None

    mail = mail_of(Silent)(live_app)
    with live_app.app_context(), mail.connect() as connection:
        connection.host = host
        connection.send(hello())

    assert (len(host.sent), host.quits) == (1, 1)


# --- What Connection uses -------------------------------------------------------------------------


def test_a_mock_in_the_place_of_the_signal_is_told(app: Flask, mail: Mail) -> None:
    msg = hello()

    with mock.patch("flask_mail.email_dispatched") as signal:
        mail.send(msg)

    signal.send.assert_called_once_with(app, message=msg)


def test_a_mock_in_the_place_of_the_signals_send_is_told(app: Flask, mail: Mail) -> None:
    msg = hello()

    with mock.patch("flask_mail.email_dispatched.send") as send:
        mail.send(msg)
    mail.send(hello())

    send.assert_called_once_with(app, message=msg)


def test_what_the_replaced_signal_raises_is_raised_in_tests(mail: Mail) -> None:
    with (
        mock.patch("flask_mail.email_dispatched.send", side_effect=ZeroDivisionError),
        pytest.raises(ZeroDivisionError),
    ):
        mail.send(hello())


def test_the_replaced_message_class_is_what_a_connection_makes(mail: Mail) -> None:
    class Stamped(Message):
        pass

    with (
        mock.patch("flask_mail.Message", Stamped),
        mail.record_messages() as outbox,
        mail.connect() as connection,
    ):
        connection.send_message("a", ["to@example.com"], "testing")
        mail.send_message("b", ["to@example.com"], "testing")
        mail.send(hello())

    assert [type(each) for each in outbox] == [Stamped, Stamped, Message]


def test_connection_sends_a_mocked_message_class(mail: Mail) -> None:
    with (
        mock.patch("flask_mail.Message") as message_class,
        mock.patch("flask_mail.Connection.send") as send,
        mail.connect() as connection,
    ):
        connection.send_message("Hello", recipients=["to@example.com"])

    message_class.assert_called_once_with("Hello", recipients=["to@example.com"])
    send.assert_called_once_with(message_class.return_value)


def test_a_mock_in_the_place_of_the_connection_class_is_entered(mail: Mail) -> None:
    msg = hello()

    with mock.patch("flask_mail.Connection") as connection_class:
        mail.send(msg)

    connection = connection_class.return_value.__enter__.return_value
    connection.send.assert_called_once_with(msg)


def test_a_mock_in_the_place_of_smtplib_sends_nothing(live_app: Flask) -> None:
    mail = Mail(live_app)

    with live_app.app_context(), mock.patch("flask_mail.smtplib") as smtplib:
        mail.send(hello())

    smtplib.SMTP.assert_called_once_with("mail.example.com", 2525)
    smtplib.SMTP.return_value.sendmail.assert_called_once()
