"""Logging in: mechanisms, refusals, and servers that offer none."""

from __future__ import annotations

import base64
import hashlib
import hmac
import smtplib
import ssl

import pytest
import trustme
from servers import Dialogue, Recorder, mail_to, scripted_server, smtp_server

from flask_mail import BackendUnavailable, Message, Outcome
from flask_mail.smtp.wire import Wire

ACCOUNT = {"MAIL_USERNAME": "kätchen", "MAIL_PASSWORD": "s3cret-pässword"}


def message():
    return Message("Hello", ["to@example.com"], body="Hi")


def b64(text):
    return base64.b64encode(text.encode()).decode()


PLAIN = b64("\0kätchen\0s3cret-pässword")
LOGIN = [b64("kätchen"), b64("s3cret-pässword")]


def take(talk):
    """Accept a message."""
    talk.answer("250 ok", "250 ok", "354 go")
    talk.content()
    talk.say("250 ok")


def log_in_to(offer, *replies, **settings):
    """Send through a server that offers this and answers that; return what it heard of AUTH."""
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet(offer)
            heard.extend(talk.answer(*replies))
            take(talk)

    with scripted_server(script) as port:
        assert mail_to(port, **{**ACCOUNT, **settings}).send(message()).sent
    return heard


def fail_to_log_in_to(offer, *replies):
    """Do the same where the login fails; return all that the server heard, and the error."""
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet(*offer)
            for reply in replies:
                heard.append(talk.hear())
                talk.say(reply)
            heard.append(talk.hear())

    with scripted_server(script) as port, pytest.raises(BackendUnavailable) as caught:
        mail_to(port, **ACCOUNT).send(message())
    assert caught.value.receipt.outcome is Outcome.NOT_SENT
    assert caught.value.stage == "login"
    return heard, caught.value


@pytest.mark.parametrize("excluded", ["PLAIN", "LOGIN"])
def test_names_and_passwords_beyond_ascii_are_utf_8(excluded):
    recorder = Recorder()
    options = {
        "authenticator": recorder.authenticate,
        "auth_require_tls": False,
        "auth_exclude_mechanism": [excluded],
    }
    with smtp_server(recorder, **options) as server:
        assert mail_to(server.port, **ACCOUNT).send(message()).sent
    assert recorder.logins == [("kätchen", "s3cret-pässword")]


def test_plain_takes_one_round_trip():
    assert log_in_to("AUTH PLAIN", "235 welcome") == [f"AUTH PLAIN {PLAIN}"]


@pytest.mark.parametrize("challenge", ["334 ", "334 go on"])
def test_plain_is_repeated_if_the_initial_response_is_ignored(challenge):
    assert log_in_to("AUTH PLAIN", challenge, "235 welcome") == [f"AUTH PLAIN {PLAIN}", PLAIN]


