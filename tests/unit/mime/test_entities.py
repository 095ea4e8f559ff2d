"""Messages of any origin are taken apart as they are, in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import PATIENT, compose

from flask_mail import Attachment, Message
from flask_mail.message.validation import check_message
from flask_mail.mime.parser import Entity, decode_text, read_parameters

FOLDED = b"Subject: a\r\n\t  folded  \r\nX: " + b"x" * 1500
FOLDED += b"\r\nDKIM-Signature: v=1;  b=c;\r\n\td \r\n"
SIGNED = (
    b"From x y\r\nSubject: \xc3\xa9\r\nContent-Type: multipart/signed; boundary=q\r\n\r\npre\r\n"
)
INNER = [
    FOLDED + b"\r\nb \r\n",
    SIGNED + b"--q\r\n\r\nhi \r\n--q--\r\nepilogue\r\n",
    b"no header at all",
    b"",
]


@pytest.mark.parametrize("inner", INNER)
def test_an_attached_message_stays_octet_for_octet(inner: bytes) -> None:
    """A signature in it would be broken otherwise."""
    outer = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822"
    message = Message.from_bytes(outer + b"\r\n\r\n" + inner + b"\r\n--x--\r\n")

    (attachment,) = message.attachments
    assert (attachment.content_type, attachment.data) == ("message/rfc822", inner)


def test_a_digest_holds_messages() -> None:
    digest = (
        b"Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\nSubject: a\r\n\r\nb\r\n--x--"
    )
    (attachment,) = Message.from_bytes(digest).attachments

    assert (attachment.content_type, attachment.data) == ("message/rfc822", b"Subject: a\r\n\r\nb")


@pytest.mark.parametrize(
    ("octets", "fields", "content"),
    [
        (b"A: 1\r\nB:2\r\n\r\nx", [("A", "1"), ("B", "2")], b"x"),
        (b"A: 1\n b\n\tc\n\nx", [("A", "1 b\tc")], b"x"),
        (b"From me\nA: 1\n\nx", [("A", "1")], b"x"),
        (b"A : 1\r", [("A", "1")], b""),
        (b" lost\nA: 1\nno field\n\nx", [("A", "1")], b"no field\n\nx"),
        (b"\n\nx", [], b"\nx"),
        (b"", [], b""),
    ],
)
def test_a_header_ends_where_it_ends(
    octets: bytes, fields: list[tuple[str, str]], content: bytes
) -> None:
    entity = Entity.of(octets)

    assert (entity.fields, entity.content) == (fields, content)


@pytest.mark.parametrize(
    ("value", "parameters"),
    [
        ('a/b; x="1;2" ; y = z ;; "q"; w', {"x": "1;2", "y": "z"}),
        (r'a/b; x="a\"b\\"; x=2', {"x": 'a"b\\'}),
        ('a/b; x="open; y=1', {"x": "open; y=1"}),
        ("a/b; x=plain; x*=utf-8'en'%C3%A9", {"x": "é"}),
        ("a/b; x*1=b; x*0*=utf-8''%C3%A9; x*2*=%20c", {"x": "éb c"}),
        ("a/b; x*0=a; x*2=c", {"x": "a"}),
        ("a/b; x*1=a", {"x": ""}),
        ("a/b; x*=%41", {"x": "A"}),
        ("a/b; x*=klingon''%C3%A9", {"x": "é"}),
        (f"a/b; boundary*{'1' * 5000}*=x", {f"boundary*{'1' * 5000}*": "x"}),
        ("a/b; x*=a\0b''y; *=z", {"x": "y", "*": "z"}),
        ("a/b; x*=idna''%ff", {"x": "ÿ"}),
        ("a/b; x=\"=?utf-8?q?=C3=A9?=\"", {"x": "é"}),
    ],
)  # fmt: skip
def test_parameters_are_read_whatever_they_are(value: str, parameters: dict[str, str]) -> None:
    read = read_parameters(value)

    assert (read.main, read.parameters) == ("a/b", parameters)


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("=?utf-8?b?4pw=?= =?UTF-8?b?kw==?=", "✓"),  # a character in two words
        ("=?utf-8?q?a?= =?latin-1?q?=E9_?=  x", "aé   x"),
        ("(=?utf-8?q?=C3=A9?=)x", "(é)x"),
        ("=?utf-8*en?q?a?=", "a"),
        ("=?klingon?q?a?= =?hex?q?41?= =?idna?q?a?=", "=?klingon?q?a?==?hex?q?41?==?idna?q?a?="),
        (f"=?utf-8?q?a?= =?{'x' * 41}?q?b?=", f"a =?{'x' * 41}?q?b?="),
        ("=?utf-8?b?4pyT4?=", "✓"),
    ],
)
def test_encoded_words_are_decoded_as_they_are_meant(text: str, decoded: str) -> None:
    assert decode_text(text) == decoded


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "content",
    [
        b'Content-Disposition: attachment; filename="' + b";" * 200_000 + b"\r\n\r\nx",
        b'Content-Type: multipart/mixed; boundary="' + b";" * 200_000 + b"\r\n\r\nx",
        b"Content-Type: text/plain" + b"; x =" * 200_000 + b"\r\n\r\nx",
        b"Subject: " + b"=?utf-8?q?a?= x " * 50_000 + b"\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\n" * 20_000,
        b" \n" * 200_000,
        b"To: " + b"(" * 100_000 + b"@",
        b"To: " + b"a" * 100_000,
        b"To: " + b"@," * 50_000,
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x \t" * 200_000,
    ],
)
def test_nothing_takes_long(content: bytes) -> None:
    """Each of these kept a parser busy for minutes or hours whose time is quadratic."""
    assert isinstance(Message.from_bytes(content), Message)


PIECES = [
    b"\r\n", b"\n", b"--x", b"--x--", b"a@b.c", b"Content-Type: ", b"multipart/mixed; boundary=x",
    b"multipart/digest; boundary*0*=utf-8''x", b"multipart/alternative; boundary=x", b"text/html",
    b"message/rfc822", b"To: ", b"From: ", b"X Y: ", b"Date: Mon, 01 Jan 1800 00:00:00 +0000",
    b"Content-Disposition: attachment; filename*=", b"utf-8''%FF", b"=?utf-8?q?=E9", b"?=", b"\0",
    b"charset=utf-7", b"+2AA-", b"\xff", b"Subject: ", b"Content-Transfer-Encoding: base64", b"\t",
    b"; ", b"a/b/c", b"ima ge/png", b'"', b"(", b"Content-ID: <a>",
]  # fmt: skip


@PATIENT
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=60).map(b"".join))
def test_what_was_read_can_be_sent(content: bytes) -> None:
    """Only addresses that are none are left for sending to refuse."""
    message = Message.from_bytes(content)
    message.sender, message.reply_to = "me@example.com", None
    message.recipients, message.cc, message.bcc = [], [], []

    check_message(message)
    again = Message.from_bytes(message.as_bytes())
    assert [each.data for each in again.attachments] == [each.data for each in message.attachments]


def test_what_does_not_fit_a_message_is_what_fits_best() -> None:
    message = Message.from_bytes(
        b"X Y: 1\nDate: Mon, 01 Jan 1800 00:00:00 +0000\nContent-Type: multipart/mixed\n\nx"
    )

    assert (message.extra_headers, message.date) == (None, None)
    assert message.attachments[0].content_type == "application/octet-stream"


def test_a_disposition_keeps_its_parameters() -> None:
    message = compose(
        attachments=[Attachment("a.png", data=b"", disposition='attachment; size=5; x="a b"')]
    )
    again = Message.from_bytes(message.as_bytes())

    assert again.attachments[0].disposition == 'attachment; size=5; x="a b"'
    assert again.as_bytes() == message.as_bytes()


def test_spaces_around_a_subject_read_back() -> None:
    assert Message.from_bytes(compose(subject="  a  ").as_bytes()).subject == "  a  "
