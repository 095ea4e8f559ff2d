"""Faults of servers and links: each message ends in the one outcome that is true of it."""

from __future__ import annotations

import gc
import smtplib
from pathlib import Path

import pytest
from servers import Dialogue, mail_to, scripted_server

from flask_mail import (
    BackendUnavailable,
    DeliveryUnknown,
    Message,
    MessageRefused,
    Outcome,
)
from flask_mail.smtp import session as client
from flask_mail.smtp.wire import Wire

NORMAL = {
    "greeting": "220 scripted",
    "ehlo": "250 mx.test",
    "sender": "250 ok",
    "recipient": "250 ok",
    "data": "354 go",
    "accept": "250 ok",
}
STEPS = tuple(NORMAL)
STAGES = {"ehlo": "greeting"}  # a step of the dialogue -> its stage, where that has another name
OUTCOMES = {
    BackendUnavailable: Outcome.NOT_SENT,
    MessageRefused: Outcome.REFUSED,
    DeliveryUnknown: Outcome.UNKNOWN,
}


def message():
    return Message("Hello", ["to@example.com"], body="Hi")


@pytest.fixture(autouse=True)
def others_garbage_stays():
    gc.disable()
    yield
    gc.enable()


def descriptors():
    """Return what this process has open; what lists it is a descriptor too, the same each time."""
    gc.collect(1)  # the garbage of this test alone: what is older takes half a second
    return sorted(each.name for each in Path("/dev/fd").iterdir())


def twice(script):
    """Return a server that does the same when a message is tried once more."""
    return script, script


def server_that(fault, step):
    """Return a script that goes well up to `step` and meets `fault` there."""

    def script(connection):
        with Dialogue(connection) as talk:
            for each in STEPS:
                if each == "accept":
                    talk.content()
                elif each != "greeting":
                    talk.hear()
                if each == step:
                    fault(talk)
                    return
                talk.say(NORMAL[each])

    return script


def hang_up(talk):
    pass


def reset(talk):
    talk.reset()


def fall_silent(talk):
    talk.wait()


def answer(line):
    def fault(talk):
        talk.say(line)
        talk.wait()

    return fault


BROKEN = {
    "hangs up": (hang_up, smtplib.SMTPServerDisconnected),
    "resets": (reset, (smtplib.SMTPServerDisconnected, ConnectionResetError)),
    "is silent": (fall_silent, smtplib.SMTPServerDisconnected),
    "talks nonsense": (answer("what?"), smtplib.SMTPException),
    "answers with an unknown code": (answer("260 sure"), smtplib.SMTPException),
    "answers with another one": (answer("355 sure"), smtplib.SMTPException),
    "answers endlessly": (answer("250 " + "x" * 9000), smtplib.SMTPException),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", BROKEN)
def test_a_break_is_not_sent_before_the_last_byte_and_unknown_after(step, name, monkeypatch):
    monkeypatch.setattr("flask_mail.smtp.transport._VERDICT", 0.3)
    fault, foreign = BROKEN[name]
    expected = DeliveryUnknown if step == "accept" else BackendUnavailable
    open_before = descriptors()
    with scripted_server(*twice(server_that(fault, step))) as port:
        with pytest.raises(expected) as caught:
            mail_to(port, MAIL_TIMEOUT=0.3 if fault is fall_silent else 10).send(message())
        error = caught.value
        assert error.receipt.outcome is OUTCOMES[expected]
        assert error.receipt.error is error
        # A reset at once may come before the client has seen that it is connected.
        at_once = {"connect"} if (name, step) == ("resets", "greeting") else set()
        assert error.stage in {STAGES.get(step, step), *at_once}
        assert isinstance(error, foreign)
        assert f"127.0.0.1:{port}" in str(error)
    assert descriptors() == open_before


@pytest.mark.parametrize("step", STEPS[:-1])
def test_silence_is_a_timeout_error_that_names_the_setting(step):
    with (
        scripted_server(server_that(fall_silent, step)) as port,
        pytest.raises(TimeoutError, match="MAIL_TIMEOUT") as caught,
    ):
        mail_to(port, MAIL_TIMEOUT=0.3).send(message())
    assert isinstance(caught.value, BackendUnavailable)


def test_silence_after_the_content_is_not_a_timeout_error(monkeypatch):
    monkeypatch.setattr("flask_mail.smtp.transport._VERDICT", 0.3)
    with (
        scripted_server(server_that(fall_silent, "accept")) as port,
        pytest.raises(
            DeliveryUnknown, match="timed out.* check before you send it again"
        ) as caught,
    ):
        mail_to(port, MAIL_TIMEOUT=0.3).send(message())
    assert not isinstance(caught.value, TimeoutError)


@pytest.mark.parametrize(
    ("step", "foreign"),
    [
        ("sender", smtplib.SMTPSenderRefused),
        ("recipient", smtplib.SMTPRecipientsRefused),
        ("data", smtplib.SMTPDataError),
        ("accept", smtplib.SMTPDataError),
    ],
)
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("421 4.3.2 shutting down", BackendUnavailable),
        ("451 4.3.0 try later", BackendUnavailable),
        ("554 5.7.1 spam", MessageRefused),
    ],
)
def test_a_refusal_is_for_good_only_if_its_code_says_so(step, foreign, reply, expected):
    if (step, reply[:3]) == ("accept", "421"):  # which may come unasked
        expected, foreign = DeliveryUnknown, smtplib.SMTPServerDisconnected
    heard = []

    def fault(talk):
        talk.say(reply)
        while True:
            heard.append(talk.hear())
            talk.say("250 ok")

    with (
        scripted_server(server_that(fault, step)) as port,
        pytest.raises(expected, match=reply) as caught,
    ):
        mail_to(port).send(message())
    error = caught.value
    assert isinstance(error, foreign)
    assert error.receipt.outcome is OUTCOMES[expected]
    assert (error.stage, error.response) == (step, reply)
    # After 421 the connection is closed without a word.
    assert heard == ([] if reply.startswith("421") else ["QUIT"])


