"""Replies are read as they come, in pieces or together, and never without a bound."""

from __future__ import annotations

import itertools
import smtplib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_mail.smtp.reader import MAX_LINE, MAX_LINES, MAX_REPLY, Reader
from flask_mail.smtp.replies import Reply


def replies_of(*pieces):
    incoming = Reader()
    found = []
    for piece in pieces:
        incoming.unread += piece
        while (reply := incoming.reply()) is not None:
            found.append(reply)
    return found, bytes(incoming.unread)


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (b"250 ok\r\n", Reply(250, "ok")),
        (b"250 ok\n", Reply(250, "ok")),
        (b"250\r\n", Reply(250, "")),
        (b"250 \r\n", Reply(250, "")),
        (b"250-one\r\n250-\r\n250 two\r\n", Reply(250, "one two")),
        (b"550-one\r\n550-\r\n550 two\r\n", Reply(550, "one two")),
        (b"what?\r\n", Reply(-1, "what?")),
        (b"\r\n", Reply(-1, "")),
        (b"2500 ok\r\n", Reply(-1, "2500 ok")),
        (b"25 ok\r\n", Reply(-1, "25 ok")),
        (b"+25 ok\r\n", Reply(-1, "+25 ok")),
        (b"250-one\r\nwhat?\r\n", Reply(-1, "what?")),
    ],
)
def test_a_line_is_a_reply_if_it_begins_with_a_code(said, reply):
    [found], unread = replies_of(said)
    assert found.code == reply.code
    assert found.text.endswith(reply.text)
    assert unread == b""


CODES = ("220", "250", "251", "334", "354", "421", "450", "550")


@pytest.mark.parametrize(("first", "last"), list(itertools.permutations(CODES, 2)))
@pytest.mark.parametrize("between", [b"", b"%s-more\r\n", b"%s-\r\n%s-\r\n"])
def test_a_reply_whose_lines_differ_in_code_is_malformed(first, last, between):
    begin = f"{first}-rejected\r\n".encode() + between.replace(b"%s", first.encode())
    for end in (b" ok\r\n", b"-ok\r\n", b"\r\n"):
        [malformed, following], unread = replies_of(begin + last.encode() + end + b"250 fine\r\n")
        assert malformed.code == -1
        assert malformed.text.startswith("rejected")
        assert (following, unread) == (Reply(250, "fine"), b"")


@pytest.mark.parametrize("said", [b"550-no\r\n250 ok\r\n", b"250-ok\r\n251-ok\r\n", b"what?\r\n"])
def test_smtplib_reads_no_line_of_a_malformed_reply(said):
    incoming = Reader()
    incoming.unread += said
    with pytest.raises(smtplib.SMTPResponseException) as caught:
        list(iter(incoming.line, None))
    assert caught.value.smtp_code == -1


def test_a_reply_that_has_begun_is_part_of_what_came_after_the_last():
    incoming = Reader()
    incoming.unread += b"250 ok\r\n550-no\r\n55"
    assert incoming.reply() == Reply(250, "ok")
    assert incoming.reply() is None
    assert incoming.rest == b"55055"


@given(st.data())
def test_replies_are_the_same_however_they_are_cut(data):
    said = b"220 hello\r\n250-mx.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n250 ok\r\n354 go\r\n221 "
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)))))
    pieces = [said[a:b] for a, b in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    found, unread = replies_of(*pieces)
    assert [reply.code for reply in found] == [220, 250, 250, 354]
    assert unread == b"221 "


@pytest.mark.parametrize(
    "said",
    [
        b"250 " + b"x" * MAX_LINE,
        b"250 " + b"x" * MAX_LINE + b"\r\n",
        b"250-\r\n" * (MAX_LINES + 1),
        (b"250-" + b"x" * 8000 + b"\r\n") * (MAX_REPLY // 8000 + 1),
    ],
    ids=["a line without an end", "a long line", "many lines", "many octets"],
)
def test_a_reply_without_an_end_is_an_error(said):
    with pytest.raises(smtplib.SMTPResponseException, match="without an end"):
        replies_of(*(said[start : start + 100] for start in range(0, len(said), 100)))


def test_a_reply_of_the_greatest_length_is_followed_by_another():
    longest = b"250-\r\n" * (MAX_LINES - 1) + b"250 ok\r\n"
    found, _ = replies_of(longest + longest + b"250 ok\r\n")
    assert [reply.code for reply in found] == [250] * 3
