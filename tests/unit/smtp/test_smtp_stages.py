"""Time limits of each stage of a session (RFC 5321 section 4.5.3.2)."""

from __future__ import annotations

import threading

import pytest
from servers import Dialogue, mail_to, scripted_server

from flask_mail import Message, Outcome
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.smtp import transport as link
from flask_mail.smtp.wire import Wire

OFFERS = pytest.mark.parametrize(
    "offered", [(), ("PIPELINING",), ("CHUNKING",), ("PIPELINING", "CHUNKING")], ids=str
)


def bucket(seconds):
    """Return what a wait was meant to be, some of which may be over."""
    return next(each for each in (0.05, 1, 9, 20, 600) if seconds <= each)


class Patience:
    """Notes the longest wait for each thing that a server says, in seconds."""

    def __init__(self, monkeypatch):
        self.waits = []
        self.to_write = set()
        self.is_long = threading.Event()
        is_ready = link.is_ready

        def noting(sock, write, seconds):
            self.waits.append(bucket(seconds))
            if write:
                self.to_write.add(bucket(seconds))
            elif seconds > 20:
                self.is_long.set()
            return is_ready(sock, write, seconds)

        monkeypatch.setattr(link, "is_ready", noting)


def message(body="Hi"):
    return Message("Hello", ["to@example.com"], body=body)


def serve(offered, verdict_is_due=None):
    """Return a script that takes a message, and answers its content when that is due."""

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet(*offered)
            while (command := talk.hear().split())[0] != "DATA" and command[-1] != "LAST":
                if command[0] == "BDAT":
                    read(talk, int(command[1]))
                talk.say("250 ok")
            if command[0] == "DATA":
                talk.say("354 go")
                talk.content()
            else:
                read(talk, int(command[1]))
            if verdict_is_due is not None:
                assert verdict_is_due.wait(10)
            talk.say("250 ok")
            talk.answer("221 bye")

    def read(talk, left):
        view = memoryview(bytearray(left))
        while left:
            left -= talk.read_into(view[:left])

    return script


@OFFERS
def test_the_reply_to_content_may_take_ten_minutes_and_no_other_does(monkeypatch, offered):
    patience = Patience(monkeypatch)
    with scripted_server(serve(offered, patience.is_long)) as port:
        [receipt] = mail_to(port, MAIL_TIMEOUT=20).send_many([message()])
    assert receipt.sent
    assert max(patience.waits) == 600
    assert {each for each in patience.waits if each > 1} <= {20, 600}  # QUIT has a second
    assert patience.waits[0] == 20  # the greeting


@pytest.mark.exhaustive
@OFFERS
def test_large_content_may_not_stand_still_for_ten_minutes(monkeypatch, offered):
    """The long wait begins once all of it has left."""
    patience = Patience(monkeypatch)
    with scripted_server(serve(offered, patience.is_long)) as port:
        [receipt] = mail_to(port, MAIL_TIMEOUT=20).send_many([message("0123456789\n" * 400_000)])
    assert receipt.sent
    assert patience.to_write == {20}
    assert 600 in patience.waits


@OFFERS
def test_a_deadline_cuts_every_wait_short(monkeypatch, offered):
    patience = Patience(monkeypatch)
    with scripted_server(serve(offered)) as port:
        assert mail_to(port, MAIL_TIMEOUT=60, MAIL_DEADLINE=9).send(message()).sent
    assert max(patience.waits) == 9


@pytest.mark.parametrize(
    ("timeout", "wait"), [(0.1, 3), (1, 30), (20, 600), (300, 600), (900, 900)]
)
def test_short_waits_are_wanted_where_the_timeout_is_short(timeout, wait):
    assert Wire(None, timeout, "mx", debug=False)._verdict_timeout == wait


def test_a_server_that_left_is_not_waited_for(monkeypatch):
    """421 before the reply to content: a second is enough."""
    patience = Patience(monkeypatch)

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("PIPELINING", "CHUNKING")
            talk.hear()
            talk.say("421 bye")
            talk.wait()

    monkeypatch.setattr("flask_mail.smtp.pipeline._GRACE", 0.05)
    with scripted_server(script) as port:
        [receipt] = mail_to(port, MAIL_TIMEOUT=20).send_many([message()])
    assert receipt.outcome is Outcome.NOT_SENT
    assert 0.05 in patience.waits


@pytest.mark.parametrize(
    ("options", "octets", "seconds"),
    [
        ({}, 0, 20),
        ({}, 1_000_000, 27),  # a megabyte is in time for web servers, too
        ({"timeout": 5.0}, 0, 20),
        ({"timeout": 60.0}, 0, 60),
        ({"deadline": 7.0}, 10_000_000, 7),
        ({"timeout": 300.0, "deadline": 900.0}, 0, 900),
    ],
)
def test_a_single_message_ends_before_a_web_server_ends_the_request(options, octets, seconds):
    """Gunicorn ends it after 30 seconds."""
    assert SmtpBackend(**options)._seconds(octets) == seconds
