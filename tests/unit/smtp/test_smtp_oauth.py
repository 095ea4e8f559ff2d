"""Logging in with a token (RFC 7628): what is said, refusals, fresh tokens."""

from __future__ import annotations

import base64
import json
import logging
import smtplib
import ssl
from unittest import mock

import pytest
import trustme
from aiosmtpd.smtp import AuthResult
from servers import Dialogue, Recorder, mail_to, scripted_server, smtp_server

from flask_mail import BackendUnavailable, ConfigurationError, Message, Outcome
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.smtp import auth as login
from flask_mail.util.secret import Token

USERNAME = "user@example.com"
TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="  # that of RFC 7628
OBJECTION = {
    "status": "invalid_token",
    "scope": "example_scope",
    "openid-configuration": "https://example.com/.well-known/openid-configuration",
}


def message():
    return Message("Hello", ["to@example.com"], body="Hi")


def b64(text):
    return base64.b64encode(text.encode()).decode()


def challenge(said):
    return f"334 {b64(said if isinstance(said, str) else json.dumps(said))}"


def oauthbearer(port, token=TOKEN, name=USERNAME):
    return b64(f"n,a={name},\1host=127.0.0.1\1port={port}\1auth=Bearer {token}\1\1")


def xoauth2(token=TOKEN, name=USERNAME):
    return b64(f"user={name}\1auth=Bearer {token}\1\1")


class Tokens:
    """A callable that returns one token after the other, and raises those that are errors."""

    def __init__(self, *tokens):
        self.left = list(tokens)

    def __call__(self):
        token = self.left.pop(0)
        if isinstance(token, BaseException):
            raise token
        return token


class Server:
    """A scripted server: what it offers and replies to AUTH, and what it heard of that."""

    def __init__(self, offer, *replies, accepts=True):
        self.offer = offer
        self.replies = replies
        self.accepts = accepts
        self.heard = []
        self.port = 0

    def __call__(self, connection):
        with Dialogue(connection) as talk:
            talk.greet(*self.offer)
            for reply in self.replies:
                self.heard.append(talk.hear())
                talk.say(reply)
            if self.accepts:
                talk.answer("250 ok", "250 ok", "354 go")
                talk.content()
                talk.say("250 ok")
            else:
                self.heard.append(talk.hear())


def log_in_to(server, **settings):
    with scripted_server(server) as server.port:
        settings = {"MAIL_USERNAME": USERNAME, "MAIL_OAUTH2_TOKEN": TOKEN, **settings}
        assert mail_to(server.port, **settings).send(message()).sent
    return server.heard


def fail_to_log_in_to(server, **settings):
    server.accepts = False
    settings = {"MAIL_USERNAME": USERNAME, "MAIL_OAUTH2_TOKEN": TOKEN, **settings}
    with scripted_server(server) as server.port, pytest.raises(BackendUnavailable) as caught:
        mail_to(server.port, **settings).send(message())
    assert (caught.value.stage, caught.value.receipt.outcome) == ("login", Outcome.NOT_SENT)
    return caught.value


# What is said


