"""Server, user name and password with blanks, line ends, ports and schemes around them."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers import Dialogue, mail_to, scripted_server

import flask_mail
from flask_mail import BackendUnavailable, ConfigurationError, Message
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.config import table as settings

PACKAGE = str(Path(flask_mail.__file__).parent)
SECRETS = ("MAIL_PASSWORD", "MAIL_OAUTH2_TOKEN")
CONTROLS = ("\n", "\r\n", "\t", "\0", "\x1b", "\x7f", "\x85", "\ud800")


@pytest.mark.parametrize("key", ["MAIL_PASSWORD", "MAIL_USERNAME", "MAIL_SERVER"])
@pytest.mark.parametrize("value", [1e6, True, [1], {"a": 1}])
def test_text_that_was_read_as_json_is_to_be_quoted(key, value):
    with pytest.raises(
        ConfigurationError, match=f"{key} must be .*, not .*as a JSON string: '\"1e6\"'\\.$"
    ):
        settings.lookup({key: value}, key)
    with pytest.raises(ConfigurationError, match=r"not a value of type bytes\.$"):
        settings.lookup({key: b"abc"}, key)


def hello():
    return Message("Hello", ["ann@example.com"], "Hi")


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("smtp.example.com\n", "without white space"),
        (" smtp.example.com", "without white space"),
        ("smtp.example.com ", "without white space"),
        ("smtp .example.com", "without white space"),
        ("smtp.example.com\xa0", "without white space"),
        ("smtp.example.com\u200b", "without white space"),
        ("mx\0.test", "without white space"),
        (" ", "without white space"),
        ("smtp.example.com:587", "set the port with MAIL_PORT"),
        ("localhost:25", "set the port with MAIL_PORT"),
        ("192.0.2.1:25", "set the port with MAIL_PORT"),
        ("[::1]:587", "without brackets; set the port with MAIL_PORT"),
        ("[::1]", "without brackets"),
        ("[192.0.2.1]", "without brackets"),
        ("2001:db8::1::2", "set the port with MAIL_PORT"),
        ("smtp://smtp.example.com", "without a scheme"),
        ("smtps://smtp.example.com:465", "without a scheme"),
        ("smtp.example.com/", "a host name or address"),
        ("/var/run/mail.sock", "a host name or address"),
        ("me@smtp.example.com", "set MAIL_USERNAME and MAIL_PASSWORD"),
    ],
)
def test_a_server_that_is_more_than_a_host_is_refused(server, expected):
    with pytest.raises(ConfigurationError, match="MAIL_SERVER must be") as caught:
        mail_to(25, MAIL_SERVER=server).send(hello())
    assert expected in str(caught.value)
    with pytest.raises(ConfigurationError, match="MAIL_SERVER must be"):
        settings.lookup({"MAIL_SERVER": server}, "MAIL_SERVER")
    with pytest.raises(ConfigurationError, match="MAIL_SERVER must be"):
        SmtpBackend(server=server)
    mail = mail_to(25)
    mail.state.server = server
    with pytest.raises(ConfigurationError, match="MAIL_SERVER must be"):
        mail.send(hello())


@pytest.mark.parametrize(
    "server",
    [
        "smtp://me:s3cret@mx.example.com",
        "me:s3cret@mx.example.com",
        "smtp://mx.example.com?key=s3cret",
    ],
)
def test_a_password_in_the_server_is_not_shown(server):
    with pytest.raises(ConfigurationError, match="MAIL_SERVER") as caught:
        mail_to(25, MAIL_SERVER=server).send(hello())
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "server",
    [
        "mail",
        "my_host",
        "mail.example.com.",
        "::1",
        "fe80::1%eth0",
        "192.0.2.1",
        "b\xfccher.example",
    ],
)
def test_a_host_alone_is_taken(server):
    assert settings.lookup({"MAIL_SERVER": server}, "MAIL_SERVER") == server


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize(
    "key",
    ["MAIL_SERVER", "MAIL_USERNAME", "MAIL_PASSWORD", "MAIL_OAUTH2_TOKEN", "MAIL_LOCAL_HOSTNAME"],
)
def test_a_control_character_is_an_error_that_names_the_setting(key, control):
    account = {"MAIL_USERNAME": "me", "MAIL_PASSWORD": "other"}
    if key == "MAIL_OAUTH2_TOKEN":
        del account["MAIL_PASSWORD"]
    for value in (f"s3cret{control}", f"{control}s3cret"):
        with pytest.raises(ConfigurationError, match=f"{key}( must be| is not)") as caught:
            mail_to(25, **{**account, key: value}).send(hello())
        assert "s3cret" not in str(caught.value)
        frames = list(_frames(caught.value))
        assert frames
        for frame in frames:
            if key in SECRETS or frame.f_code.co_filename == settings.__file__:
                assert "s3cret" not in repr(frame.f_locals.get("value"))
                assert f"s3cret{control}" not in map(str, frame.f_locals.values())


def _frames(error):
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(PACKAGE):
            yield trace.tb_frame
        trace = trace.tb_next


@pytest.mark.parametrize("password", [lambda: "s3cret\n", lambda: "\ts3cret", lambda: "s3\x1bcret"])
def test_a_callable_that_returns_a_line_end_is_told_so(password):
    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("AUTH PLAIN")
            talk.wait()

    with (
        scripted_server(script) as port,
        pytest.raises(BackendUnavailable, match="without line ends") as caught,
    ):
        mail_to(port, MAIL_USERNAME="me", MAIL_PASSWORD=password).send(hello())
    assert "the callable in MAIL_PASSWORD" in str(caught.value)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("password", [" s3cret ", "two words", "a\tb", "\u3000wide"])
def test_blanks_of_a_password_are_sent(password):
    assert SmtpBackend(username=" me", password=password).server.secret.reveal() == password


def test_the_port_shows_what_was_found():
    with pytest.raises(ConfigurationError, match=r"MAIL_PORT must be a port .*, not -5\."):
        mail_to(25, MAIL_PORT=-5).send(hello())
