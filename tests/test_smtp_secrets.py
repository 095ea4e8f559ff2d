"""The password shows itself nowhere: errors, tracebacks, logs, reprs, what servers echo."""

from __future__ import annotations

import base64
import logging
import pickle
import smtplib
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from servers import Dialogue, mail_to, scripted_server

import flask_mail
from flask_mail import Message
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.smtp.secret import Secret

PACKAGE = str(Path(flask_mail.__file__).parent)
PASSWORD = "s3cret-pässword"
USERNAME = "kätchen"
ACCOUNT = {"MAIL_USERNAME": USERNAME, "MAIL_PASSWORD": PASSWORD}


def b64(text):
    return base64.b64encode(text.encode()).decode()


LINE = b64(f"\0{USERNAME}\0{PASSWORD}")
SPELLINGS = (PASSWORD, ascii(PASSWORD)[1:-1], repr(PASSWORD.encode())[2:-1], b64(PASSWORD), LINE)


def shows(text):
    return any(each in text for each in SPELLINGS)


def errors_in(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error with all that caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def frames_of(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames of the package in the tracebacks of an error and of what caused it."""
    for each in errors_in(error):
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if frame.f_code.co_filename.startswith(PACKAGE):
                yield frame


def assert_keeps_the_secret(error, caplog):
    for each in errors_in(error):
        assert not shows(f"{each} {each!r} {each.args} {vars(each)}")
    for frame in frames_of(error):
        assert not shows(repr(frame.f_locals)), frame
    assert not shows("".join(traceback.format_exception(error)))
    assert not shows(repr(getattr(error, "receipt", None)))
    for record in caplog.records:
        assert not shows(f"{record.getMessage()} {vars(record)}")
    if isinstance(error, flask_mail.MailError):
        assert PASSWORD.encode() not in pickle.dumps(error)


def message():
    return Message("Hello", ["to@example.com"], body="Hi")


ECHOES = (
    f"535 5.7.8 user {USERNAME} password {PASSWORD} is wrong",
    f"535 5.7.8 {b64(PASSWORD)} is wrong",
    f"535 5.7.8 bad line: AUTH PLAIN {LINE}",
    f"535 5.7.8 bad line: AUTH PLAIN {LINE[:-6]}...",
    f"535 5.7.8 bad line: {b64(PASSWORD)[:9]}...",
)


MECHANISMS = {"PLAIN": [], "LOGIN": ["334 ", "334 "], "CRAM-MD5": [f"334 {b64('<1@x>')}"]}
each_mechanism = pytest.mark.parametrize("mechanism", MECHANISMS)


def hear_login(talk, mechanism):
    """Go through a login, up to its last line."""
    talk.greet(f"AUTH {mechanism}")
    talk.answer(*MECHANISMS[mechanism])
    talk.hear()


@each_mechanism
@pytest.mark.parametrize("echo", ECHOES)
def test_a_server_that_echoes_the_login_does_not_spread_it(echo, mechanism, caplog):
    caplog.set_level(logging.DEBUG)

    def script(connection):
        with Dialogue(connection) as talk:
            hear_login(talk, mechanism)
            talk.say(echo)

    with (
        scripted_server(script) as port,
        pytest.raises(flask_mail.BackendUnavailable, match=r"535 5\.7\.8 .*\*\*\*") as caught,
    ):
        mail_to(port, MAIL_DEBUG=True, **ACCOUNT).send(message())
    assert_keeps_the_secret(caught.value, caplog)


@each_mechanism
@pytest.mark.parametrize("end", [Dialogue.reset, Dialogue.__exit__])
def test_a_break_in_the_login_keeps_the_secret(mechanism, end, caplog):
    def script(connection):
        with Dialogue(connection) as talk:
            hear_login(talk, mechanism)
            end(talk)

    with (
        scripted_server(script) as port,
        pytest.raises(flask_mail.BackendUnavailable) as caught,
    ):
        mail_to(port, **ACCOUNT).send(message())
    assert_keeps_the_secret(caught.value, caplog)


def test_a_break_in_an_echo_keeps_the_secret(caplog):
    """smtplib's own frames hold the first lines of the reply by then."""

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("AUTH PLAIN")
            talk.hear()
            talk.say(f"535-bad line: {LINE}")
            talk.reset()

    with (
        scripted_server(script) as port,
        pytest.raises(flask_mail.BackendUnavailable) as caught,
    ):
        mail_to(port, **ACCOUNT).send(message())
    assert_keeps_the_secret(caught.value, caplog)
    for each in errors_in(caught.value):
        for frame, _ in traceback.walk_tb(each.__traceback__):
            assert frame.f_code.co_name not in ("getreply", "sendall", "readinto")


def test_a_traceback_that_a_program_holds_is_left_alone():
    """Only what smtplib caught is cut, not what the program was dealing with when it sent."""
    with scripted_server(lambda connection: Dialogue(connection).greet("AUTH PLAIN")) as port:
        try:
            raise OSError("of the program")
        except OSError as error:
            own = error
            with pytest.raises(flask_mail.BackendUnavailable):
                mail_to(port, **ACCOUNT).send(message())
            assert own.__traceback__ is not None


def test_an_interrupt_in_the_login_keeps_the_secret(monkeypatch, caplog):
    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("AUTH PLAIN")
            talk.wait()

    reply = smtplib.SMTP.getreply
    replies = []

    def getreply(host):
        if len(replies) == 2:
            raise KeyboardInterrupt
        replies.append(reply(host))
        return replies[-1]

    monkeypatch.setattr(smtplib.SMTP, "getreply", getreply)
    with (
        scripted_server(script) as port,
        pytest.raises(KeyboardInterrupt) as caught,
    ):
        mail_to(port, **ACCOUNT).send(message())
    assert_keeps_the_secret(caught.value, caplog)


@pytest.mark.parametrize(
    "settings",
    [
        {"MAIL_PORT": "twenty-five"},
        {"MAIL_TIMEOUT": "for ever"},
        {"MAIL_USE_TLS": "perhaps"},
        {"MAIL_USE_TLS": True, "MAIL_USE_SSL": True},
        {"MAIL_TLS_CA_FILE": "missing.pem", "MAIL_USE_TLS": True},
        {"MAIL_USERNAME": None},
        {"MAIL_USERNAME": "\0"},
        {"MAIL_LOCAL_HOSTNAME": "two words"},
        {"MAIL_SERVER": "no-such-host.invalid"},
    ],
)
def test_an_error_about_another_setting_keeps_the_secret(settings, caplog):
    with pytest.raises(flask_mail.MailError) as caught:
        mail_to(25, **{**ACCOUNT, **settings}).send(message())
    assert_keeps_the_secret(caught.value, caplog)


@pytest.mark.parametrize("password", [f"{PASSWORD}\0", f"{PASSWORD}\udce9"])
def test_an_impossible_password_keeps_itself(password, caplog):
    with pytest.raises(flask_mail.ConfigurationError, match="MAIL_PASSWORD") as caught:
        mail_to(25, MAIL_USERNAME="me", MAIL_PASSWORD=password).send(message())
    assert_keeps_the_secret(caught.value, caplog)


@pytest.mark.parametrize("settings", [{"MAIL_DEBUG": True}, {"DEBUG": True}])
@each_mechanism
def test_debugging_logs_the_login_without_its_words(settings, mechanism, caplog, capfd):
    caplog.set_level(logging.DEBUG)

    def script(connection):
        with Dialogue(connection) as talk:
            hear_login(talk, mechanism)
            talk.say(f"235 welcome {PASSWORD}")
            talk.answer("250 ok", "250 ok", "354 go")
            talk.content()
            talk.say("250 ok")

    with scripted_server(script) as port:
        assert mail_to(port, **settings, **ACCOUNT).send(message()).sent
    assert "login: 235 accepted" in caplog.text
    for record in caplog.records:
        assert not shows(f"{record.getMessage()} {vars(record)}")
    assert capfd.readouterr() == ("", "")


def test_no_repr_of_what_holds_it_shows_the_secret():
    mail = mail_to(25, **ACCOUNT)
    backend = mail.state.selection.backend()
    assert isinstance(backend, SmtpBackend)
    for each in (backend, backend.server, backend.server.password, vars(backend), mail, mail.state):
        assert not shows(f"{each} {each!r}")


# Secret


def test_a_secret_shows_itself_only_when_it_is_asked():
    secret = Secret(PASSWORD)
    assert secret.reveal() == PASSWORD
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"


def test_a_secret_is_compared_by_what_it_is():
    """So that a backend is kept while its password stays the same."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_a_secret_is_not_pickled():
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(PASSWORD))


@pytest.mark.parametrize(
    ("secret", "text", "redacted"),
    [
        ("s3cret", "nothing of it", "nothing of it"),
        ("s3cret", "it is s3cret, really s3cret", "it is ***, really ***"),
        ("s3cret", f"LOGIN {b64('s3cret')} done", "LOGIN *** done"),
        ("s3cret", f"PLAIN {b64(chr(0).join(['', 'me', 's3cret']))} done", "PLAIN *** done"),
        ("s3cret", f"cut {b64(chr(0).join(['', 'me', 's3cr']))[:-1]}", "cut ***"),
        ("two  blanks", "it is two  blanks", "it is ***"),
        ("s3cret", "ACCESS DENIED, AGAIN: https://example.com/mail", None),
        ("", "nothing to hide", None),
    ],
)
def test_redacting_hides_the_secret_and_nothing_else(secret, text, redacted):
    assert Secret(secret).redact(text) == (text if redacted is None else redacted)