def test_oauthbearer_is_said_as_rfc_7628_has_it():
    """Section 4.1: this host, this port, this token."""
    with mock.patch.object(login.Login, "exchange", autospec=True) as exchange:
        exchange.side_effect = lambda self, line, shown: heard.append(line()) or mock.DEFAULT
        exchange.return_value = mock.Mock(code=235, refuses=False)
        heard = []
        host = mock.Mock(esmtp_features={"auth": "OAUTHBEARER"})
        login.log_in(host, USERNAME, Token(TOKEN), ("server.example.com", 143))
    assert heard == [
        b"AUTH OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQz"
        b"AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    ]


def test_oauthbearer_takes_one_round_trip():
    server = Server(["AUTH LOGIN PLAIN OAUTHBEARER"], "235 welcome")
    assert log_in_to(server) == [f"AUTH OAUTHBEARER {oauthbearer(server.port)}"]


def test_xoauth2_is_said_where_there_is_nothing_newer():
    """As Google and Microsoft describe it."""
    server = Server(["AUTH LOGIN XOAUTH2"], "235 2.7.0 Accepted")
    heard = log_in_to(
        server,
        MAIL_USERNAME="someuser@example.com",
        MAIL_OAUTH2_TOKEN="ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
    )
    assert heard == [
        "AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52"
        "YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
    ]


def test_a_name_is_escaped_in_oauthbearer_alone():
    """RFC 5801 section 4: a comma would end it."""
    server = Server(["AUTH OAUTHBEARER XOAUTH2"], "504 not this", "235 welcome")
    name = "a=b,c=ä"
    assert log_in_to(server, MAIL_USERNAME=name) == [
        f"AUTH OAUTHBEARER {oauthbearer(server.port, name='a=3Db=2Cc=3Dä')}",
        f"AUTH XOAUTH2 {xoauth2(name=name)}",
    ]


def test_the_host_is_said_in_ascii():
    heard = []

    def exchange(_, line, shown):
        heard.append(base64.b64decode(line().split()[2]))
        return mock.Mock(code=235, refuses=False)

    with mock.patch.object(login.Login, "exchange", exchange):
        host = mock.Mock(esmtp_features={"auth": "OAUTHBEARER"})
        login.log_in(host, USERNAME, Token(TOKEN), ("bücher.example", 587))
    assert b"\1host=xn--bcher-kva.example\1port=587\1" in heard[0]


@pytest.mark.parametrize("prompt", ["334 ", "334 Z28gb24="])
def test_a_long_token_waits_for_the_challenge(prompt):
    """A command has 512 octets at most (RFC 4954 section 4, RFC 5321 section 4.5.3.1.4)."""
    token = "t" * 2000
    server = Server(["AUTH OAUTHBEARER"], prompt, "235 welcome")
    assert log_in_to(server, MAIL_OAUTH2_TOKEN=token) == [
        "AUTH OAUTHBEARER",
        oauthbearer(server.port, token),
    ]


@pytest.mark.parametrize(("more", "lines"), [(0, 1), (3, 2)])
def test_a_token_that_just_fits_in_a_command_needs_no_challenge(more, lines):
    length = len("AUTH XOAUTH2 \r\n") + len(xoauth2("t" * 300))
    token = "t" * (300 + (512 - length) // 4 * 3 + more)
    server = Server(["AUTH XOAUTH2"], *["334 ", "235 welcome"][-lines:])
    heard = log_in_to(server, MAIL_OAUTH2_TOKEN=token)
    assert len(heard) == lines
    assert "".join(heard).endswith(xoauth2(token))


def test_token_is_repeated_if_the_initial_response_is_ignored():
    server = Server(["AUTH XOAUTH2"], "334 ", "235 welcome")
    assert log_in_to(server) == [f"AUTH XOAUTH2 {xoauth2()}", xoauth2()]


def test_aiosmtpd_takes_a_token_over_tls(tmp_path):
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    class OAuth(Recorder):
        said = ()

        async def auth_XOAUTH2(self, server, args):
            assert server.session.ssl
            self.said = (*self.said, base64.b64decode(args[1]))
            return AuthResult(success=True, auth_data=args[1])

    with smtp_server(OAuth(), require_starttls=True, tls_context=context) as server:
        mail = mail_to(
            server.port,
            MAIL_USE_TLS=True,
            MAIL_TLS_CA_FILE=tmp_path / "ca.pem",
            MAIL_USERNAME=USERNAME,
            MAIL_OAUTH2_TOKEN=lambda: TOKEN,
        )
        receipts = mail.send_many([message(), message()])
    assert [each.sent for each in receipts] == [True, True]
    assert server.recorder.said == (f"user={USERNAME}\1auth=Bearer {TOKEN}\1\1".encode(),)


# What is never said


@pytest.mark.parametrize(
    ("offer", "shown"),
    [([], "none"), (["AUTH PLAIN LOGIN CRAM-MD5"], "PLAIN LOGIN CRAM-MD5")],
)
def test_a_token_is_never_shown_to_a_mechanism_for_passwords(offer, shown):
    tokens = Tokens()
    server = Server(offer)
    error = fail_to_log_in_to(server, MAIL_OAUTH2_TOKEN=tokens)
    assert server.heard == []
    assert isinstance(error, smtplib.SMTPNotSupportedError)
    assert f"neither OAUTHBEARER nor XOAUTH2 (it offers: {shown})" in str(error)
    assert "MAIL_USE_TLS" in str(error)


def test_a_password_is_never_shown_to_a_mechanism_for_tokens():
    server = Server(["AUTH OAUTHBEARER XOAUTH2"])
    error = fail_to_log_in_to(server, MAIL_PASSWORD="s3cret", MAIL_OAUTH2_TOKEN=None)
    assert server.heard == []
    assert "(it offers: OAUTHBEARER XOAUTH2)" in str(error)


# Refusals


def test_a_refused_token_is_told_as_rfc_7628_has_it():
    """Section 4.4: the server objects, the client says a dummy, and only then it refuses."""
    server = Server(
        ["SIZE 35651584", "8BITMIME", "AUTH LOGIN PLAIN OAUTHBEARER", "PIPELINING"],
        challenge(OBJECTION),
        "535-5.7.1 Username and Password not accepted. Learn more at\r\n"
        "535 5.7.1 http://support.example.com/mail/oauth",
    )
    error = fail_to_log_in_to(server)
    assert server.heard == [f"AUTH OAUTHBEARER {oauthbearer(server.port)}", "AQ=="]
    assert isinstance(error, smtplib.SMTPAuthenticationError)
    assert error.smtp_code == 535
    assert error.response.startswith("535 5.7.1 Username and Password not accepted.")
    assert str(error).endswith("(status invalid_token, scope example_scope)")


def test_after_an_objection_to_xoauth2_an_empty_line_is_said():
    said = {"status": "401", "schemes": "bearer mac", "scope": "https://mail.google.com/"}
    server = Server(["AUTH XOAUTH2"], challenge(said), "535 5.7.8 not accepted")
    error = fail_to_log_in_to(server)
    assert server.heard == [f"AUTH XOAUTH2 {xoauth2()}", ""]
    assert error.response == "535 5.7.8 not accepted (status 401, scope https://mail.google.com/)"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no JSON", ""),
        ([], ""),
        ("[" * 5000, ""),
        ({}, ""),
        ({"status": 401, "scope": ["mail"]}, ""),
        ({"status": "\x1b[2J\r\nexpired"}, " (status \\x1b[2J expired)"),
        ({"scope": "s" * 999}, f" (scope {'s' * 194})"),
        ({"status": f"bad {TOKEN}"}, " (status bad ***)"),
        ({"status": f"bad {xoauth2()[:120]}"}, " (status bad ***)"),
    ],
)
def test_of_an_objection_only_what_is_fit_to_be_shown_is_shown(said, shown):
    server = Server(["AUTH OAUTHBEARER"], challenge(said), "535 no")
    assert fail_to_log_in_to(server).response == f"535 no{shown}"


