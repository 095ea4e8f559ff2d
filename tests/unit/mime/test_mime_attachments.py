"""Attachments arrive byte for byte, under their names, as what they are."""

from __future__ import annotations

import tracemalloc
from email.header import Header
from email.message import Message as Part
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import HEADER_TEXTS, PATIENT, compose, decode_header, leaves, parsed

from flask_mail import Attachment
from flask_mail.mime.render import render


def attached(*args: Any, ascii_only: bool = False, **fields: Any) -> Part:
    """Return an attachment as it arrives."""
    message = compose()
    message.attach(*args, **fields)
    content = render(message, ascii_attachments=ascii_only)
    parsed(content)
    return leaves(content)[-1]


# --- Content -------------------------------------------------------------------------------------


@PATIENT
@given(st.binary() | st.binary(min_size=200, max_size=2000))
def test_bytes_arrive_as_they_are(data: bytes) -> None:
    assert attached("a.bin", data=data).get_payload(decode=True) == data


@pytest.mark.parametrize(
    ("data", "arrived"),
    [
        (b"", b""),
        ("", b""),
        (b"\r\n.\r\nQUIT\r\n", b"\r\n.\r\nQUIT\r\n"),
        (bytearray(b"a\0b"), b"a\0b"),
        (memoryview(b"abcdef")[::2], b"ace"),
        ("line\nline\r", b"line\nline\r"),
        ("é", b"\xc3\xa9"),
        ("a\ud800", b"a?"),
    ],
)
def test_data_of_each_kind_arrives(data: Any, arrived: bytes) -> None:
    assert attached("a.bin", data=data).get_payload(decode=True) == arrived


def test_data_of_no_kind_is_shown_as_text() -> None:
    """Sending refuses it; 0.10 failed here too."""
    assert attached("a.bin", data=12).get_payload(decode=True) == b"12"


@pytest.mark.parametrize(
    ("content_type", "written", "data"),
    [
        ("text/csv", "text/csv; charset=utf-8", b"\xc3\xa9"),
        ("text/csv; charset=shift_jis", "text/csv; charset=shift_jis", b"?"),
        ("text/csv; charset=latin-1", "text/csv; charset=latin-1", b"\xe9"),
        ("text/csv; charset=us-ascii", "text/csv; charset=utf-8", b"\xc3\xa9"),
        ("text/csv; charset=klingon", "text/csv; charset=utf-8", b"\xc3\xa9"),
        ("application/json", "application/json", b"\xc3\xa9"),
    ],
)
def test_text_is_encoded_as_its_content_type_says(
    content_type: str, written: str, data: bytes
) -> None:
    text = "表" if "shift_jis" in content_type else "é"

    part = attached("a", content_type, text)

    assert part["Content-Type"] == written
    assert part.get_payload(decode=True) == (text.encode("shift_jis") if data == b"?" else data)


def test_bytes_of_text_get_no_charset_that_nobody_knows() -> None:
    assert attached("a.txt", data=b"\xe9")["Content-Type"] == "text/plain"


# --- Attached messages ---------------------------------------------------------------------------


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encode", [str, str.encode])
def test_an_attached_message_is_not_encoded(line_end: str, encode: Any) -> None:
    """RFC 2046 section 5.2.1 forbids it, and many readers could not open it."""
    source = f"Subject: one{line_end}{line_end}A form feed: \f. ISO-2022-JP: \x1b$B{line_end}"

    attachment = Attachment("a.eml", "Message/RFC822", encode(source))
    content = compose(attachments=[attachment]).as_bytes()

    *_, outer, inner = parsed(content).walk()
    assert outer["Content-Transfer-Encoding"] == "7bit"
    assert inner["Subject"] == "one"
    assert inner.get_payload() == "A form feed: \f. ISO-2022-JP: \x1b$B\r\n"


