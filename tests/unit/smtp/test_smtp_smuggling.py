"""Nothing in a content becomes a command, also if the server does not read a chunk that it refuses;
and the outcomes are true then."""

from __future__ import annotations

import pytest
from fault_play import MODES, NOT_SENT, REFUSED, ROOM, SENT, UNKNOWN, Play, little_room
from faults import Fault
from hypothesis import given
from hypothesis import strategies as st
from servers import Dialogue, mail_to, scripted_server

from flask_mail import Message
from flask_mail.mime.content import Base64, Content
from flask_mail.smtp.replies import Reply
from flask_mail.smtp.smuggling import ended, may_hold_commands

__all__ = ["little_room"]  # a fixture

pytestmark = pytest.mark.usefixtures("little_room")

LARGE = pytest.param("large", marks=pytest.mark.exhaustive)
CHUNKED = pytest.mark.parametrize("mode", ["chunking", "both", "tls", LARGE])
HEADER = b"Subject: Hello\r\nFrom: me@example.com\r\n\r\n"
FORGED = (
    "MAIL FROM:<ceo@example.com>\nRCPT TO:<victim@example.com>\nDATA\n"
    "Subject: forged\n\nPay.\n.\nQUIT\n"
)


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"MAIL FROM:<a@example.com>",
            b"mail from:a@example.com",
            b"MAIL\tFROM <a@example.com>",
            b"MAIL\x0bFROM:<>",
        ),
        *(b"  Mail  From: <>", b"\tRCPT TO:<b@example.com>", b"rcpt to: b", b"DATA", b" data "),
        *(b"DATA now", b"BDAT 10 LAST", b"bdat 10", b"BURL imap://x LAST", b"SEND FROM:<a>"),
        *(b"EHLO x", b"helo x", b"LHLO x", b"RSET", b"STARTTLS", b"AUTH PLAIN AGEAYg==", b"QUIT"),
        *(b"XCLIENT NAME=x", b"xforward NAME=x", b"NOOP", b"\x0bDATA", b"x\x85DATA", b"x\x0cDATA"),
        *(b"\xe2\x80\xa8DATA", b"\xa0DATA", b"\xef\xbb\xbfDATA", b"x" * 600 + b"DATA"),
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b""])
def test_a_line_that_a_server_could_take_for_a_command_is_found(line, end):
    for before in (HEADER, HEADER + b"Hi" + (end or b"\r\n"), b""):
        assert may_hold_commands(before + line + end, is_cut=False)
        assert may_hold_commands(Content([before + line + end]), is_cut=False)


@pytest.mark.parametrize(
    "line",
    [
        *(b"Hello", b"Mail us at info@example.com", b"email from: me", b"Database", b"Data-driven"),
        *(
            b"Mailing-List: x",
            b"Mail-Followup-To: a@example.com",
            b"> DATA",
            b"your DATA",
            b"Send us",
        ),
        *(b"Help", b"REFUQQ==", b"DATA+abc", b"Date: today", b"Author: x", b"Resets", b"Quite so"),
    ],
)
def test_ordinary_lines_are_no_commands(line):
    assert not may_hold_commands(HEADER + line + b"\r\nBye.\r\n", is_cut=False)
    assert not may_hold_commands(HEADER + line, is_cut=False)


def test_a_chunk_may_begin_anywhere():
    content = HEADER + b"All your DATA\r\n"
    assert not may_hold_commands(content, is_cut=False)
    assert may_hold_commands(content, is_cut=True)


@given(st.binary(max_size=20), st.sampled_from(["base64", "literal"]))
def test_a_content_always_ends_its_last_line(octets, kind):
    whole = bytes(ended(octets))
    assert whole.endswith(b"\r\n")
    assert whole in (octets, octets + b"\r\n")
    content = Content([HEADER, Base64(octets)] if kind == "base64" else [HEADER, octets])
    whole = bytes(ended(content))
    assert whole.endswith(b"\r\n")
    assert whole in (bytes(content), bytes(content) + b"\r\n")


