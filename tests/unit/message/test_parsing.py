"""A message that is read back is the one that was written; any other gets its best reading."""

from __future__ import annotations

import string
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from reading import PATIENT, compose, parsed

from flask_mail import Message, MessageError

PNG = b"\x89PNG\r\n\x1a\n"
DATE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))


def read(*lines: str | bytes) -> Message:
    encoded = [line.encode() if isinstance(line, str) else line for line in lines]
    return Message.from_bytes(b"\r\n".join(encoded))


def tree(message: Message) -> list[tuple[str, str | None]]:
    return [
        (part.get_content_type(), part.get_filename()) for part in parsed(message.as_bytes()).walk()
    ]


# --- Our own -------------------------------------------------------------------------------------


def test_every_field_reads_back() -> None:
    message = compose(
        subject="Grüße ✓",
        sender="Käthe <k@example.com>",
        recipients=["ann@example.com", ("Bob, jr.", "bob@bücher.example")],
        cc=[("Cé", "c@example.com")],
        bcc=["hidden@example.com"],
        reply_to=[("Di", "di@example.com"), "e@example.com"],
        body="Hällo\n\n.\n",
        alts={"x-amp-html": "<html amp4email>", "html": "<p>é", "calendar; method=REQUEST": "B"},
        date=DATE,
        extra_headers={"X-Other": "Ünï", "Sender": "a@example.com"},
        in_reply_to="<1@example.com>",
    )
    message.attach("größe.csv", "text/csv; charset=latin-1", "é")
    message.attach("a.bin", data=b"\0\xff", headers={"Content-Description": "Ä"})
    cid = message.embed(PNG, "logo.png")
    message.attach("b.eml", "message/rfc822", compose(subject="inner").as_bytes())

    again = Message.from_bytes(message.as_bytes())

    for name in ("subject", "sender", "cc", "reply_to", "body", "alts", "date", "msgId"):
        assert getattr(again, name) == getattr(message, name), name
    assert again.recipients == ["ann@example.com", ("Bob, jr.", "bob@xn--bcher-kva.example")]
    assert (again.bcc, again.charset) == ([], None)
    assert again.extra_headers == message.extra_headers
    assert again.in_reply_to == "<1@example.com>"
    image, table, binary, inner = again.attachments
    assert (image.content_id, image.disposition, image.read()) == (cid, "inline", PNG)
    assert (table.filename, table.content_type) == ("größe.csv", "text/csv; charset=latin-1")
    assert table.read() == b"\xe9"
    assert (binary.read(), binary.headers) == (b"\0\xff", {"Content-Description": "Ä"})
    assert b"Subject: inner\r\n" in inner.read()
    assert again.as_bytes() == message.as_bytes()


NAMES = st.text(max_size=40).map(lambda text: "".join(c for c in text if c.isprintable()).strip())
BODIES = st.text(max_size=300) | st.text(st.sampled_from("ab .=\té\n"), max_size=300)
MAILBOXES = st.builds(
    lambda name, local: (name, f"{local}@example.com") if name else f"{local}@example.com",
    NAMES.filter(lambda name: "=?" not in name),
    st.text(string.ascii_lowercase, min_size=1, max_size=9),
)


@PATIENT
@given(
    subject=NAMES.filter(lambda text: "=?" not in text),
    recipients=st.lists(MAILBOXES, min_size=1, max_size=3, unique_by=lambda each: each[-9:]),
    body=BODIES.filter(bool),
    html=st.none() | BODIES.filter(bool),
    name=NAMES.filter(lambda text: "=?" not in text and "\\" not in text),
    data=st.binary(max_size=99),
)
@example("a", ["b@example.com"], "\r", "\r\n", 'c"d', b"")
def test_what_was_written_reads_back(
    subject: str, recipients: Any, body: str, html: Any, name: str, data: bytes
) -> None:
    assume(name or data)  # neither: an upload for which no file was chosen
    message = compose(subject=subject, recipients=recipients, body=body, html=html)
    message.attach(name, "application/x-a", data)

    again = Message.from_bytes(message.as_bytes())

    def canonical(text: str | None) -> str | None:
        return text and text.replace("\r\n", "\n").replace("\r", "\n")

    assert again.subject == message.subject
    assert (again.body, again.html) == (canonical(body), canonical(html))
    assert again.attachments[0].read() == data
    assert tree(again) == tree(message)
    assert parsed(again.as_bytes())["To"] == parsed(message.as_bytes())["To"]