def test_an_objection_that_is_no_base64_is_one_all_the_same():
    server = Server(["AUTH OAUTHBEARER"], "334 {}", "535 no")
    assert fail_to_log_in_to(server).response == "535 no"
    assert server.heard[-1] == "AQ=="


@pytest.mark.parametrize("replies", [["535 no"], [challenge(OBJECTION), "501 cancelled"]])
def test_a_token_that_is_refused_is_not_shown_twice(replies):
    """Nor to the other mechanism: it is the token that was refused."""
    server = Server(["AUTH OAUTHBEARER XOAUTH2"], *replies)
    fail_to_log_in_to(server)
    assert len(server.heard) == len(replies)


def test_a_mechanism_that_is_refused_is_followed_by_the_next():
    server = Server(["AUTH XOAUTH2 OAUTHBEARER"], "504 not this", "235 welcome")
    assert [line.split()[1] for line in log_in_to(server)] == ["OAUTHBEARER", "XOAUTH2"]


def test_a_server_that_asks_on_and_on_is_left():
    server = Server(["AUTH XOAUTH2"], challenge(OBJECTION), "334 more", "501 cancelled")
    fail_to_log_in_to(server)
    assert server.heard == [f"AUTH XOAUTH2 {xoauth2()}", "", "*"]


@pytest.mark.parametrize("code", [235, 503])
def test_a_server_that_objects_and_has_logged_in_all_the_same_is_content(code):
    server = Server(["AUTH XOAUTH2"], challenge({}), f"{code} well")
    assert len(log_in_to(server, MAIL_OAUTH2_TOKEN=Tokens(TOKEN))) == 2


