"""The smtp backend: its options, the envelope on the wire, and the name it gives."""

from __future__ import annotations

import re
import smtplib
import socket
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from servers import Dialogue, Recorder, mail_to, scripted_server, smtp_server

from flask_mail import ConfigurationError, Message, MessageError, MessageRefused, Outcome
from flask_mail.backends.declared import options_declared_by
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.config.converters import default_port
from flask_mail.config.table import BY_KEY, TABLE
from flask_mail.smtp import session as client


@pytest.fixture
def server():
    with smtp_server() as running:
        yield running


# Options


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"use_tls": True, "use_ssl": True}, "MAIL_USE_TLS and MAIL_USE_SSL are both set"),
        ({"username": "me"}, "MAIL_USERNAME is set, but neither MAIL_PASSWORD"),
        ({"password": "s3cret"}, "MAIL_PASSWORD is set, but MAIL_USERNAME is not"),
        ({"username": "me", "password": "s3\0cret"}, "MAIL_PASSWORD must be Unicode text"),
        ({"username": "m\0e", "password": "s3cret"}, "MAIL_USERNAME must be Unicode text"),
        ({"username": "me", "password": "s3cr\udce9t"}, "MAIL_PASSWORD must be Unicode text"),
        ({"tls_key_file": "key.pem"}, "MAIL_TLS_KEY_FILE needs MAIL_TLS_CERT_FILE"),
        ({"use_tls": True, "tls_ca_file": "missing.pem"}, "MAIL_TLS_CA_FILE cannot be read"),
        ({"use_ssl": True, "tls_ca_file": 1}, "MAIL_TLS_CA_FILE cannot be read"),
        ({"use_ssl": True, "tls_cert_file": "missing.pem"}, "MAIL_TLS_CERT_FILE"),
        ({"port": 65536}, "MAIL_PORT must be a port"),
        ({"timeout": 0}, "MAIL_TIMEOUT must be a number of seconds"),
        ({"local_hostname": "two words"}, "MAIL_LOCAL_HOSTNAME must be a host name"),
        ({"local_hostname": "a\r\nMAIL FROM:<x@y>"}, "MAIL_LOCAL_HOSTNAME must be a host name"),
        ({"local_hostname": "b\xfccher.test"}, "MAIL_LOCAL_HOSTNAME must be a host name"),
    ],
)
def test_a_wrong_option_names_the_setting_and_never_the_secret(options, named):
    with pytest.raises(ConfigurationError, match=named) as caught:
        SmtpBackend(**options)
    assert "s3" not in str(caught.value)


def test_options_agree_with_the_table_of_settings():
    options = options_declared_by(SmtpBackend)
    assert {each.key for each in options} >= {each.key for each in TABLE if each.group == "SMTP"}
    defaults = {each.key: each.default.removesuffix(".0") for each in options}
    # "None" in the constructor can have a meaning that only the table describes.
    described = {key: BY_KEY[key].default for key in defaults if defaults[key] != "None"}
    assert described == {key: defaults[key] for key in described} | {"MAIL_DEBUG": "`app.debug`"}


@pytest.mark.parametrize("content", ["", "no certificate"])
def test_a_file_without_certificates_names_the_setting(tmp_path, content):
    path = tmp_path / "ca.pem"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="MAIL_TLS_CA_FILE cannot be read"):
        SmtpBackend(use_tls=True, tls_ca_file=path)


def test_encrypted_key_raises_without_a_password_prompt(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a password"),
    )
    path = tmp_path / "client.pem"
    path.write_bytes(key)
    with pytest.raises(ConfigurationError, match="MAIL_TLS_KEY_FILE.*not encrypted"):
        SmtpBackend(use_ssl=True, tls_cert_file=path, tls_key_file=path)


@pytest.mark.parametrize(
    ("options", "port"),
    [({}, 25), ({"use_tls": True}, 25), ({"use_ssl": True}, 465), ({"port": "2525"}, 2525)],
)
def test_the_port_is_25_or_465_unless_it_is_given(options, port):
    server = SmtpBackend(**options).server
    assert server.port == port
    assert not server.debug


