"""Passwords and tokens show themselves nowhere: errors, tracebacks, logs, reprs, echoes."""

from __future__ import annotations

import base64
import inspect
import json
import logging
import pickle
import re
import smtplib
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from servers import Dialogue, mail_to, scripted_server

import flask_mail
from flask_mail import Message
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.smtp.transport import Transport
from flask_mail.smtp.wire import Wire
from flask_mail.util.secret import Secret, Token

PACKAGE = str(Path(flask_mail.__file__).parent)
READERS = {"wire.py", "transport.py", "smtplib.py", "socket.py"}
PASSWORD = "s3cret-pässword"
USERNAME = "kätchen"
ACCOUNT = {"MAIL_USERNAME": USERNAME, "MAIL_PASSWORD": PASSWORD}
TOKEN = "s3cret-t0ken.of~Kate=="
BASE64 = re.compile("[A-Za-z0-9+/]{8,}")


def b64(text):
    return base64.b64encode(text.encode()).decode()


LINE = b64(f"\0{USERNAME}\0{PASSWORD}")
TOKEN_LINE = b64(f"user={USERNAME}\1auth=Bearer {TOKEN}\1\1")
# All but the first two are also looked for in whatever is base64.
SPELLINGS = (ascii(PASSWORD)[1:-1], repr(PASSWORD.encode())[2:-1], PASSWORD, TOKEN[:-2])