def test_an_attached_message_that_is_not_ascii_travels_in_eight_bits() -> None:
    """And so does what it is a part of (RFC 2045 section 6.4)."""
    inner = b"Subject: one\r\n\r\n\xc3\xa9"
    message = compose()
    message.attach("a.eml", "message/rfc822", inner)
    message.attach("a.bin", data=b"\xff")

    content = message.as_bytes()

    mixed, _, attached, *_ = parsed(content).walk()
    assert mixed["Content-Transfer-Encoding"] == "8bit"
    assert attached["Content-Transfer-Encoding"] == "8bit"
    assert b"\r\n\r\n" + inner + b"\r\n--" in content


@pytest.mark.parametrize("body", [b"\0", b"x" * 999])
def test_an_attached_message_that_cannot_travel_as_it_is_is_a_file(body: bytes) -> None:
    """It may not be encoded, and readers save the file and open it."""
    content = b"Subject: one\r\n\r\n" + body

    part = attached("a.eml", "message/rfc822", content)

    assert part.get_content_type() == "application/octet-stream"
    assert part.get_filename() == "a.eml"
    assert part.get_payload(decode=True) == content


def test_an_internationalized_message_may_be_encoded() -> None:
    """RFC 6532 section 3.7."""
    message = compose(attachments=[Attachment("a.u8msg", "message/global", "Subject: é\r\n\r\n")])

    assert b"message/global\r\nContent-Transfer-Encoding: base64\r\n" in message.as_bytes()


# --- Names ---------------------------------------------------------------------------------------


@PATIENT
@given(HEADER_TEXTS.filter(lambda name: name and decode_header(name) == name))
def test_any_name_reads_back(name: str) -> None:
    content = compose(attachments=[Attachment(name, "application/pdf", b"x")]).as_bytes()

    *_, part = parsed(content).walk()
    assert part["Content-Disposition"].params["filename"] == name


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
def test_a_name_that_was_encoded_beforehand_is_written_anew(charset: str) -> None:
    encoded = Header("Größe.pdf", charset).encode()

    disposition = attached(encoded, data=b"")["Content-Disposition"]

    assert "filename*=utf-8''Gr%C3%B6%C3%9Fe.pdf;" in disposition


def test_old_readers_find_an_ascii_form_of_the_name() -> None:
    """Those that know no RFC 2231. It comes after the real one, which others find first."""
    part = attached("Größe 表.pdf", "application/pdf", b"")

    assert part["Content-Type"] == 'application/pdf; name="Gro_e _.pdf"'
    assert part["Content-Disposition"] == (
        "attachment;\r\n filename*=utf-8''Gr%C3%B6%C3%9Fe%20%E8%A1%A8.pdf; filename=\"Gro_e _.pdf\""
    )


def test_an_ascii_name_stands_in_one_place() -> None:
    part = attached("report.pdf", data=b"")

    assert part["Content-Type"] == "application/pdf"
    assert part["Content-Disposition"] == 'attachment; filename="report.pdf"'


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("ünicödeß ←.→ ✓.txt", "unicode . .txt"),
        ("  a\t b.txt ", "a b.txt"),
        ("plain.txt", "plain.txt"),
        ("表", ""),
        ("=?utf-8?q?caf=C3=A9?=", "cafe"),
    ],
)
def test_names_are_reduced_to_ascii_where_that_is_asked_for(name: str, written: str) -> None:
    part = attached(name, "text/plain", b"", ascii_only=True)

    assert part["Content-Disposition"] == f'attachment; filename="{written}"'


def test_controls_are_removed_from_a_name_also_where_decoding_reveals_them() -> None:
    assert attached("a\r\nb\0.txt", data=b"").get_filename() == "ab.txt"
    assert attached("=?utf-8?q?a=0D=0Ab.txt?=", data=b"").get_filename() == "ab.txt"


# --- The rest of the header ----------------------------------------------------------------------