def test_the_default_port_is_known_without_a_backend():
    assert (default_port(use_ssl=False), default_port(use_ssl=True)) == (25, 465)


def test_the_repr_names_the_server_and_nothing_else():
    backend = SmtpBackend(server="mx.test", port=2525, username="me", password="s3cret")
    assert repr(backend) == "<SmtpBackend mx.test:2525>"
    assert "s3cret" not in repr(backend.server)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1"])
def test_a_login_on_this_machine_needs_no_tls(name, caplog):
    SmtpBackend(server=name, username="me", password="s3cret")
    assert caplog.records == []


@pytest.mark.parametrize("name", ["mx.test", "127.mx.test", "192.0.2.1", "localhost.mx.test"])
def test_a_login_in_clear_elsewhere_is_warned_about(name, caplog):
    SmtpBackend(server=name, username="me", password="s3cret")
    [record] = caplog.records
    assert (record.name, record.levelname) == ("flask_mail", "WARNING")
    assert "MAIL_PASSWORD" in record.getMessage()
    assert "MAIL_USE_TLS" in record.getMessage()


@pytest.mark.parametrize("options", [{"use_tls": True}, {"use_ssl": True}])
def test_a_login_over_tls_is_not_warned_about(options, caplog):
    SmtpBackend(server="mx.test", username="me", password="s3cret", **options)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        ({"use_tls": True, "port": 465}, "Port 465 uses TLS from the first byte"),
        ({"use_ssl": True, "port": 587}, "Port 587 usually starts unencrypted"),
        ({"use_tls": True, "tls_verify": False}, "MAIL_TLS_VERIFY is False: anyone between this"),
    ],
)
def test_unsafe_options_are_warned_about(options, warning, caplog):
    SmtpBackend(server="mx.test", **options)
    [record] = caplog.records
    assert (record.name, record.levelname) == ("flask_mail", "WARNING")
    assert record.getMessage().startswith(warning)


@pytest.mark.parametrize("options", [{"use_ssl": True, "port": 465}, {"tls_verify": False}])
def test_safe_options_are_not_warned_about(options, caplog):
    SmtpBackend(server="mx.test", **options)
    assert caplog.records == []


# The envelope


def test_envelope_has_each_recipient_once_and_content_no_bcc(server):
    message = Message(
        "Hello",
        ["a@example.com", "Ann <a@example.com>"],
        body="Hi",
        cc=["c@example.com"],
        bcc=["hidden@example.com"],
    )
    receipt = mail_to(server.port).send(message)
    [envelope] = server.recorder.accepted
    assert envelope.mail_from == "me@example.com"
    assert envelope.rcpt_tos == ["a@example.com", "c@example.com", "hidden@example.com"]
    assert b"hidden" not in envelope.content
    assert receipt.outcome is Outcome.SENT
    assert receipt.response == "250 2.0.0 queued as 42"
    assert receipt.backend == "smtp"
    assert receipt.message_id == message.msgId


def test_the_empty_reverse_path_is_sent_for_a_message_that_must_not_bounce(server):
    with mail_to(server.port).connect() as connection:
        connection.send(Message("Hello", ["to@example.com"], body="Hi"), envelope_from="<>")
    [envelope] = server.recorder.accepted
    assert envelope.mail_from == "<>"  # as aiosmtpd spells it
    assert b"From: me@example.com" in envelope.content


def test_five_hundred_blind_copies_are_one_transaction(server):
    everybody = [f"b{number}@example.com" for number in range(500)]
    mail_to(server.port).send(Message("Hello", bcc=everybody, body="Hi"))
    [envelope] = server.recorder.accepted
    assert envelope.rcpt_tos == everybody