@pytest.mark.parametrize("charset", ["iso-8859-1", "koi8-r", "utf-8", None])
def test_the_charset_is_kept(charset: str | None) -> None:
    text = "Привет" if charset == "koi8-r" else "é"
    again = Message.from_bytes(compose(body=text, charset=charset).as_bytes())

    assert again.body == text
    assert again.charset == (None if charset == "utf-8" else charset)


def test_a_subclass_reads_itself_and_gets_no_default_sender(app_with_sender: Any) -> None:
    class Special(Message):
        def __init__(self) -> None:
            raise AssertionError

    with app_with_sender.app_context():
        again = Special.from_bytes(b"Subject: Hello\r\n\r\n")

    assert isinstance(again, Special)
    assert (again.subject, again.sender) == ("Hello", None)


@pytest.fixture
def app_with_sender() -> Any:
    from flask import Flask

    from flask_mail import Mail

    app = Flask("shop")
    app.config["MAIL_DEFAULT_SENDER"] = "shop@example.com"
    Mail(app)
    return app


# --- Of others -----------------------------------------------------------------------------------


def test_headers_of_the_way_are_kept_and_the_first_of_several_counts() -> None:
    message = read(
        "Received: by a;\r\n\tlater",
        "Received: by b",
        "DKIM-Signature: v=1;\r\n b=abc",
        "SUBJECT: one",
        "Subject: two",
        "",
        "text",
    )

    assert message.subject == "one"
    assert message.extra_headers == {"Received": "by a; later", "DKIM-Signature": "v=1; b=abc"}
    assert message.body == "text"


def test_blind_copies_of_a_draft_are_blind_copies() -> None:
    assert read("Bcc: a@example.com", "", "").bcc == ["a@example.com"]


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ("Friends: a@example.com, B <b@example.com>;", ["a@example.com", ("B", "b@example.com")]),
        ("undisclosed-recipients:;", []),
        ('"A, B" <a@b.example>, nobody, <c@d.example>', [("A, B", "a@b.example"), "c@d.example"]),
        ("=?utf-8?q?J=C3=BCrgen?= B <a@example.com>", [("Jürgen B", "a@example.com")]),
        ("a@example.com,\r\n b@example.com", ["a@example.com", "b@example.com"]),
        ("a@b.example (x, y), c@d.example", [("x, y", "a@b.example"), "c@d.example"]),
        ("a@b.example; c@d.example", ["a@b.example", "c@d.example"]),
        ("a@b.example :-(, c@d.example", ["a@b.example :-(", "c@d.example"]),
        ('"A\r\n\tB" <a@b.example>', [("A B", "a@b.example")]),
        ("(, x, a..b@c.example", ["a..b@c.example"]),
        ("", []),
        ("," * 200_000, []),
        ('"' * 200_001, []),
    ],
)  # fmt: skip
def test_addresses_are_read_as_far_as_they_are_some(value: str, read_as: Any) -> None:
    assert read(f"To: {value}", "", "").recipients == read_as


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("Fri, 02 Jan 2026 03:04:05 +0530", DATE),
        ("Fri, 02 Jan 2026 03:04:05 -0000", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("yesterday", None),
        ("Fri, 99 Jan 2026 03:04:05 +0530", None),
    ],
)
def test_a_date_is_a_moment_or_none(value: str, date: datetime | None) -> None:
    assert read(f"Date: {value}", "", "").date == date


def test_raw_octets_in_a_header_are_read_as_utf_8_else_windows_1252() -> None:
    message = read("Subject: Grüße", b"X-Odd: \xff", "", "")

    assert message.subject == "Grüße"
    assert message.extra_headers == {"X-Odd": "ÿ"}


@pytest.mark.parametrize("word", ["=?klingon?q?a?=", "=?utf-8?b?a?=", "=?utf-8?q?=FF?="])
def test_an_encoded_word_that_cannot_be_decoded_is_some_text(word: str) -> None:
    assert read(f"Subject: {word}", "", "").subject


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        (["Content-Type: text/plain; charset=klingon"], b"\xc3\xa9", "é"),
        (["Content-Type: text/plain; charset=ascii"], b"a\xff", "aÿ"),
        (["Content-Transfer-Encoding: base64"], b"YWI", "ab"),
        (["Content-Transfer-Encoding: nonsense"], b"ab", "ab"),
        (["Content-Type: nonsense"], b"ab", "ab"),
        (["Content-Type: text/plain; charset*=x'y"], b"ab", "ab"),
        (["Content-Type: text/html", "Content-Type: text/plain"], b"ab", None),
        (["Content-Type: multipart/mixed"], b"ab", None),
        (["Content-Type: multipart/mixed; boundary=x"], b"--y\r\n\r\nab", None),
    ],
)
def test_a_broken_part_gets_its_best_reading(
    headers: list[str], body: bytes, text: str | None
) -> None:
    message = read(*headers, "", body)

    assert message.body == text
    assert bool(message.alts or message.attachments) == (text is None)