def shows(text):
    if any(each in text for each in SPELLINGS):
        return True
    octets = b" ".join(base64.b64decode(run[: len(run) // 4 * 4]) for run in BASE64.findall(text))
    return any(each.encode()[:-3] in octets for each in SPELLINGS[2:])


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
        pickled = pickle.dumps(error)
        assert PASSWORD.encode() not in pickled
        assert TOKEN.encode() not in pickled


def message():
    return Message("Hello", ["to@example.com"], body="Hi")


ECHOES = (
    "user {name} secret {secret} is wrong",
    "{encoded} is wrong",
    "bad line: AUTH {line}",
    "bad line: AUTH {cut}...",
    "bad line: {beginning}...",
)


def echoed(echo, mechanism):
    """Return an echo of what a login by `mechanism` says."""
    secret, line = (TOKEN, TOKEN_LINE) if mechanism in BY_TOKEN else (PASSWORD, LINE)
    return echo.format(
        name=USERNAME,
        secret=secret,
        encoded=b64(secret),
        line=line,
        cut=line[:-6],
        beginning=b64(secret)[:9],
    )


MECHANISMS = {
    "PLAIN": [],
    "LOGIN": ["334 ", "334 "],
    "CRAM-MD5": [f"334 {b64('<1@x>')}"],
    "OAUTHBEARER": [],
    "XOAUTH2": [],
}
BY_TOKEN = ("OAUTHBEARER", "XOAUTH2")


def account(mechanism, kind):
    """Return the settings for a login by `mechanism`."""
    key, secret = ("OAUTH2_TOKEN", TOKEN) if mechanism in BY_TOKEN else ("PASSWORD", PASSWORD)
    value = secret if kind == "itself" else lambda: secret
    return {"MAIL_USERNAME": USERNAME, f"MAIL_{key}": value}


each_mechanism = pytest.mark.parametrize("mechanism", MECHANISMS)
each_kind = pytest.mark.parametrize("kind", ["itself", "callable"])


def hear_login(talk, mechanism):
    """Go through a login, up to its last line."""
    talk.greet(f"AUTH {mechanism}")
    talk.answer(*MECHANISMS[mechanism])
    talk.hear()


@each_mechanism
@each_kind
@pytest.mark.parametrize("echo", ECHOES)
def test_a_server_that_echoes_the_login_does_not_spread_it(echo, mechanism, kind, caplog):
    caplog.set_level(logging.DEBUG)

    def script(connection):
        with Dialogue(connection) as talk:
            hear_login(talk, mechanism)
            talk.say(f"535 5.7.8 {echoed(echo, mechanism)}")

    with (
        scripted_server(script) as port,
        pytest.raises(flask_mail.BackendUnavailable, match=r"535 5\.7\.8 .*\*\*\*") as caught,
    ):
        mail_to(port, MAIL_DEBUG=True, **account(mechanism, kind)).send(message())
    assert_keeps_the_secret(caught.value, caplog)


@each_mechanism
@pytest.mark.parametrize("echo", ECHOES)
def test_a_challenge_that_echoes_the_login_does_not_spread_it(echo, mechanism, caplog):
    """This applies to each answer and to everything after it."""
    caplog.set_level(logging.DEBUG)

    def script(connection):
        with Dialogue(connection) as talk:
            hear_login(talk, mechanism)
            talk.say(f"334 {echoed(echo, mechanism)}")
            talk.hear()
            talk.reset()

    with (
        scripted_server(script) as port,
        pytest.raises(flask_mail.BackendUnavailable) as caught,
    ):
        mail_to(port, MAIL_DEBUG=True, **account(mechanism, "itself")).send(message())
    assert_keeps_the_secret(caught.value, caplog)


@pytest.mark.parametrize("mechanism", BY_TOKEN)
@pytest.mark.parametrize("echo", ECHOES)
def test_an_objection_that_echoes_the_token_does_not_spread_it(echo, mechanism, caplog):
    caplog.set_level(logging.DEBUG)
    said = b64(json.dumps({"status": echoed(echo, mechanism), "token": TOKEN}))

    def script(connection):
        with Dialogue(connection) as talk:
            hear_login(talk, mechanism)
            talk.say(f"334 {said}")
            talk.answer(f"535 5.7.8 you heard me: {said}")

    with (
        scripted_server(script) as port,
        pytest.raises(flask_mail.BackendUnavailable, match="status .*[*]{3}") as caught,
    ):
        mail_to(port, MAIL_DEBUG=True, **account(mechanism, "callable")).send(message())
    assert_keeps_the_secret(caught.value, caplog)


def test_the_token_before_the_fresh_one_is_kept_too(caplog):
    caplog.set_level(logging.DEBUG)
    tokens = [TOKEN, "another"]

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("AUTH XOAUTH2")
            talk.answer("535 5.7.8 no", f"535 5.7.8 neither {TOKEN} nor another")

    settings = {"MAIL_USERNAME": USERNAME, "MAIL_OAUTH2_TOKEN": lambda: tokens.pop(0)}
    with (
        scripted_server(script) as port,
        pytest.raises(flask_mail.BackendUnavailable, match=r"neither \*{3} nor \*{3}") as caught,
    ):
        mail_to(port, **settings).send(message())
    assert_keeps_the_secret(caught.value, caplog)


@each_mechanism
@each_kind
@pytest.mark.parametrize("end", [Dialogue.reset, Dialogue.__exit__])
def test_a_break_in_the_login_keeps_the_secret(mechanism, kind, end, caplog):
    def script(connection):
        with Dialogue(connection) as talk:
            hear_login(talk, mechanism)
            end(talk)

    with (
        scripted_server(script) as port,
        pytest.raises(flask_mail.BackendUnavailable) as caught,
    ):
        mail_to(port, **account(mechanism, kind)).send(message())
    assert_keeps_the_secret(caught.value, caplog)


def test_a_break_in_an_echo_keeps_the_secret(caplog):
    """The frames that read it hold its first lines by then."""

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
            assert Path(frame.f_code.co_filename).name not in READERS


def test_modules_that_read_and_write_have_these_names():
    for module in (Wire, Transport, smtplib.SMTP, socket.socket):
        assert Path(inspect.getfile(module)).name in READERS


def test_what_an_error_in_the_login_was_raised_for_shows_no_frames(monkeypatch):
    hear = Wire.hear

    def gone(link):
        if link.secret is None:  # there was no login yet
            return hear(link)
        try:
            raise ConnectionResetError("reset")
        except OSError:
            raise smtplib.SMTPServerDisconnected("gone") from None

    monkeypatch.setattr(Wire, "hear", gone)
    with (
        scripted_server(lambda connection: Dialogue(connection).greet("AUTH PLAIN")) as port,
        pytest.raises(flask_mail.BackendUnavailable) as caught,
    ):
        mail_to(port, **ACCOUNT).send(message())
    error = caught.value.__cause__
    assert isinstance(error, smtplib.SMTPServerDisconnected)
    assert isinstance(error.__context__, ConnectionResetError)
    assert error.__context__.__traceback__ is None


def test_a_secret_is_recognized_as_it_is_shown():
    """Errors show a reply on one line, with its blanks and controls changed."""

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("AUTH PLAIN")
            talk.answer("535 5.7.8 two  blan\tks is wrong")

    with (
        scripted_server(script) as port,
        pytest.raises(flask_mail.BackendUnavailable, match=r": 535 5\.7\.8 \*{3} is wrong"),
    ):
        mail_to(port, MAIL_USERNAME="me", MAIL_PASSWORD="two  blan\tks").send(message())


def test_a_traceback_that_a_program_holds_is_left_alone():
    """Only what was raised here is cut, not what the program was dealing with when it sent."""
    with scripted_server(lambda connection: Dialogue(connection).greet("AUTH PLAIN")) as port:
        try:
            raise OSError("of the program")
        except OSError as error:
            own = error
            with pytest.raises(flask_mail.BackendUnavailable):
                mail_to(port, **ACCOUNT).send(message())
            assert own.__traceback__ is not None


@each_mechanism
def test_an_interrupt_in_the_login_keeps_the_secret(mechanism, monkeypatch, caplog):
    def script(connection):
        with Dialogue(connection) as talk:
            hear_login(talk, mechanism)
            talk.wait()

    write = Wire.write
    written = []

    def interrupted(link, data):
        write(link, data)
        written.append(data)
        if len(written) == 1 + len(MECHANISMS[mechanism]):  # EHLO is smtplib's
            link.look()
            raise KeyboardInterrupt

    monkeypatch.setattr(Wire, "write", interrupted)
    with (
        scripted_server(script) as port,
        pytest.raises(KeyboardInterrupt) as caught,
    ):
        mail_to(port, **account(mechanism, "callable")).send(message())
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


@pytest.mark.parametrize("token", [f"{TOKEN}\n", f"{TOKEN} {TOKEN}", f"\1{TOKEN}"])
def test_an_impossible_token_keeps_itself(token, caplog):
    with pytest.raises(flask_mail.ConfigurationError, match="MAIL_OAUTH2_TOKEN") as caught:
        mail_to(25, MAIL_USERNAME="me", MAIL_OAUTH2_TOKEN=token).send(message())
    assert_keeps_the_secret(caught.value, caplog)


def test_two_secrets_in_place_of_one_keep_themselves(caplog):
    with pytest.raises(flask_mail.ConfigurationError, match="keep one") as caught:
        mail_to(25, **ACCOUNT, MAIL_OAUTH2_TOKEN=TOKEN).send(message())
    assert_keeps_the_secret(caught.value, caplog)


@pytest.mark.parametrize(
    ("mechanism", "returned"),
    [
        ("PLAIN", f"{PASSWORD}\0"),
        ("LOGIN", PASSWORD.encode()),
        ("CRAM-MD5", [PASSWORD]),
        ("OAUTHBEARER", f"{TOKEN}\n"),
        ("XOAUTH2", {"access_token": TOKEN}),
    ],
)
def test_what_a_callable_returns_is_kept_also_where_it_is_impossible(mechanism, returned, caplog):
    key = "MAIL_OAUTH2_TOKEN" if mechanism in BY_TOKEN else "MAIL_PASSWORD"

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet(f"AUTH {mechanism}")
            talk.wait()

    with (
        scripted_server(script) as port,
        pytest.raises(flask_mail.BackendUnavailable, match=f"{key} .*returned") as caught,
    ):
        mail_to(port, **{"MAIL_USERNAME": "me", key: lambda: returned}).send(message())
    assert_keeps_the_secret(caught.value, caplog)


@pytest.mark.parametrize("calls", [1, 2])
def test_what_a_callable_raises_is_told_by_its_type_alone(calls, caplog):
    """Its text may be that of a request with another secret in it."""
    caplog.set_level(logging.DEBUG)
    left = [TOKEN, None][2 - calls :]

    def token():
        found = left.pop(0)
        if found is None:
            raise LookupError(f"nothing at https://{PASSWORD}@login.example.com")
        return found

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("AUTH XOAUTH2")
            if calls == 2:
                talk.answer(f"535 5.7.8 {TOKEN} is wrong")
            talk.wait()

    with (
        scripted_server(script) as port,
        pytest.raises(flask_mail.BackendUnavailable, match="LookupError") as caught,
    ):
        mail_to(port, MAIL_USERNAME="me", MAIL_OAUTH2_TOKEN=token).send(message())
    cause, caught.value.__cause__ = caught.value.__cause__, None
    assert isinstance(cause, LookupError)
    for frame in frames_of(cause):
        assert not shows(repr(frame.f_locals)), frame
    caught.value.__context__ = None
    assert_keeps_the_secret(caught.value, caplog)


@pytest.mark.parametrize("settings", [{"MAIL_DEBUG": True}, {"DEBUG": True}])
@each_mechanism
@each_kind
def test_debugging_logs_the_login_without_its_words(settings, mechanism, kind, caplog, capfd):
    caplog.set_level(logging.DEBUG)

    def script(connection):
        with Dialogue(connection) as talk:
            hear_login(talk, mechanism)
            talk.say(f"235 welcome {TOKEN if mechanism in BY_TOKEN else PASSWORD}")
            talk.answer("250 ok", "250 ok", "354 go")
            talk.content()
            talk.say("250 ok")

    with scripted_server(script) as port:
        assert mail_to(port, **settings, **account(mechanism, kind)).send(message()).sent
    assert f"C: AUTH {mechanism}" in caplog.text
    assert "S: 235 welcome ***" in caplog.text
    for record in caplog.records:
        assert not shows(f"{record.getMessage()} {vars(record)}")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mechanism", ["PLAIN", "XOAUTH2"])
@each_kind
def test_no_repr_of_what_holds_it_shows_the_secret(mechanism, kind):
    mail = mail_to(25, **account(mechanism, kind))
    backend = mail.state.selection.backend()
    assert isinstance(backend, SmtpBackend)
    for each in (backend, backend.server, backend.server.secret, vars(backend), mail, mail.state):
        assert not shows(f"{each} {each!r}")


# Secret


def test_a_secret_shows_itself_only_when_it_is_asked():
    secret = Secret(PASSWORD)
    assert secret.reveal() == PASSWORD
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"


def test_a_secret_that_is_fetched_is_fetched_when_it_is_needed():
    passwords = ["one", "two", "three"]
    secret = Secret(lambda: passwords.pop(0))
    assert f"{secret}" == "***"
    assert secret.redact("one two") == "one two"
    now = secret.current()
    assert (now.reveal(), now.reveal()) == ("one", "one")
    assert secret.reveal() == "two"
    assert passwords == ["three"]


def test_a_secret_may_be_made_of_another_one():
    assert Secret(Secret(PASSWORD)).reveal() == PASSWORD
    assert Secret(lambda: Secret(PASSWORD)).reveal() == PASSWORD
    assert Secret(lambda: 12345).reveal() == "12345"


def test_a_secret_that_is_given_is_the_current_one():
    secret = Secret(PASSWORD)
    assert secret.current() is secret


def test_a_secret_is_compared_by_what_it_is():
    """A backend is kept while its password stays the same."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("a") != Token("a")


def test_a_secret_that_is_fetched_is_compared_by_how():
    """A backend is kept while the callable stays the same; it is not called to compare it."""

    class Same:
        def __call__(self):
            raise AssertionError

        def __eq__(self, other):
            return True

    one, other = Same(), Same()
    assert Secret(one) == Secret(one)
    assert hash(Secret(one)) == hash(Secret(one))
    assert Secret(one) != Secret(other)
    assert Secret(one) != Secret("a")
    assert Secret("a") != Secret(one)


def test_a_secret_is_not_pickled():
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(PASSWORD))


@pytest.mark.parametrize(
    ("secret", "text", "redacted"),
    [
        ("s3cret", "nothing of it", "nothing of it"),
        ("s3cret", "it is s3cret, really s3cret", "it is ***, really ***"),
        ("s3cret", f"LOGIN {b64('s3cret')} done", "LOGIN *** done"),
        ("s3cret", f"PLAIN {b64(chr(0).join(['', 'me', 's3cret']))} done", "PLAIN *** done"),
        ("s3cret", f"cut {b64(chr(0).join(['', 'me', 's3cr']))[:-1]}", "cut ***"),
        ("s3cret", f"XOAUTH2 {b64(f'user=me{chr(1)}auth=Bearer s3cr')[:-2]}...", "XOAUTH2 ***..."),
        ("two  blanks", "it is two  blanks", "it is ***"),
        ("AAAA0000-s3cret", "AAAA0000-s3cret is wrong", "*** is wrong"),
        ("abcab", "abcabcab", "***"),
        ("aba", "ababa", "ababa"),
        ("YWJj", "it is YWJj or WVdKag==", "it is *** or ***"),
        ("s3cret", "ACCESS DENIED, AGAIN: https://example.com/mail", None),
        ("", "nothing to hide", None),
    ],
)
def test_redacting_hides_the_secret_and_nothing_else(secret, text, redacted):
    assert Secret(secret).redact(text) == (text if redacted is None else redacted)