def test_refused_recipients_are_in_the_receipt_of_a_sent_message(caplog):
    recorder = Recorder(
        answers={"gone@example.com": "550 5.1.1 no such user", "full@example.com": "452 full"}
    )
    with smtp_server(recorder) as server:
        receipt = mail_to(server.port).send(
            Message("Hello", ["gone@example.com", "to@example.com", "full@example.com"], body="Hi")
        )
    assert receipt.sent
    assert receipt.refused == {
        "gone@example.com": (550, "5.1.1", "no such user"),
        "full@example.com": (452, "", "full"),
    }
    assert [envelope.rcpt_tos for envelope in recorder.accepted] == [["to@example.com"]]
    assert "recipients refused: 2" in caplog.text


def test_the_size_is_declared_and_options_are_passed_on(server):
    message = Message(
        "Hello",
        ["to@example.com"],
        body="Hi",
        mail_options=["BODY=8BITMIME"],
        rcpt_options=[],
    )
    mail_to(server.port).send(message)
    [envelope] = server.recorder.accepted
    assert envelope.mail_options == [f"SIZE={len(message.as_bytes())}", "BODY=8BITMIME"]


@pytest.mark.parametrize("given", [[], ["SIZE=9"], ["RET=HDRS", "ENVID=1"]])
def test_the_commands_are_made_of_the_envelope_and_its_options(given):
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("SIZE", "DSN")
            heard.extend(talk.answer("250 ok", "250 ok", "354 go"))
            talk.content()
            talk.say("250 ok")

    message = Message(
        "Hello", ["to@example.com"], body="Hi", mail_options=given, rcpt_options=["NOTIFY=NEVER"]
    )
    with scripted_server(script) as port:
        mail_to(port).send(message)
    size = [] if given == ["SIZE=9"] else [f"SIZE={len(message.as_bytes())}"]
    assert heard == [
        " ".join(["MAIL FROM:<me@example.com>", *size, *given]),
        "RCPT TO:<to@example.com> NOTIFY=NEVER",
        "DATA",
    ]


def only_helo(connection):
    """A server from before ESMTP."""
    with Dialogue(connection) as talk:
        talk.say("220 old.test")
        talk.answer("500 what?", "250 old.test", "250 ok", "250 ok", "354 go")
        talk.content()
        talk.say("250 ok")


def test_a_server_that_knows_only_helo_gets_plain_commands():
    with scripted_server(only_helo) as port:
        assert mail_to(port).send(Message("Hello", ["to@example.com"], body="Hi")).sent


@pytest.mark.parametrize("field", ["mail_options", "rcpt_options"])
def test_a_server_that_knows_only_helo_cannot_be_given_options(field):
    """They are never dropped in silence."""
    message = Message("Hello", ["to@example.com"], body="Hi", **{field: ["X=1"]})
    with scripted_server(only_helo) as port, pytest.raises(MessageError, match="remove them"):
        mail_to(port).send(message)


# EHLO


def no_lookup(*args, **kwargs):
    raise AssertionError("the name of this host was looked up")


