"""Replies that come too early, or that no command asked for, from servers that follow a script."""

from __future__ import annotations

import pytest
from fault_play import little_room
from servers import Dialogue, mail_to, scripted_server

from flask_mail import Message, Outcome

__all__ = ["little_room"]  # a fixture

SENT, REFUSED, NOT_SENT, UNKNOWN = (
    Outcome.SENT,
    Outcome.REFUSED,
    Outcome.NOT_SENT,
    Outcome.UNKNOWN,
)


def message(body="Hi"):
    return Message("Hello", ["to@example.com"], body)


def taking(connection):
    with Dialogue(connection) as talk:
        talk.greet()
        talk.answer("250 ok", "250 ok", "354 go")
        talk.content()
        talk.say("250 ok")
        talk.wait()


@pytest.mark.usefixtures("little_room")
def test_positive_reply_before_the_content_is_written_accepts_nothing():
    """The server reads nothing of it, so that it cannot be written to the end."""

    def hasty(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.answer("250 ok", "250 ok", "354 go")
            talk.say("250 ok")
            talk.wait()

    with scripted_server(hasty) as port:
        [receipt] = mail_to(port).send_many([message(("x" * 70 + "\n") * 40_000)])
    assert receipt.outcome is NOT_SENT
    assert "more replies than commands" in str(receipt.error)


def test_positive_reply_behind_a_refused_rset_starts_the_message_again():
    """It may be the reply to another command: those behind it would be shifted."""

    def shifting(connection):
        with Dialogue(connection) as talk:
            talk.greet("PIPELINING")
            assert talk.hear().startswith("MAIL")
            talk.say("250 ok", "550 5.1.1 unknown", "503 5.5.1 no recipients")
            while talk.hear() != "RSET":
                pass
            talk.say("503 5.5.1 not now", "250 ok", "250 ok", "250 ok")
            talk.wait()

    with scripted_server(shifting, taking) as port:
        receipts = mail_to(port).send_many([message(), message()])
    assert [(each.outcome, each.attempts) for each in receipts] == [(REFUSED, 1), (SENT, 2)]


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [
        (["250 ok", "250 ok", "250 ok", "550 no"], UNKNOWN),
        (["250 ok", "250 ok", "550 no", "250 ok"], UNKNOWN),
        (["250 ok", "250 ok", "250 ok", "250 ok"], SENT),
        (["250 ok", "250 ok", "550 no", "550 no"], REFUSED),
        (["250 ok", "550 no", "550 no", "250 ok"], REFUSED),
    ],
)
def test_reply_too_many_makes_the_outcome_unknown_if_it_contradicts(replies, outcome):
    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("PIPELINING", "CHUNKING")
            talk.hear()
            talk.say(*replies)
            talk.wait()

    with scripted_server(script) as port:
        [receipt] = mail_to(port).send_many([message()])
    assert receipt.outcome is outcome


def test_354_without_a_recipient_is_ended_with_an_empty_content():
    """RFC 2920 section 3.1."""
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("PIPELINING")
            talk.hear()
            talk.say("250 ok", "550 5.1.1 unknown", "354 go")
            heard.extend([talk.hear(), talk.hear(), talk.hear()])
            talk.say("554 5.5.1 no recipients")
            talk.wait()

    with scripted_server(script) as port:
        [receipt] = mail_to(port).send_many([message()])
    assert (receipt.outcome, heard) == (REFUSED, ["RCPT TO:<to@example.com>", "DATA", "."])