# Fresh ones


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("refusal", [["535 expired"], [challenge(OBJECTION), "535 expired"]])
def test_token_callable_is_called_again_after_a_refusal(mechanism, refusal):
    tokens = Tokens("old", "new")
    server = Server([f"AUTH {mechanism}"], *refusal, "235 welcome")
    heard = log_in_to(server, MAIL_OAUTH2_TOKEN=tokens)
    lines = {
        "OAUTHBEARER": [oauthbearer(server.port, "old"), oauthbearer(server.port, "new")],
        "XOAUTH2": [xoauth2("old"), xoauth2("new")],
    }[mechanism]
    assert [heard[0], heard[-1]] == [f"AUTH {mechanism} {line}" for line in lines]
    assert tokens.left == []


def test_a_token_that_is_refused_after_a_fresh_one_was_fetched_is_an_error():
    tokens = Tokens("old", "new", "never")
    server = Server(["AUTH OAUTHBEARER XOAUTH2"], "535 expired", "535 unknown")
    assert fail_to_log_in_to(server, MAIL_OAUTH2_TOKEN=tokens).response == "535 unknown"
    assert tokens.left == ["never"]
    assert len(server.heard) == 2


def test_a_fresh_token_that_is_the_refused_one_is_not_shown_again():
    tokens = Tokens("old", "old")
    server = Server(["AUTH XOAUTH2"], "535 expired")
    assert fail_to_log_in_to(server, MAIL_OAUTH2_TOKEN=tokens).response == "535 expired"
    assert tokens.left == []
    assert len(server.heard) == 1


@pytest.mark.parametrize("reply", ["421 go away", "454 later", "250 ok"])
def test_a_reply_that_judges_no_token_calls_for_none(reply):
    tokens = Tokens("old", "never")
    server = Server(["AUTH XOAUTH2"], reply)
    fail_to_log_in_to(server, MAIL_OAUTH2_TOKEN=tokens)
    assert tokens.left == ["never"]


def test_a_server_that_hangs_up_after_its_refusal_has_refused():
    """Some do so after the first one; that the token was refused is what helps."""

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("AUTH XOAUTH2")
            talk.answer("535 5.7.8 expired")

    with scripted_server(script) as port, pytest.raises(BackendUnavailable) as caught:
        mail_to(port, MAIL_USERNAME="me", MAIL_OAUTH2_TOKEN=Tokens("old", "new")).send(message())
    assert caught.value.response == "535 5.7.8 expired"
    assert isinstance(caught.value, smtplib.SMTPAuthenticationError)


def test_a_callable_is_asked_at_each_login_and_not_for_each_message():
    tokens = Tokens("one", "two", "three")
    first, second = (Server(["AUTH XOAUTH2"], "235 welcome") for _ in range(2))
    with scripted_server(first, second) as port:
        mail = mail_to(port, MAIL_USERNAME=USERNAME, MAIL_OAUTH2_TOKEN=tokens)
        assert [mail.send(message()).sent for _ in range(2)] == [True, True]
    assert [*first.heard, *second.heard] == [
        f"AUTH XOAUTH2 {xoauth2(each)}" for each in ("one", "two")
    ]
    assert tokens.left == ["three"]


