"""Text of the format "flowed" is read as its writer typed it (RFC 3676)."""

from __future__ import annotations

import pytest

from flask_mail import Message
from flask_mail.mime.flowed import unwrap


@pytest.mark.parametrize(
    ("wrapped", "text"),
    [
        ("one \ntwo \nthree\nfour\n", "one two three\nfour\n"),
        ("one \n\ntwo", "one\n\ntwo"),
        (" From here\n > no quote\n  two", "From here\n> no quote\n two"),
        ("> a \n> b\n>> c \n>>d\nown", "> a b\n>> c d\nown"),
        ("> a \nown", "> a\nown"),
        (">\n>", ">\n>"),
        ("bye \n-- \nAnn \nB", "bye\n-- \nAnn B"),
        ("> -- \n> Ann", "> -- \n> Ann"),
        ("last ", "last"),
        ("", ""),
    ],
)
def test_wrapped_lines_are_one_paragraph(wrapped: str, text: str) -> None:
    assert unwrap(wrapped) == text


def test_delsp_joins_without_spaces() -> None:
    assert unwrap("日本 \n語  \nx\n", delete_spaces=True) == "日本語 x\n"


def flowed(body: str, parameters: str = "; format=flowed") -> Message:
    head = f"To: ann@example.com\r\nContent-Type: text/plain; charset=utf-8{parameters}\r\n\r\n"
    return Message.from_bytes((head + body).encode())


def test_a_flowed_message_reads_as_paragraphs_and_is_fixed_when_sent_again() -> None:
    message = flowed("one \r\ntwo\r\n-- \r\nAnn\r\n")
    again = message.as_bytes()

    assert message.body == "one two\n-- \nAnn\n"
    assert b"flowed" not in again
    assert Message.from_bytes(again).body == message.body


def test_delsp_of_a_message_counts_in_any_case() -> None:
    assert flowed("日 \r\n本", "; Format=Flowed; DelSp=Yes").body == "日本"


def test_text_that_is_fixed_stays_as_it_is() -> None:
    assert flowed("one \r\ntwo", "; format=fixed").body == "one \ntwo"
    assert flowed("one \r\ntwo", "").body == "one \ntwo"


def test_a_flowed_attachment_stays_octet_for_octet_and_says_so() -> None:
    message = Message.from_bytes(
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nbody\r\n"
        b"--x\r\nContent-Type: text/plain; format=flowed\r\n\r\none \r\ntwo\r\n--x--"
    )
    [attachment] = message.attachments

    assert attachment.data == b"one \r\ntwo"
    assert attachment.content_type == "text/plain; format=flowed"
