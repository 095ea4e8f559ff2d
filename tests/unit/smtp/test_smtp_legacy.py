"""Replacements of smtplib by programs and tests get the calls that 0.10 made."""

from __future__ import annotations

import contextlib
import functools
import smtplib
import socket
import ssl
from unittest import mock

import pytest
import trustme
from servers import Dialogue, Recorder, mail_to, scripted_server, smtp_server

from flask_mail import (
    BackendUnavailable,
    Connection,
    DeliveryUnknown,
    MailError,
    Message,
    MessageRefused,
    Outcome,
    sanitize_address,
)
from flask_mail.smtp import session as client

ACCOUNT = {"MAIL_USERNAME": "me", "MAIL_PASSWORD": "s3cret"}


def message(**fields):
    return Message("Hello", ["Ann <ann@example.com>"], body="Hi", **fields)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def server_context(authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


# The calls


@pytest.mark.exhaustive
@pytest.mark.parametrize("autospec", [False, True])
@pytest.mark.parametrize(
    ("name", "settings", "calls"),
    [
        ("SMTP", {}, []),
        ("SMTP", {"MAIL_USE_TLS": True}, [mock.call.starttls()]),
        ("SMTP", ACCOUNT, [mock.call.login("me", "s3cret")]),
        ("SMTP_SSL", {"MAIL_USE_SSL": True}, []),
        ("SMTP_SSL", {"MAIL_USE_SSL": True, **ACCOUNT}, [mock.call.login("me", "s3cret")]),
    ],
)
def test_a_mock_of_the_class_gets_the_calls_of_a_whole_connection(name, settings, calls, autospec):
    sent = message(cc=["c@example.com"], mail_options=["RET=HDRS"], rcpt_options=["NOTIFY=NEVER"])
    with mock.patch(f"flask_mail.smtplib.{name}", autospec=autospec) as kind:
        mail_to(2525, **settings).send(sent)
    kind.assert_called_once_with("127.0.0.1", 2525)
    assert kind.return_value.mock_calls == [
        *calls,
        mock.call.sendmail(
            "me@example.com",
            ["Ann <ann@example.com>", "c@example.com"],
            sent.as_bytes(),
            ["RET=HDRS"],
            ["NOTIFY=NEVER"],
        ),
        mock.call.quit(),
    ]


def test_a_mock_gets_one_connection_for_a_batch():
    with mock.patch("flask_mail.smtplib.SMTP") as kind:
        receipts = mail_to(2525).send_many([message(), message()])
    assert [each.outcome for each in receipts] == [Outcome.SENT, Outcome.SENT]
    assert [name for name, _, _ in kind.return_value.mock_calls] == ["sendmail", "sendmail", "quit"]


def test_a_host_of_a_program_gets_names_as_they_are_shown():
    """As 0.10 gave them: with the display name, encoded."""
    host = mock.Mock()
    with mock.patch.object(Connection, "configure_host", return_value=host):
        mail_to(2525).send(
            Message("Hello", [("Jörg", "j@example.com")], sender=("Käthe", "k@example.com"))
        )
    sender, recipients = host.sendmail.call_args.args[:2]
    assert sender == sanitize_address(("Käthe", "k@example.com"))
    assert recipients == [sanitize_address(("Jörg", "j@example.com"))]


@pytest.mark.parametrize("envelope_from", ["bounces@example.com", "<>"])
def test_a_host_of_a_program_gets_the_reverse_path_that_was_asked_for(envelope_from):
    host = mock.Mock()
    with (
        mock.patch.object(Connection, "configure_host", return_value=host),
        mail_to(2525).connect() as connection,
    ):
        connection.send(message(), envelope_from=envelope_from)
    assert host.sendmail.call_args.args[0] == envelope_from.strip("<>")


def test_host_refusals_are_in_the_receipt_by_address():
    with mock.patch("flask_mail.smtplib.SMTP") as kind:
        kind.return_value.sendmail.return_value = {
            "Ann <ann@example.com>": (550, b"5.1.1 no such user"),
            "c@example.com": (450, "busy"),
        }
        receipt = mail_to(2525).send(message(cc=["c@example.com", "d@example.com"]))
    assert receipt.refused == {
        "ann@example.com": (550, "5.1.1", "no such user"),
        "c@example.com": (450, "", "busy"),
    }


# What it raises


@pytest.mark.parametrize(
    ("method", "settings", "stage"),
    [
        (None, {}, "connect"),
        ("starttls", {"MAIL_USE_TLS": True}, "tls"),
        ("login", ACCOUNT, "login"),
    ],
)
def test_an_error_while_connecting_is_not_sent_and_closes(method, settings, stage):
    error = ConnectionResetError(104, "reset")
    with mock.patch("flask_mail.smtplib.SMTP") as kind:
        failing = getattr(kind.return_value, method) if method else kind
        failing.side_effect = error
        with pytest.raises(ConnectionResetError) as caught:
            mail_to(2525, **settings).send(message())
    assert isinstance(caught.value, BackendUnavailable)
    assert (caught.value.stage, caught.value.receipt.outcome) == (stage, Outcome.NOT_SENT)
    assert kind.return_value.close.called == (method is not None)


def test_what_is_no_error_of_smtplib_passes_through():
    with (
        mock.patch("flask_mail.smtplib.SMTP", side_effect=KeyError("a mistake")),
        pytest.raises(KeyError, match="a mistake"),
    ):
        mail_to(2525).send(message())


@pytest.mark.parametrize(
    ("error", "kind", "outcome"),
    [
        (smtplib.SMTPDataError(554, b"no"), MessageRefused, Outcome.REFUSED),
        (smtplib.SMTPDataError(451, b"no"), BackendUnavailable, Outcome.NOT_SENT),
        (smtplib.SMTPSenderRefused(550, b"no", "me@x"), MessageRefused, Outcome.REFUSED),
        (
            smtplib.SMTPRecipientsRefused({"ann@example.com": (450, b"busy")}),
            BackendUnavailable,
            Outcome.NOT_SENT,
        ),
        (ConnectionRefusedError(111, "refused"), BackendUnavailable, Outcome.NOT_SENT),
        (smtplib.SMTPServerDisconnected("gone"), DeliveryUnknown, Outcome.UNKNOWN),
        (smtplib.SMTPException("something"), DeliveryUnknown, Outcome.UNKNOWN),
        (DeliveryUnknown("told by a host that knows us"), DeliveryUnknown, Outcome.UNKNOWN),
        # Nothing of ours is a TimeoutError, or this reply, and UNKNOWN.
        (TimeoutError("timed out"), TimeoutError, Outcome.UNKNOWN),
        (
            smtplib.SMTPResponseException(299, b"what?"),
            smtplib.SMTPResponseException,
            Outcome.UNKNOWN,
        ),
        (ValueError("a mistake"), ValueError, Outcome.UNKNOWN),
    ],
    ids=repr,
)
def test_an_error_of_sendmail_is_what_it_was_and_tells_the_outcome(error, kind, outcome):
    with mock.patch("flask_mail.smtplib.SMTP") as fake:
        fake.return_value.sendmail.side_effect = error
        with pytest.raises(kind) as caught:
            mail_to(2525).send(message())
        [receipt] = mail_to(2525).send_many([message()])
    assert isinstance(caught.value, type(error))
    assert (receipt.outcome, type(receipt.error)) == (outcome, type(caught.value))


def test_an_error_at_quit_changes_nothing():
    with mock.patch("flask_mail.smtplib.SMTP") as kind:
        kind.return_value.quit.side_effect = smtplib.SMTPServerDisconnected("gone")
        assert mail_to(2525).send(message()).sent


def test_an_interrupt_closes_a_stand_in_without_a_word():
    with mock.patch("flask_mail.smtplib.SMTP") as kind:
        kind.return_value.sendmail.side_effect = KeyboardInterrupt
        with pytest.raises(KeyboardInterrupt):
            mail_to(2525).send(message())
    kind.return_value.quit.assert_not_called()
    kind.return_value.close.assert_called_once_with()


# What is smtplib's after all


class Proxied(smtplib.SMTP):
    """A subclass that connects in its own way, as those for proxies do."""

    used = 0

    def _get_socket(self, host, port, timeout):
        type(self).used += 1
        return socket.create_connection((host, port), timeout)


def test_a_subclass_for_another_way_to_connect_is_used_like_smtplib(monkeypatch):
    monkeypatch.setattr("flask_mail.smtplib.SMTP", Proxied)
    monkeypatch.setattr(Proxied, "used", 0)
    with smtp_server() as server:
        receipt = mail_to(server.port).send(message())
    assert Proxied.used == 1
    # Taken step by step: the final reply is known.
    assert receipt.response == "250 2.0.0 queued as 42"


class Counting(smtplib.SMTP):
    """A subclass that watches what is sent."""

    sent = 0

    def sendmail(self, *args, **kwargs):
        type(self).sent += 1
        return super().sendmail(*args, **kwargs)


def test_a_subclass_with_a_sendmail_of_its_own_is_given_the_message(monkeypatch):
    monkeypatch.setattr("flask_mail.smtplib.SMTP", Counting)
    monkeypatch.setattr(Counting, "sent", 0)
    recorder = Recorder(answers={"c@example.com": "550 5.1.1 no such user"})
    with smtp_server(recorder) as server:
        receipt = mail_to(server.port).send(message(cc=["c@example.com"]))
    assert Counting.sent == len(recorder.accepted) == 1
    assert receipt.refused == {"c@example.com": (550, "5.1.1", "no such user")}


def test_methods_of_smtplib_that_are_patched_one_by_one_get_the_calls():
    with (
        mock.patch("smtplib.SMTP.connect", return_value=(220, b"ready")) as connect,
        mock.patch("smtplib.SMTP.starttls") as starttls,
        mock.patch("smtplib.SMTP.login") as login,
        mock.patch("smtplib.SMTP.sendmail", return_value={}) as sendmail,
        mock.patch("smtplib.SMTP.quit") as quit_,
    ):
        mail_to(2525, MAIL_USE_TLS=True, **ACCOUNT).send(message())
    connect.assert_called_once_with("127.0.0.1", 2525)
    starttls.assert_called_once_with()
    login.assert_called_once_with("me", "s3cret")
    sendmail.assert_called_once()
    quit_.assert_called_once_with()


@pytest.mark.parametrize("moment", ["before", "in a block"])
@pytest.mark.parametrize(
    ("step", "answer", "delivered"),
    [
        ("data", (250, b"2.0.0 caught"), 0),
        ("data", (554, b"5.7.1 not today"), 0),
        ("rcpt", (550, b"5.1.1 no such user"), 0),
        ("mail", (550, b"5.7.1 not you"), 0),
        ("quit", (221, b"bye"), 1),
    ],
)
def test_a_patched_step_of_smtplib_decides_what_becomes_of_a_message(
    step, answer, delivered, moment
):
    patched = mock.patch.object(smtplib.SMTP, step, return_value=answer)
    with smtp_server() as server, contextlib.ExitStack() as stack:
        mail = mail_to(server.port)
        if moment == "before":
            method = stack.enter_context(patched)
        with mail.connect() as connection:
            if moment != "before":
                method = stack.enter_context(patched)
            (receipt,) = connection.send_many([message()])
    assert method.called
    assert len(server.recorder.accepted) == delivered
    assert receipt.sent == (answer[0] < 300)
    assert receipt.outcome in {Outcome.SENT, Outcome.REFUSED}


def test_a_patched_docmd_of_smtplib_is_called(monkeypatch):
    said = []
    own = smtplib.SMTP.docmd

    def docmd(self, command, args=""):
        said.append(command)
        return own(self, command, args)

    monkeypatch.setattr(smtplib.SMTP, "docmd", docmd)
    with smtp_server() as server:
        assert mail_to(server.port).send(message()).sent
    assert "QUIT" in {each.upper() for each in said}
    assert len(server.recorder.accepted) == 1


@pytest.mark.parametrize("step", ["data", "quit"])
def test_a_step_that_is_patched_on_one_session_is_called(step):
    with smtp_server() as server:
        mail = mail_to(server.port)
        with mail.connect() as connection:
            own = getattr(connection.host, step)
            method = connection.host.__dict__[step] = mock.Mock(side_effect=own)
            connection.send(message())
    method.assert_called_once()
    assert len(server.recorder.accepted) == 1


def test_a_patched_step_verifies_certificates_under_implicit_tls(
    monkeypatch, server_context, ca_file
):
    data = smtplib.SMTP.data
    monkeypatch.setattr(smtplib.SMTP, "data", lambda self, msg: data(self, msg))
    with smtp_server(ssl_context=server_context) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            mail_to(server.port, MAIL_USE_SSL=True).send(message())
        mail = mail_to(server.port, MAIL_USE_SSL=True, MAIL_TLS_CA_FILE=ca_file)
        assert mail.send(message()).sent


def test_a_patched_step_does_not_wait_for_ever(monkeypatch):
    data = smtplib.SMTP.data
    monkeypatch.setattr(smtplib.SMTP, "data", lambda self, msg: data(self, msg))
    with smtp_server() as server, mail_to(server.port).connect() as connection:
        assert connection.host.timeout == 10


def test_a_session_of_a_subclass_takes_no_longer_at_quit_than_another(monkeypatch):
    monkeypatch.setattr("flask_mail.smtplib.SMTP", Counting)
    monkeypatch.setattr(client, "QUIT_SECONDS", 0.1)

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.answer("250 ok", "250 ok", "354 go")
            talk.content()
            talk.say("250 ok")
            talk.wait()

    with scripted_server(script) as port:
        assert mail_to(port).send(message()).sent


@pytest.mark.parametrize("where", [smtplib.SMTP, "instance"])
def test_a_patched_sendmail_of_smtplib_itself_is_given_the_message(where, monkeypatch):
    with smtp_server() as server, mail_to(server.port).connect() as connection:
        target = connection.host if where == "instance" else where
        with mock.patch.object(target, "sendmail", return_value={}) as sendmail:
            assert connection.send(message()).sent
    sendmail.assert_called_once()
    assert server.recorder.accepted == []


def test_a_factory_of_smtplibs_sessions_verifies_certificates_at_starttls(
    monkeypatch, server_context, ca_file
):
    """0.10's plain `host.starttls()` verifies nothing."""
    factory = functools.partial(smtplib.SMTP, local_hostname="shop.test")
    monkeypatch.setattr("flask_mail.smtplib.SMTP", factory)
    with smtp_server(tls_context=server_context) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match="MAIL_TLS_CA_FILE"):
            mail_to(server.port, MAIL_USE_TLS=True).send(message())
        assert (
            mail_to(server.port, MAIL_USE_TLS=True, MAIL_TLS_CA_FILE=ca_file).send(message()).sent
        )