def test_a_password_may_be_fetched_at_each_login():
    server = Server(["AUTH PLAIN"], "235 welcome")
    passwords = Tokens("pässword")
    heard = log_in_to(server, MAIL_OAUTH2_TOKEN=None, MAIL_PASSWORD=passwords)
    assert heard == [f"AUTH PLAIN {b64(f'{chr(0)}{USERNAME}{chr(0)}pässword')}"]


def test_a_password_is_not_fetched_again_where_it_is_refused():
    """Accounts are locked after a few wrong ones."""
    server = Server(["AUTH PLAIN"], "535 wrong")
    passwords = Tokens("old", "never")
    fail_to_log_in_to(server, MAIL_OAUTH2_TOKEN=None, MAIL_PASSWORD=passwords)
    assert passwords.left == ["never"]


def test_a_password_that_is_a_number_may_be_fetched():
    server = Server(["AUTH LOGIN"], "334 ", "334 ", "235 welcome")
    heard = log_in_to(server, MAIL_OAUTH2_TOKEN=None, MAIL_PASSWORD=lambda: 12345)
    assert heard[-1] == b64("12345")


# Callables that fail


EACH_SETTING = pytest.mark.parametrize(
    ("setting", "offer"), [("MAIL_OAUTH2_TOKEN", "AUTH XOAUTH2"), ("MAIL_PASSWORD", "AUTH PLAIN")]
)


@EACH_SETTING
def test_a_callable_that_raises_leaves_the_message_unsent(setting, offer):
    problem = ConnectionError("https://login.example.com/?key=s3cret")
    server = Server([offer])
    error = fail_to_log_in_to(server, **{"MAIL_OAUTH2_TOKEN": None, setting: Tokens(problem)})
    assert server.heard == []
    assert str(error) == f"Could not log in: the callable in {setting} raised ConnectionError."
    assert error.__cause__ is problem


def test_a_callable_that_raises_when_it_is_asked_again_says_so():
    problem = TimeoutError("timed out")
    server = Server(["AUTH XOAUTH2"], "535 expired")
    error = fail_to_log_in_to(server, MAIL_OAUTH2_TOKEN=Tokens("old", problem))
    assert "the callable in MAIL_OAUTH2_TOKEN raised TimeoutError" in str(error)


def test_a_callable_that_fails_leaves_the_rest_of_a_batch_unsent_at_once():
    server = Server(["AUTH XOAUTH2"], accepts=False)
    with scripted_server(server) as port:
        mail = mail_to(
            port, MAIL_USERNAME="me", MAIL_OAUTH2_TOKEN=Tokens(ValueError(), ValueError())
        )
        receipts = mail.send_many([message(), message()])
    assert [each.outcome for each in receipts] == [Outcome.NOT_SENT, Outcome.NOT_SENT]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()])
def test_an_interrupt_in_a_callable_goes_through(error):
    server = Server(["AUTH XOAUTH2"], accepts=False)
    with scripted_server(server) as port, pytest.raises(type(error)) as caught:
        mail_to(port, MAIL_USERNAME="me", MAIL_OAUTH2_TOKEN=Tokens(error)).send(message())
    assert caught.value is error


@EACH_SETTING
@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "a value of type NoneType"),
        (b"s3cret", "a value of type bytes"),
        (True, "a value of type bool"),
        (lambda: "s3cret", "a value of type function"),
        ("", "an empty string"),
        ("s3cret\0", "something else"),
        ("s3cr\udce9t", "something else"),
    ],
)
def test_callable_without_a_valid_secret_is_an_error_that_hides_it(value, found, setting, offer):
    server = Server([offer])
    error = fail_to_log_in_to(server, **{"MAIL_OAUTH2_TOKEN": None, setting: lambda: value})
    assert server.heard == []
    assert setting in str(error)
    assert f"but returned {found}." in str(error)
    assert "s3cr" not in str(error)
    assert error.__cause__ is error.__context__ is None