def test_an_attachment_without_a_name_has_a_disposition() -> None:
    part = attached(data=b"", disposition="inline")

    assert part["Content-Disposition"] == "inline"
    assert part.get_filename() is None


def test_parameters_of_type_and_disposition_are_kept() -> None:
    part = attached(
        "a.pdf", 'application/pdf; name="é a.pdf"', b"", 'attachment; size=5; filename="b.pdf"'
    )

    assert part["Content-Type"] == "application/pdf; name*=utf-8''%C3%A9%20a.pdf"
    assert part["Content-Disposition"] == 'attachment; filename="a.pdf"; size=5'


def test_a_file_name_in_the_disposition_alone_is_kept() -> None:
    assert attached(data=b"", disposition="attachment; filename=b.pdf").get_filename() == "b.pdf"


@pytest.mark.parametrize(
    "content_type", ["text/", "a/b/c", "multipart/mixed", "", None, "a/b\r\nX: 1"]
)
def test_what_is_no_content_type_is_shown_as_octets(content_type: Any) -> None:
    attachment = Attachment("a", data=b"data")
    attachment.content_type = content_type

    part = leaves(compose(attachments=[attachment]).as_bytes())[-1]

    assert part.get_content_type() == "application/octet-stream"
    assert part.get_payload(decode=True) == b"data"


def test_what_is_no_disposition_is_shown_as_an_attachment() -> None:
    assert attached("a", data=b"", disposition="in\r\nline")["Content-Disposition"] == (
        'attachment; filename="a"'
    )


def test_an_inline_part_keeps_its_content_id() -> None:
    part = attached(
        "logo.png", data=b"\x89PNG", disposition="inline", headers={"Content-ID": "<l>"}
    )

    assert part["Content-ID"] == "<l>"
    assert part.get_content_disposition() == "inline"


def test_attachment_headers_are_cleaned_and_keep_its_structure() -> None:
    part = attached(
        "a.bin",
        data=b"data",
        headers={
            "X-Good": "yé\r\nX-Injected: 1",
            "X-Bad\r\nX-Injected": "1",
            "Content-Type": "text/html",
            "content-transfer-encoding": "7bit",
        },
    )

    assert part.items() == [
        ("Content-Type", "application/octet-stream"),
        ("Content-Transfer-Encoding", "base64"),
        ("Content-Disposition", 'attachment; filename="a.bin"'),
        ("X-Good", "=?utf-8?q?y=C3=A9X-Injected=3A_1?="),
        ("X-BadX-Injected", "1"),
    ]


def test_a_large_attached_message_is_looked_at_without_much_memory() -> None:
    octets = b"Subject: Hello\r\n\r\n" + b"x" * 70 + b"\r\n" * 2_000_000
    message = compose()
    message.attach("a.eml", "message/rfc822", octets)

    tracemalloc.start()
    try:
        content = message.content_to_send()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert octets in bytes(content)
    assert peak < 6 * len(octets)


@pytest.mark.parametrize(
    ("line", "encoding"),
    [
        (b"x" * 998, "7bit"),
        (b"x" * 999, "base64"),
        (b"\x7f\x01", "7bit"),
        (b"\xff" * 998, "8bit"),
        (b"\xff" * 999, "base64"),
        (b"\0", "base64"),
    ],
)
@pytest.mark.parametrize("before", [b"", b"short\r\n", b"y" * 998 + b"\r\n"])
@pytest.mark.parametrize("after", [b"", b"\r\n", b"\r\nshort"])
def test_an_attached_message_travels_as_it_is_if_its_lines_may(
    line: bytes, encoding: str, before: bytes, after: bytes
) -> None:
    octets = b"\r\n" + before + line + after
    message = compose()
    message.attach("a.eml", "message/rfc822", octets)

    written = bytes(message.content_to_send())

    assert f"Content-Transfer-Encoding: {encoding}\r\n".encode() in written
    assert (octets in written) == (encoding != "base64")