@pytest.fixture
def no_dns(monkeypatch):
    for name in ("getfqdn", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
        monkeypatch.setattr(socket, name, no_lookup)


@pytest.mark.usefixtures("no_dns")
@pytest.mark.parametrize(
    ("settings", "own", "given"),
    [
        ({}, "web1.example.com", "web1.example.com"),
        ({}, "web1", "[127.0.0.1]"),
        ({}, "web_1.example.com", "[127.0.0.1]"),
        ({}, "b\xfccher.example.com", "[127.0.0.1]"),
        ({"MAIL_LOCAL_HOSTNAME": "me.test"}, "web1.example.com", "me.test"),
        ({"MAIL_LOCAL_HOSTNAME": "[192.0.2.1]"}, "web1", "[192.0.2.1]"),
    ],
)
def test_the_name_in_ehlo_is_never_looked_up(settings, own, given, server, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: own)
    mail_to(server.port, **settings).send(Message("Hello", ["to@example.com"], body="Hi"))
    [session] = server.recorder.sessions
    assert session.host_name == given


@pytest.mark.parametrize(
    ("address", "literal"),
    [("2001:db8::1", "[IPv6:2001:db8::1]"), ("fe80::1%eth0", "[IPv6:fe80::1]")],
)
def test_an_ipv6_address_is_given_as_the_literal_that_rfc_5321_wants(address, literal, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "web1")
    sock = SimpleNamespace(getsockname=lambda: (address, 1234, 0, 0))
    assert client._own_name(SimpleNamespace(sock=sock)) == literal


# SIZE


@pytest.mark.parametrize("pipelining", [True, False])
def test_message_over_the_announced_size_is_not_transmitted(pipelining):
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("SIZE 1000", "PIPELINING", "CHUNKING")
            heard.append(talk.hear())

    with (
        scripted_server(script) as port,
        pytest.raises(MessageRefused, match="accepts at most 1000") as caught,
    ):
        mail_to(port, MAIL_PIPELINING=pipelining).send(
            Message("Hello", ["to@example.com"], body="x" * 2000)
        )
    assert heard == ["QUIT"]
    error = caught.value
    assert isinstance(error, smtplib.SMTPSenderRefused)
    assert (error.smtp_code, error.sender) == (552, "me@example.com")
    assert error.receipt.outcome is Outcome.REFUSED
    assert error.receipt.response == "SIZE 1000"


@pytest.mark.parametrize("announced", ["SIZE", "SIZE 0", "SIZE many", "SIZE 1000000"])
def test_a_size_that_is_no_limit_or_a_greater_one_refuses_nothing(announced):
    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet(announced)
            talk.answer("250 ok", "250 ok", "354 go")
            talk.content()
            talk.say("250 ok")

    with scripted_server(script) as port:
        assert mail_to(port).send(Message("Hello", ["to@example.com"], body="x" * 2000)).sent


# MAIL_DEBUG


@pytest.mark.parametrize("greeting", [["ehlo"], ["ehlo", "helo"]])
def test_debugging_logs_the_dialogue_on_a_logger_of_its_own(greeting, server, caplog):
    caplog.set_level("DEBUG", "flask_mail.smtp")
    with scripted_server(only_helo) as old:
        port = old if "helo" in greeting else server.port
        mail_to(port, MAIL_DEBUG=True).send(Message("Hello", ["to@example.com"], body="Hi"))
    steps = [record for record in caplog.records if record.name == "flask_mail.smtp"]
    said = re.findall(r" C: \W*(\w+)", "\n".join(record.getMessage() for record in steps))
    size = said.pop(-2)
    assert size.isdecimal()  # of the content, in place of it
    assert [each.lower() for each in said] == [*greeting, "mail", "rcpt", "data", "quit"]
    assert re.search(r" S: 220 \w+", steps[0].getMessage())
    assert "Hello" not in caplog.text


def test_without_debugging_nothing_of_the_dialogue_is_logged_or_printed(server, caplog, capfd):
    caplog.set_level("DEBUG", "flask_mail.smtp")
    mail_to(server.port).send(Message("Hello", ["to@example.com"], body="Hi"))
    assert not [record for record in caplog.records if record.name == "flask_mail.smtp"]
    assert capfd.readouterr() == ("", "")


# Addresses


def test_each_address_of_a_server_is_tried_once_in_order(server, monkeypatch):
    """A link-local one with its interface."""
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", server.port, 0, 1)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", server.port)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", server.port)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)),
    ]
    tried = []

    def counted(address, *args, **kwargs):
        tried.append(address[0])
        if address[0] != "127.0.0.1":
            raise ConnectionRefusedError
        sock = socket.socket()
        sock.connect(("127.0.0.1", server.port))
        return sock

    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: found)
    monkeypatch.setattr(socket, "create_connection", counted)
    where = client.Server("mx.test", server.port, timeout=10)
    host = client.connect(where)
    client.end(host)
    assert tried == ["fe80::1%1", "127.0.0.2", "127.0.0.1"]


def test_a_deadline_that_has_passed_is_named():
    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.wait()

    named = pytest.raises(TimeoutError, match="MAIL_DEADLINE")
    with scripted_server(script) as port, named as caught:
        mail_to(port, MAIL_DEADLINE=0.3).send(Message("Hello", ["to@example.com"], body="Hi"))
    assert caught.value.receipt.outcome is Outcome.NOT_SENT