@pytest.mark.parametrize("reply", ["554 5.7.1 go away", "421 too busy"])
def test_a_greeting_that_refuses_is_no_connection(reply):
    with (
        scripted_server(lambda connection: Dialogue(connection).say(reply)) as port,
        pytest.raises(smtplib.SMTPConnectError, match=reply) as caught,
    ):
        mail_to(port).send(message())
    error = caught.value
    assert isinstance(error, BackendUnavailable)
    assert (error.stage, error.smtp_code) == ("greeting", int(reply[:3]))


@pytest.mark.parametrize(
    ("replies", "heard"),
    [(("421 busy",), ["EHLO"]), (("451 later",), ["EHLO"]), (("502 what?", "550 no"), None)],
)
def test_a_server_that_takes_neither_ehlo_nor_helo_is_unavailable(replies, heard):
    commands = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.say("220 scripted")
            commands.extend(talk.answer(*replies))
            talk.wait()

    with (
        scripted_server(script) as port,
        pytest.raises(smtplib.SMTPHeloError, match="MAIL_LOCAL_HOSTNAME") as caught,
    ):
        mail_to(port).send(message())
    assert caught.value.receipt.outcome is Outcome.NOT_SENT
    assert [each.split()[0].upper() for each in commands] == (heard or ["EHLO", "HELO"])


def test_nobody_listens():
    with scripted_server() as port:
        pass
    with pytest.raises(ConnectionRefusedError, match="MAIL_SERVER and MAIL_PORT") as caught:
        mail_to(port).send(message())
    error = caught.value
    assert isinstance(error, BackendUnavailable)
    assert error.errno is not None
    assert (error.stage, error.receipt.outcome) == ("connect", Outcome.NOT_SENT)


@pytest.mark.parametrize("server", ["no-such-host.invalid", "x" * 64 + ".test"])
def test_a_server_name_without_an_address_names_the_setting(server):
    with pytest.raises(BackendUnavailable, match="MAIL_SERVER") as caught:
        mail_to(25, MAIL_SERVER=server).send(message())
    assert isinstance(caught.value, OSError)
    assert caught.value.receipt.outcome is Outcome.NOT_SENT