def test_login_says_name_and_password_when_it_is_asked():
    heard = log_in_to("AUTH LOGIN", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 welcome")
    assert heard == ["AUTH LOGIN", *LOGIN]


def test_cram_md5_answers_the_challenge_and_never_says_the_password():
    challenge = "<1896.697170952@postoffice.example.net>"
    heard = log_in_to("AUTH CRAM-MD5", f"334 {b64(challenge)}", "235 welcome")
    digest = hmac.new("s3cret-pässword".encode(), challenge.encode(), hashlib.md5).hexdigest()
    assert heard == ["AUTH CRAM-MD5", b64(f"kätchen {digest}")]


def test_what_answers_a_challenge_is_a_secret_too():
    """With the challenge at hand, passwords can be tried against it."""
    digest = hmac.new("s3cret-pässword".encode(), b"<1@x>", hashlib.md5).hexdigest()
    replies = [f"334 {b64('<1@x>')}", f"535 no: {digest}, {b64(f'kätchen {digest}')}"]
    _, error = fail_to_log_in_to(["AUTH CRAM-MD5"], *replies)
    assert error.response == "535 no: ***, ***"


def test_a_challenge_that_looks_like_the_password_is_answered_as_it_is():
    """Nothing of it may be hidden before it is answered."""
    challenge = "<p@x>"
    heard = log_in_to(
        "AUTH CRAM-MD5", f"334 {b64(challenge)}", "235 welcome", MAIL_PASSWORD=b64(challenge)[:2]
    )
    digest = hmac.new(b64(challenge)[:2].encode(), challenge.encode(), "md5").hexdigest()
    assert heard[1] == b64(f"kätchen {digest}")


@pytest.mark.parametrize("challenge", ["no base64", "YWJj\xff"])
def test_invalid_challenge_is_cancelled_and_the_next_mechanism_tried(challenge):
    heard = log_in_to("AUTH PLAIN CRAM-MD5", f"334 {challenge}", "501 cancelled", "235 welcome")
    assert heard == ["AUTH CRAM-MD5", "*", f"AUTH PLAIN {PLAIN}"]


def test_a_python_without_md5_tries_the_next_mechanism(monkeypatch):
    """FIPS mode disables MD5."""

    def new(*args):
        raise ValueError("unsupported hash type md5")

    monkeypatch.setattr(hmac, "new", new)
    heard = log_in_to("AUTH PLAIN CRAM-MD5", f"334 {b64('<1@x>')}", "501 ok", "235 welcome")
    assert heard == ["AUTH CRAM-MD5", "*", f"AUTH PLAIN {PLAIN}"]


@pytest.mark.parametrize(
    ("offer", "replies", "heard"),
    [
        (
            "AUTH LOGIN PLAIN",
            ["504 not this", "334 ", "334 ", "235 welcome"],
            [f"AUTH PLAIN {PLAIN}", "AUTH LOGIN", *LOGIN],
        ),
        (
            "AUTH CRAM-MD5 PLAIN",
            ["534 5.7.9 too weak", "235 welcome"],
            ["AUTH CRAM-MD5", f"AUTH PLAIN {PLAIN}"],
        ),
        (
            "AUTH LOGIN CRAM-MD5",
            ["504 not this", "334 ", "334 ", "235 welcome"],
            ["AUTH CRAM-MD5", "AUTH LOGIN", *LOGIN],
        ),
    ],
)
def test_a_mechanism_that_is_refused_is_followed_by_the_next(offer, replies, heard):
    assert log_in_to(offer, *replies) == heard


def test_over_tls_the_shortest_mechanism_comes_first(tmp_path):
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.start_tls(context)
            talk.greet("AUTH CRAM-MD5 LOGIN PLAIN")
            heard.extend(talk.answer("235 welcome"))
            take(talk)

    with scripted_server(script) as port:
        mail = mail_to(port, MAIL_USE_SSL=True, MAIL_TLS_CA_FILE=tmp_path / "ca.pem", **ACCOUNT)
        assert mail.send(message()).sent
    assert heard == [f"AUTH PLAIN {PLAIN}"]


def test_an_offer_in_the_spelling_of_old_servers_is_understood():
    assert log_in_to("AUTH=plain", "235 welcome") == [f"AUTH PLAIN {PLAIN}"]


def test_a_server_where_the_session_is_logged_in_already_is_content():
    """A client certificate may have done it."""
    log_in_to("AUTH PLAIN", "503 5.5.1 already authenticated")


@pytest.mark.parametrize(
    ("offer", "replies"),
    [
        ("AUTH PLAIN", ["535 5.7.8 wrong"]),
        ("AUTH LOGIN", ["334 ", "334 ", "535 5.7.8 wrong"]),
        ("AUTH LOGIN", ["334 ", "535 5.7.8 wrong"]),
        ("AUTH LOGIN", ["535 5.7.8 wrong"]),
        ("AUTH CRAM-MD5", ["334 PDFAeD4=", "535 5.7.8 wrong"]),
        ("AUTH PLAIN LOGIN CRAM-MD5", ["334 PDFAeD4=", "535 5.7.8 wrong"]),
        ("AUTH PLAIN LOGIN CRAM-MD5", ["504 not this", "535 5.7.8 wrong"]),
    ],
)
def test_a_refused_login_shows_the_reply_and_names_the_settings(offer, replies):
    heard, error = fail_to_log_in_to([offer], *replies)
    assert isinstance(error, smtplib.SMTPAuthenticationError)
    assert (
        "refused the login (MAIL_USERNAME, MAIL_PASSWORD or MAIL_OAUTH2_TOKEN): 535 5.7.8 wrong"
        in str(error)
    )
    assert error.response == "535 5.7.8 wrong"
    assert (error.smtp_code, error.smtp_error) == (535, b"5.7.8 wrong")
    assert len(heard) == len(replies)


@pytest.mark.parametrize(
    "reply",
    [
        "535 5.7.8 no",
        "454 4.7.0 later",
        "432 4.7.12 change it",
        "530 5.7.0 no",
        "550 5.7.1 no",
        "534 5.7.9 Application-specific one needed",
        "534 5.7.14 Please log in via your web browser",
    ],
)
@pytest.mark.parametrize("offer", ["AUTH PLAIN LOGIN", "AUTH LOGIN CRAM-MD5 PLAIN"])
def test_a_verdict_on_the_credentials_is_one_failed_login(offer, reply):
    replies = ["334 PDFAeD4=", reply] if "CRAM-MD5" in offer else [reply]
    heard, error = fail_to_log_in_to([offer], *replies)
    assert len(heard) == len(replies)
    assert error.response == reply


@pytest.mark.parametrize("code", [500, 501, 502, 504, 534, 538])
def test_a_mechanism_that_the_server_cannot_do_is_followed_by_the_next(code):
    heard = log_in_to("AUTH PLAIN LOGIN", f"{code} no", "334 ", "334 ", "235 welcome")
    assert heard == [f"AUTH PLAIN {PLAIN}", "AUTH LOGIN", *LOGIN]


def test_an_attempt_that_was_cancelled_is_no_verdict():
    heard = log_in_to("AUTH PLAIN CRAM-MD5", "334 no base64", "535 cancelled", "235 welcome")
    assert heard == ["AUTH CRAM-MD5", "*", f"AUTH PLAIN {PLAIN}"]


@pytest.mark.parametrize("end", [Dialogue.__exit__, Dialogue.reset])
@pytest.mark.parametrize("replies", [["535 5.7.8 wrong"], ["504 5.5.4 not this"]])
def test_the_first_refusal_is_told_where_the_server_hangs_up(end, replies):
    def script(connection):
        talk = Dialogue(connection)
        talk.greet("AUTH PLAIN LOGIN")
        talk.answer(*replies)
        if replies[0].startswith("504"):
            talk.hear()
        end(talk)

    with scripted_server(script) as port, pytest.raises(BackendUnavailable) as caught:
        mail_to(port, **ACCOUNT).send(message())
    assert caught.value.response == replies[0]
    assert isinstance(caught.value, smtplib.SMTPAuthenticationError)


def test_all_refusals_of_mechanisms_are_told_by_the_first():
    heard, error = fail_to_log_in_to(["AUTH PLAIN LOGIN"], "504 5.5.4 not this", "502 nor that")
    assert heard == [f"AUTH PLAIN {PLAIN}", "AUTH LOGIN"]
    assert error.response == "504 5.5.4 not this"


def test_an_alarm_in_the_second_attempt_is_not_taken_for_a_hang_up(monkeypatch):
    ask = Wire.ask

    def alarmed(link, line, shown):
        if line == b"AUTH LOGIN":
            raise TimeoutError("out of a signal handler")
        return ask(link, line, shown)

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("AUTH PLAIN LOGIN")
            talk.answer("504 no")
            talk.wait()

    monkeypatch.setattr(Wire, "ask", alarmed)
    with scripted_server(script) as port, pytest.raises(TimeoutError, match="signal handler"):
        mail_to(port, **ACCOUNT).send(message())


@pytest.mark.parametrize("reply", ["421 4.7.0 too many errors", "250 ok", "what?"])
def test_after_421_or_nonsense_no_other_mechanism_is_tried(reply):
    """A server with such a reply must not get the password again."""
    heard, error = fail_to_log_in_to(["AUTH CRAM-MD5 PLAIN"], reply)
    assert heard == ["AUTH CRAM-MD5"]
    assert isinstance(error, smtplib.SMTPAuthenticationError)


def test_a_server_that_asks_on_and_on_is_left():
    heard, error = fail_to_log_in_to(["AUTH LOGIN"], "334 ", "334 ", "334 ", "501 cancelled")
    assert heard == ["AUTH LOGIN", *LOGIN, "*"]
    assert error.response == "501 cancelled"


@pytest.mark.parametrize(
    ("offer", "shown"), [([], "none"), (["AUTH GSSAPI \x1b[2JX"], "GSSAPI \\x1b[2JX")]
)
def test_missing_login_support_is_an_error_that_lists_the_offers(offer, shown):
    heard, error = fail_to_log_in_to(offer)
    assert heard == []
    assert isinstance(error, smtplib.SMTPNotSupportedError)
    assert f"(it offers: {shown})" in str(error)
    assert "MAIL_USE_TLS" in str(error)


def test_a_break_in_the_login_is_no_refusal():
    with (
        scripted_server(lambda connection: Dialogue(connection).greet("AUTH PLAIN")) as port,
        pytest.raises(smtplib.SMTPServerDisconnected) as caught,
    ):
        mail_to(port, **ACCOUNT).send(message())
    assert (caught.value.stage, caught.value.receipt.outcome) == ("login", Outcome.NOT_SENT)
