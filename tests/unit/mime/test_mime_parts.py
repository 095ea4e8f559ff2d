"""The body of a message: its text, its alternatives, and what parts them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reading import PATIENT, compose, leaves, parsed, split_message, text_of

# --- Text ----------------------------------------------------------------------------------------


@PATIENT
@given(
    st.text() | st.text(st.sampled_from("ab .=\té\r\n\x00\x1b"), max_size=300),
    st.sampled_from([None, "us-ascii", "iso-8859-1", "shift_jis", "euc-kr", "utf-16", "koi8-r"]),
)
@example("a\rb\nc\r\nd", None)
@example("x" * 999, None)
@example("", "us-ascii")
@example(".\r\n..\r\nFrom me\r\n", None)
@example("\x1b(B", "shift_jis")
@example("\\~\xa5", "shift_jis")
@example("\ufeffa", "utf-16")
def test_text_reads_back_with_crlf_for_its_line_ends(text: str, charset: str | None) -> None:
    canonical = re.sub("\r\n|\r|\n", "\r\n", text)

    content = compose(body=text, html=f"<p>{text}", charset=charset).as_bytes()

    assert content.isascii()
    plain, html = leaves(content)
    assert text_of(plain) == canonical
    assert text_of(html) == f"<p>{canonical}"
    modern = parsed(content)
    body = modern.get_body(("plain",))
    assert body is not None
    payload = body.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode(body.get_content_charset("ascii")) == canonical


@pytest.mark.parametrize("body", ["some plain text", "two\r\nlines\r\n", ""])
def test_ascii_text_is_in_the_source_as_it_stands(body: str) -> None:
    _, source = split_message(compose(body=body).as_bytes())

    assert source == body.encode()


@pytest.mark.parametrize(
    ("body", "shown"), [(None, ""), (b"h\xc3\xa9", "hé"), (12, "12"), ("a\ud800b", "a?b")]
)
def test_a_body_that_is_no_text_is_shown_all_the_same(body: Any, shown: str) -> None:
    [part] = leaves(compose(body=body).as_bytes())

    assert text_of(part) == shown


# --- Alternatives --------------------------------------------------------------------------------


def types_of(content: bytes) -> list[str]:
    return [part.get_content_type() for part in parsed(content).walk()]


def test_each_level_of_parts_is_there_only_where_it_is_needed() -> None:
    message = compose()
    assert types_of(message.as_bytes()) == ["text/plain"]
    message.html = "<p>"
    assert types_of(message.as_bytes()) == ["multipart/alternative", "text/plain", "text/html"]
    message.attach("a.bin", data=b"")
    assert types_of(message.as_bytes()) == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/octet-stream",
    ]
    message.html = None
    assert types_of(message.as_bytes()) == [
        "multipart/mixed",
        "text/plain",
        "application/octet-stream",
    ]


def test_alternatives_keep_their_order_and_parameters() -> None:
    message = compose(
        alts={"x-amp-html": "<html amp4email>", "html": "<p>", "calendar; method=REQUEST": "BEGIN:"}
    )

    _, amp, html, calendar = leaves(message.as_bytes())

    assert (amp.get_content_type(), html.get_content_type()) == ("text/x-amp-html", "text/html")
    assert calendar["Content-Type"] == 'text/calendar; method=REQUEST; charset="utf-8"'
    assert text_of(calendar) == "BEGIN:"


def test_the_charset_of_an_alternative_is_the_one_that_it_is_written_in() -> None:
    message = compose(alts={"html; charset=iso-8859-1": "é"})

    assert leaves(message.as_bytes())[1]["Content-Type"] == 'text/html; charset="utf-8"'


def test_an_alternative_of_no_type_is_shown_as_text() -> None:
    message = compose(alts={"a/b": "one", "": "two"})

    assert types_of(message.as_bytes()) == [
        "multipart/alternative",
        "text/plain",
        "a/b",
        "text/plain",
    ]


# --- Boundaries ----------------------------------------------------------------------------------


def test_a_message_has_the_same_octets_each_time() -> None:
    message = compose(date=None, html="<p>")
    message.attach("a.bin", data=b"\0")

    assert message.as_bytes() == message.as_bytes()


def test_the_same_fields_and_id_give_the_same_octets() -> None:
    one, other = (compose(html="<p>") for _ in range(2))
    one.msgId = other.msgId = "<1@example.com>"

    assert one.as_bytes() == other.as_bytes()


def test_boundaries_differ_from_message_to_message_and_level_to_level() -> None:
    boundaries = set()
    for _ in range(2):
        message = compose(html="<p>")
        message.attach("a.bin", data=b"")
        boundaries |= {part.get_boundary() for part in parsed(message.as_bytes()).walk()}

    assert len(boundaries - {None}) == 4


def test_a_boundary_is_in_none_of_the_parts() -> None:
    """The text can contain a boundary copied from an earlier message."""
    message = compose(html="<p>")
    boundary = parsed(message.as_bytes()).get_boundary()
    message.body = f"--{boundary}\r\nContent-Type: text/html\r\n\r\n<b>evil</b>\r\n--{boundary}--"

    content = message.as_bytes()

    assert types_of(content) == ["multipart/alternative", "text/plain", "text/html"]
    assert text_of(leaves(content)[0]) == message.body


def test_a_message_may_hold_itself() -> None:
    message = compose(html="<p>")
    message.attach("a.bin", data=b"")
    message.attach(None, "message/rfc822", message.as_bytes())

    assert types_of(message.as_bytes())[4:] == [
        "application/octet-stream",
        "message/rfc822",
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/octet-stream",
    ]