@pytest.mark.parametrize("farewell", [hang_up, reset, fall_silent, answer("500 what?")])
def test_what_happens_at_quit_changes_nothing(farewell, monkeypatch):
    monkeypatch.setattr(client, "QUIT_SECONDS", 0.1)

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.answer("250 ok", "250 ok", "354 go")
            talk.content()
            talk.say("250 2.0.0 queued as 42")
            talk.hear()
            farewell(talk)

    with scripted_server(script) as port:
        receipt = mail_to(port).send(message())
    assert (receipt.outcome, receipt.response) == (Outcome.SENT, "250 2.0.0 queued as 42")


def test_a_server_that_hangs_up_right_after_accepting_has_accepted():
    with scripted_server(server_that(lambda talk: talk.say("250 ok"), "accept")) as port:
        assert mail_to(port).send(message()).sent


def test_any_positive_completion_of_the_mail_system_is_taken_for_250():
    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.answer("251 fine", "252 will try", "354 go")
            talk.content()
            talk.say("255 taken")

    with scripted_server(script) as port:
        receipt = mail_to(port).send(message())
    assert (receipt.outcome, receipt.response, receipt.refused) == (Outcome.SENT, "255 taken", {})


@pytest.mark.parametrize(
    ("replies", "expected", "response"),
    [
        (("450 busy", "450 busy", "451 later"), BackendUnavailable, "451 later"),
        (("550 5.1.1 gone", "450 busy", "450 busy"), MessageRefused, "550 5.1.1 gone"),
        (("450 busy", "450 busy", "550 gone"), MessageRefused, "550 gone"),
        (("450 busy", "550 gone", "421 bye"), BackendUnavailable, "421 bye"),
        (("550 gone", "421 bye"), BackendUnavailable, "421 bye"),
        (("250 ok", "421 bye"), BackendUnavailable, "421 bye"),
    ],
)
def test_5xx_without_recipients_refuses_and_421_ends_the_session(replies, expected, response):
    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.answer("250 ok", *replies)
            while True:
                heard.append(talk.hear())
                talk.say("250 ok")

    heard = []
    recipients = ["a@example.com", "b@example.com", "c@example.com"]
    with scripted_server(script) as port, pytest.raises(expected) as caught:
        mail_to(port).send(Message("Hello", recipients, body="Hi"))
    error = caught.value
    assert isinstance(error, smtplib.SMTPRecipientsRefused)
    assert error.receipt.outcome is OUTCOMES[expected]
    assert error.response == response
    assert {address: code for address, (code, _) in error.recipients.items()} == {
        address: int(reply[:3])
        for address, reply in zip(recipients, replies, strict=False)
        if not reply.startswith("250")
    }
    assert heard == ([] if "421 bye" in replies else ["QUIT"])


def interrupt_after(count, monkeypatch):
    """Let a signal come while the reply after so many is waited for."""
    replies = []

    def counting(read):
        def method(*args, **kwargs):
            if len(replies) == count:
                raise KeyboardInterrupt
            replies.append(read(*args, **kwargs))
            return replies[-1]

        return method

    for name in ("hear", "readline"):
        monkeypatch.setattr(Wire, name, counting(getattr(Wire, name)))


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupt_closes_without_a_word(step, monkeypatch):
    """A worker that is told to stop has no time to talk."""
    reached = STEPS.index(step)
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            for each in STEPS[:reached]:
                if each == "accept":
                    talk.content()
                elif each != "greeting":
                    talk.hear()
                talk.say(NORMAL[each])
            while True:
                heard.append(talk.hear())

    interrupt_after(reached, monkeypatch)
    open_before = descriptors()
    with (
        scripted_server(script) as port,
        pytest.raises(KeyboardInterrupt),
    ):
        mail_to(port).send(message())
    assert descriptors() == open_before
    assert "QUIT" not in heard
    assert "RSET" not in heard


@pytest.mark.parametrize("reached", [0, 1, 2], ids=["MAIL", "RSET", "MAIL of the second"])
def test_an_interrupt_in_a_batch_closes_the_session_at_once(reached, monkeypatch):
    """The interrupt may come while RSET takes back a refused message."""

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.answer("550 no", "250 ok")
            talk.wait()

    with scripted_server(script) as port, mail_to(port).connect() as connection:
        interrupt_after(reached, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            connection.send_many([message(), message()])
        assert connection.host.sock is None