def refuse(number):
    return [Fault(f"rcpt{n}", "5xx", ((1, number),)) for n in (1, 2, 3)]


@CHUNKED
@pytest.mark.parametrize("body", [None, FORGED], ids=["ordinary", "forged"])
def test_refused_message_stays_refused_if_its_chunk_runs_as_commands(mode, body):
    server = {"answers_to_bdat": "if refused"}
    with Play(mode, *refuse(1), server=server, body=body) as play:
        play.send()
        play.send()
        play.send()
        play.expect(REFUSED, SENT, SENT)
    assert play.problems == []


@CHUNKED
@pytest.mark.parametrize("number", [1, 2, 4])
def test_no_message_of_a_batch_is_sent_twice_behind_such_a_chunk(mode, number):
    server = {"answers_to_bdat": "if refused"}
    with Play(mode, *refuse(number), server=server) as play:
        play.send_many(6)
        play.send()
        later = {SENT, UNKNOWN} if mode in ("both", "tls") else SENT
        play.expect(*[SENT] * (number - 1), REFUSED, *[later] * (6 - number), SENT)
    assert play.problems == []


@CHUNKED
@pytest.mark.parametrize("resets", [1, 5])
def test_refused_rset_is_harmless_if_refused_chunks_are_discarded(mode, resets):
    """The first of the replies to RSET shows that they are; each message in flight costs one."""
    with Play(mode, *refuse(1), server={"resets": resets}) as play:
        play.send_many(30)
        play.expect(REFUSED, *[SENT] * 29)
    assert play.problems == []


@CHUNKED
def test_refused_rset_behind_a_refused_chunk_ends_the_use_of_chunks(mode):
    """It may be the reply to a line of that chunk."""
    with Play(mode, Fault("content", "5xx", ((1, 1),)), server={"resets": 0}) as play:
        play.send()
        play.send()
        play.expect(REFUSED, SENT)
    assert play.problems == []
    first, *others = play.server.conversations
    assert any(each.startswith("BDAT") for each in first.commands)
    assert not any(each.startswith("BDAT") for talk in others for each in talk.commands)


def take_chunk(talk, reply):
    talk.answer("250 ok", "250 ok")
    talk.chunk()
    talk.say(reply)


def taking_a_chunk(connection):
    with Dialogue(connection) as talk:
        talk.greet("CHUNKING")
        take_chunk(talk, "250 ok")
        talk.wait()


@pytest.mark.parametrize("resets", [1, 2])
def test_rset_refused_late_leaves_chunks_in_use(resets):
    """The earlier replies to RSET have shown that the server discards the chunks it refuses."""

    def tired(connection):
        with Dialogue(connection) as talk:
            talk.greet("CHUNKING")
            take_chunk(talk, "550 5.7.1 no")
            for _ in range(resets):
                talk.answer("250 ok")
                take_chunk(talk, "550 5.7.1 no")
            talk.answer("503 too many errors")

    messages = [Message("Hello", ["to@example.com"], "Hi") for _ in range(resets + 2)]
    with scripted_server(tired, taking_a_chunk) as port:
        receipts = mail_to(port).send_many(messages)
    assert [each.outcome for each in receipts] == [*[REFUSED] * (resets + 1), SENT]
    assert receipts[-1].attempts == 2


def test_421_to_rset_behind_a_refused_chunk_leaves_chunks_in_use():
    """It is no reply to a line of the chunk: the server closes the connection."""

    def closing(connection):
        with Dialogue(connection) as talk:
            talk.greet("CHUNKING")
            take_chunk(talk, "550 5.7.1 no")
            talk.answer("421 4.7.0 closing")

    messages = [Message("Hello", ["to@example.com"], "Hi") for _ in range(2)]
    with scripted_server(closing, taking_a_chunk) as port:
        receipts = mail_to(port).send_many(messages)
    assert [each.outcome for each in receipts] == [REFUSED, SENT]
    assert receipts[-1].attempts == 2


