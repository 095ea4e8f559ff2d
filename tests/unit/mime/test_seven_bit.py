"""Eight-bit content is encoded for servers without 8BITMIME (RFC 6152)."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import PATIENT, compose

from flask_mail import Message
from flask_mail.mime.seven_bit import in_seven_bits

EML = (
    "From: Jörg <j@example.com>\r\nTo: Ann <ann@example.com>\r\nSubject: Grüße aus Köln\r\n"
    'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n'
    "Content-Transfer-Encoding: 8bit\r\n\r\nVorwört\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "Schöne Grüße\r\n\r\n"
    '--b\r\nContent-Type: application/x-y; name="ö.bin"\r\nContent-Transfer-Encoding: binary\r\n'
    'Content-Disposition: attachment; filename="ö.bin"\r\n\r\nöä\r\n'
    "--b\r\nContent-Type: text/plain\r\n\r\nASCII stays\r\n--b--\r\nNachwört\r\n"
).encode()


def read(content: bytes) -> Any:
    return message_from_bytes(content, policy=policy.default)


def inner(message: Message) -> bytes:
    return in_seven_bits(message.as_bytes())


def test_an_attached_message_is_encoded_part_by_part() -> None:
    message = compose()
    message.attach("a.eml", "message/rfc822", EML)
    content = inner(message)
    attached = read(content).get_payload()[1]
    [forwarded] = attached.get_payload()
    text, file, plain = forwarded.get_payload()

    assert content.isascii()
    assert attached["Content-Transfer-Encoding"] == "7bit"
    assert forwarded["Subject"] == "Grüße aus Köln"
    assert forwarded["From"] == "Jörg <j@example.com>"
    assert text.get_content() == "Schöne Grüße\r\n"
    assert (file.get_filename(), file.get_content()) == ("ö.bin", "öä".encode())
    assert plain.as_bytes() == b"Content-Type: text/plain\n\nASCII stays"


def test_what_is_ascii_stays_as_it_is() -> None:
    content = compose().as_bytes()

    assert in_seven_bits(content) == content


def test_a_text_without_a_type_gets_one() -> None:
    for octets, charset in (("ö".encode(), "utf-8"), (b"\xf6", "unknown-8bit")):
        found = read(in_seven_bits(b"Subject: Hi\r\n\r\n" + octets + b"\r\n"))
        assert found["Subject"] == "Hi"
        assert found["MIME-Version"] == "1.0"
        assert found.get_content_charset() == charset
        assert found.get_payload(decode=True) == octets + b"\r\n"


def test_a_message_without_a_header_gets_one() -> None:
    assert read(in_seven_bits("\r\nö\r\n".encode())).get_content() == "ö\r\n"


def test_the_header_of_the_message_itself_stays() -> None:
    content = "To: jö@example.com\r\nMIME-Version: 1.0\r\n\r\nö\r\n".encode()

    assert in_seven_bits(content).startswith("To: jö@example.com\r\nMIME-Version: 1.0\r\n".encode())


@pytest.mark.parametrize(
    ("kind", "encoding"), [("application/pdf", "base64"), ("text/csv", "quoted-printable")]
)
def test_what_is_no_text_becomes_base64(kind: str, encoding: str) -> None:
    found = read(in_seven_bits(f"Content-Type: {kind}\r\n\r\na long text with one ö\r\n".encode()))

    assert found["Content-Transfer-Encoding"] == encoding
    assert found.get_payload(decode=True) == "a long text with one ö\r\n".encode()


@pytest.mark.parametrize(
    "field",
    [
        "Subject: ö",
        "From: ö",
        "From: jö@example.com",
        "To: Jö <j@example.com>,\r\n Anö <a@example.com>",
        "Content-Type: text/plain; name=ö",
        "Content-Disposition: attachment; filename=ö",
        "Xö: y",
    ],
)
def test_header_fields_of_attached_messages_become_ascii(field: str) -> None:
    message = compose()
    message.attach("a.eml", "message/rfc822", f"{field}\r\nX: y\r\n\r\nö\r\n".encode())

    assert inner(message).isascii()


def test_messages_in_messages_without_end_are_files_at_last() -> None:
    content = b"Content-Type: message/rfc822\r\n\r\n" * 30 + "\r\nö\r\n".encode()

    assert in_seven_bits(content).isascii()


@PATIENT
@given(st.lists(st.sampled_from([EML, b"--b\r\n", b"\r\n", "ö".encode(), b"\xff", b"a: "])))
def test_any_content_becomes_ascii(pieces: list[bytes]) -> None:
    message = compose()
    message.attach("a.eml", "message/rfc822", b"".join(pieces))

    assert inner(message).isascii()