@pytest.mark.parametrize(
    "content",
    [b"", b"\r\n", b"\0", b"\xff\xfe", b"no header", b": x\r\n\r\n", b"\r\n\r\nbody",
     b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"],
)  # fmt: skip
def test_what_is_no_message_is_read_too(content: bytes) -> None:
    assert isinstance(Message.from_bytes(content), Message)


@PATIENT
@given(
    st.lists(
        st.sampled_from(
            [b"\r\n", b"--x", b"--x--", b"a@b.c", b"Content-Type: ", b"multipart/mixed; boundary=x",
             b"multipart/alternative; boundary=x", b"text/html", b"message/rfc822", b"To: ",
             b"Content-Disposition: attachment; filename*=", b"filename*0*=", b"utf-8''%FF",
             b"=?utf-8?q?", b"?=", b"\0", b"\xff", b"Subject: ", b"Date: ", b"Content-ID: <a>"]
        )
        | st.binary(max_size=3),
        max_size=60,
    ).map(b"".join)
)  # fmt: skip
def test_nothing_but_a_message_error_is_ever_raised(content: bytes) -> None:
    message = Message.from_bytes(content)

    parsed(message.as_bytes())


def nested(depth: int) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (each, each)
        for each in range(depth)
    )
    return opening + b"\r\ntext"


def test_parts_in_parts_have_an_end() -> None:
    assert Message.from_bytes(nested(20)).body == "text"
    for depth in (22, 1000):
        with pytest.raises(MessageError, match=r"deep"):
            Message.from_bytes(nested(depth))


def test_so_have_parts() -> None:
    with pytest.raises(MessageError, match="more than 1000 parts"):
        read("Content-Type: multipart/mixed; boundary=x", "", *["--x\r\n\r\na"] * 1001, "--x--")


def test_a_great_many_headers_are_read() -> None:
    message = read(*[f"X-{number}: a" for number in range(20_000)], "", "text")

    assert len(message.extra_headers or ()) == 20_000


def test_text_in_a_file_is_a_file() -> None:
    message = read(
        "Content-Type: multipart/mixed; boundary=x",
        "",
        "--x",
        'Content-Type: text/plain; name="=?utf-8?q?=C3=A9.txt?="',
        "Content-Disposition: inline",
        "",
        "in a file",
        "--x",
        "Content-Type: text/html",
        "Content-Disposition: attachment",
        "",
        "<p>",
        "--x",
        "",
        "text",
        "--x",
        "",
        "more",
        "--x--",
    )

    assert (message.body, message.html) == ("text", None)
    assert [(each.filename, each.disposition, each.read()) for each in message.attachments] == [
        ("é.txt", "inline", b"in a file"),
        (None, "attachment", b"<p>"),
        (None, "attachment", b"more"),
    ]


def test_a_report_keeps_its_parts() -> None:
    message = read(
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x",
        "",
        "--x",
        "",
        "It failed.",
        "--x",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; a",
        "",
        "Final-Recipient: rfc822; b@example.com",
        "",
        "--x--",
    )

    (status,) = message.attachments
    assert message.body == "It failed."
    assert status.content_type == "message/delivery-status"
    assert b"Final-Recipient: rfc822; b@example.com" in status.read()


@pytest.mark.parametrize("content", ["Subject: Hello", None, 5])
def test_only_octets_are_read(content: Any) -> None:
    with pytest.raises(MessageError, match="requires bytes"):
        Message.from_bytes(content)


def test_a_message_from_a_file_can_be_sent_again(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(compose(subject="Hello", body="Hi").as_bytes())

    message = Message.from_bytes((tmp_path / "a.eml").read_bytes())

    assert (message.subject, message.body) == ("Hello", "Hi")


def test_a_long_list_of_addresses_is_read_to_its_end_or_not_at_all() -> None:
    """Cut in the middle it would end with an address that nobody wrote."""
    many = [f"somebody.{number}@example.com" for number in range(6000)]
    written = Message("Hello", many, sender="me@example.com").as_bytes()

    assert Message.from_bytes(written).recipients == many
    with pytest.raises(MessageError, match="more than 1000000 characters"):
        Message.from_bytes(b"To: " + b", ".join([b"a@example.com"] * 70_000) + b"\r\n\r\n")