@CHUNKED
@pytest.mark.parametrize("reply", ["500 what?", "502 5.5.1 not implemented", "503 5.5.1 not now"])
@pytest.mark.parametrize("body", [None, FORGED], ids=["ordinary", "forged"])
@pytest.mark.parametrize("first", [Play.send, lambda play: play.send_many(5)], ids=["1", "5"])
def test_a_server_that_offers_bdat_and_does_not_know_it_gets_data(mode, reply, body, first):
    with Play(mode, server={"answers_to_bdat": reply}, body=body) as play:
        first(play)
        play.send()
        play.send_many(3)
        play.expect(*[SENT] * len(play.receipts))
        play.expect_attempts(0, 1 if body else 2)
        play.expect_attempts(1, 1)
    assert play.problems == []
    said = [each for talk in play.server.conversations for each in talk.commands]
    assert sum(each.startswith("BDAT") for each in said) == (0 if body else 1)


@pytest.mark.parametrize("mode", [LARGE if mode == "large" else mode for mode in MODES])
def test_a_body_with_commands_arrives_as_it_was(mode):
    body = FORGED if mode != "large" else FORGED + "x" * 70 + "\n" * 200_000
    with Play(mode, body=body) as play:
        play.send()
        play.send_many(4)
        play.expect(*[SENT] * 5)
    assert play.problems == []


SHIFTED = [
    ["250 2.1.0 ok", "250 2.1.5 ok", "250 2.1.5 ok"],
    ["250 2.1.0 ok", "250 2.1.0 ok", "250 2.1.5 ok"],
    ["250 ok", "250 ok", "250 2.1.0 ok"],
    ["250 ok", "250 ok", "250 2.1.10"],
    ["250 2.1.0 ok", "250 2.1.5 ok", "250 5.7.1 rejected by policy"],
    ["250 2.1.0 ok", "250 2.1.5 ok", "250 4.2.0 later"],
]


@pytest.mark.parametrize("replies", SHIFTED)
@pytest.mark.parametrize("codes", [(), ("ENHANCEDSTATUSCODES",)])
def test_a_reply_about_an_address_does_not_accept_a_content(replies, codes):
    """It belongs to a command before, and the refusal of the content may be on its way."""

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("PIPELINING", "CHUNKING", *codes)
            talk.hear()
            talk.say(*replies)
            talk.wait()

    with scripted_server(script) as port:
        [receipt] = mail_to(port).send_many([Message("Hello", ["to@example.com"], "Hi")])
    assert receipt.outcome is UNKNOWN


@pytest.mark.parametrize(
    "text", ["ok", "2.0.0 queued", "2.6.0 message received", "queued as 2.1.5", "2.10.0 ok", ""]
)
def test_any_other_positive_reply_accepts_a_content(text):
    assert Reply(250, text).may_accept_content


@pytest.mark.parametrize("mode", ["lockstep", "pipelining"])
def test_421_before_complete_content_proves_no_acceptance(mode):
    body = ("x" * 70 + "\n") * 40_000
    with Play(mode, Fault("half", "421"), server={"room": ROOM}, body=body) as play:
        play.send()
        play.expect(NOT_SENT)
    assert play.problems == []


def test_unsolicited_421_before_the_content_is_retried():
    def leaving(connection):
        with Dialogue(connection) as talk:
            talk.greet("PIPELINING")
            talk.hear()
            talk.say("250 ok", "250 ok", "354 go", "421 4.4.2 Timeout")
            talk.wait()

    def staying(connection):
        with Dialogue(connection) as talk:
            talk.greet()
            talk.answer("250 ok", "250 ok", "354 go")
            talk.content()
            talk.say("250 ok")

    with scripted_server(leaving, staying) as port:
        [receipt] = mail_to(port).send_many([Message("Hello", ["to@example.com"], "Hi")])
    assert (receipt.outcome, receipt.attempts) == (SENT, 2)