@pytest.mark.parametrize("token", ["s3cret\n", "s3cret\1", "two s3crets", "sécret"])
def test_a_token_that_is_none_is_an_error_that_does_not_show_it(token):
    error = fail_to_log_in_to(Server(["AUTH XOAUTH2"]), MAIL_OAUTH2_TOKEN=lambda: token)
    assert "visible ASCII characters, without blanks and newlines" in str(error)
    assert "cret" not in str(error)
    with pytest.raises(ConfigurationError, match="MAIL_OAUTH2_TOKEN .*visible ASCII") as caught:
        SmtpBackend(username="me", oauth2_token=token)
    assert "cret" not in str(caught.value)


# Options


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"oauth2_token": "t"}, "MAIL_OAUTH2_TOKEN is set, but MAIL_USERNAME is not"),
        (
            {"username": "me", "oauth2_token": "t", "password": "s3cret"},
            "MAIL_PASSWORD and MAIL_OAUTH2_TOKEN are both set: keep one",
        ),
        (
            {"oauth2_token": "t", "password": lambda: "s3cret"},
            "MAIL_PASSWORD and MAIL_OAUTH2_TOKEN are both set: keep one",
        ),
        (
            {"username": "me"},
            "MAIL_USERNAME is set, but neither MAIL_PASSWORD nor MAIL_OAUTH2_TOKEN",
        ),
        ({"username": "m\1e", "oauth2_token": "t"}, "MAIL_USERNAME must be Unicode text without"),
        ({"username": "m\0e", "oauth2_token": "t"}, "MAIL_USERNAME must be Unicode text without"),
        ({"username": "m\1e", "password": "s3"}, "MAIL_USERNAME must be Unicode text"),
        ({"username": "m\0e", "password": lambda: "s3"}, "MAIL_USERNAME must be Unicode text"),
    ],
)
def test_settings_that_make_no_login_are_named(options, named):
    with pytest.raises(ConfigurationError, match=named) as caught:
        SmtpBackend(**options)
    assert "s3" not in str(caught.value)


@pytest.mark.parametrize("token", ["t0ken", lambda: "t0ken"])
def test_a_token_in_clear_elsewhere_is_warned_about(token, caplog):
    SmtpBackend(server="mx.test", username="me", oauth2_token=token)
    [record] = caplog.records
    assert (record.name, record.levelno) == ("flask_mail", logging.WARNING)
    assert "MAIL_OAUTH2_TOKEN may be sent to mx.test:25 unencrypted" in record.getMessage()
    assert "t0ken" not in record.getMessage()


@pytest.mark.parametrize(
    "options", [{"server": "127.0.0.1"}, {"server": "mx.test", "use_tls": True}]
)
def test_a_token_that_nobody_can_read_is_not_warned_about(options, caplog):
    SmtpBackend(username="me", oauth2_token="t0ken", **options)
    assert caplog.records == []


# What replaces smtplib


def test_a_mock_of_the_class_is_given_the_password_that_a_callable_returns():
    with mock.patch("flask_mail.smtplib.SMTP") as kind:
        mail_to(2525, MAIL_USERNAME="me", MAIL_PASSWORD=lambda: "s3cret").send(message())
    kind.return_value.login.assert_called_once_with("me", "s3cret")


def test_what_replaces_smtplib_is_not_given_a_token():
    """Its login() takes a password; without one the message would go out under no name."""
    with (
        mock.patch("flask_mail.smtplib.SMTP") as kind,
        pytest.raises(BackendUnavailable, match="MAIL_OAUTH2_TOKEN") as caught,
    ):
        mail_to(2525, MAIL_USERNAME="me", MAIL_OAUTH2_TOKEN="t").send(message())
    assert isinstance(caught.value, smtplib.SMTPNotSupportedError)
    assert caught.value.stage == "login"
    assert not kind.return_value.sendmail.called
    assert kind.return_value.close.called


def test_what_replaces_smtplib_is_closed_where_a_callable_fails():
    with (
        mock.patch("flask_mail.smtplib.SMTP") as kind,
        pytest.raises(BackendUnavailable, match="callable in MAIL_PASSWORD raised"),
    ):
        mail_to(2525, MAIL_USERNAME="me", MAIL_PASSWORD=Tokens(OSError())).send(message())
    assert kind.return_value.close.called