def test_a_factory_that_verifies_no_certificates_is_not_given_the_password(
    monkeypatch, server_context
):
    factory = functools.partial(smtplib.SMTP_SSL, context=unverified())
    monkeypatch.setattr("flask_mail.smtplib.SMTP_SSL", factory)
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.start_tls(server_context)
            talk.say("220 scripted")
            while True:
                heard.append(talk.hear())

    with (
        scripted_server(script) as port,
        pytest.raises(BackendUnavailable, match=r"create_default_context\(\)") as caught,
    ):
        mail_to(port, MAIL_USE_SSL=True, **ACCOUNT).send(message())
    assert isinstance(caught.value, MailError)
    assert heard == []


def test_a_factory_need_not_verify_where_nobody_asks_for_it(monkeypatch, server_context):
    factory = functools.partial(smtplib.SMTP_SSL, context=unverified())
    monkeypatch.setattr("flask_mail.smtplib.SMTP_SSL", factory)
    with smtp_server(ssl_context=server_context) as server:
        mail = mail_to(server.port, MAIL_USE_SSL=True, MAIL_TLS_VERIFY=False)
        assert mail.send(message()).sent


def unverified():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize(
    ("password", "kind"),
    [
        ("sécret", smtplib.SMTPNotSupportedError),  # smtplib's login takes ASCII only
        ("wrong-secret", smtplib.SMTPAuthenticationError),
    ],
)
def test_a_login_by_a_factory_of_smtplibs_sessions_shows_no_password(password, kind, monkeypatch):
    """smtplib keeps it in the variables of its frames, and in the error of encoding it."""
    monkeypatch.setattr("flask_mail.smtplib.SMTP", functools.partial(smtplib.SMTP))

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("AUTH PLAIN")
            talk.answer("535 no")

    with scripted_server(script) as port, pytest.raises(kind) as caught:
        mail_to(port, MAIL_USERNAME="joe", MAIL_PASSWORD=password).send(message())
    assert caught.value.stage == "login"
    shown, error = [], caught.value
    while error is not None:
        shown.append(repr(vars(error)) + str(error) + repr(getattr(error, "object", "")))
        trace = error.__traceback__
        while trace is not None:
            if "smtplib" in trace.tb_frame.f_code.co_filename:
                shown.append(repr(trace.tb_frame.f_locals))
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    assert password not in "".join(shown)
