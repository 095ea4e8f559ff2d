"""Rendered messages, as far as old programs and their test suites rely on their form.

Forms are compared as text only where suites do so; everything else is compared after the email
parser of the standard library has read it back.
"""

from __future__ import annotations

import base64
import email
import re
import time
from collections.abc import Callable, Iterator
from email import policy
from email.header import decode_header, make_header
from email.message import Message as Part
from email.utils import formatdate, getaddresses
from typing import Any

import pytest
from flask import Flask

from flask_mail import Attachment, Mail, Message, sanitize_address

pytestmark = pytest.mark.usefixtures("mail")

UNICODE_NAME = "ÄÜÖ → ✓"
ENCODED_NAME = "=?utf-8?b?w4TDnMOWIOKGkiDinJM=?="


def compose(**fields: Any) -> Message:
    """Make a message to which only `fields` are particular."""
    return Message(
        **{
            "subject": "subject",
            "sender": "from@example.com",
            "recipients": ["to@example.com"],
            **fields,
        }
    )


def received(msg: Message) -> Part:
    """Return `msg` as a mail program reads it."""
    return email.message_from_bytes(msg.as_bytes())


def decoded(header: str) -> str:
    return str(make_header(decode_header(header)))


def text_of(part: Part) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode(part.get_content_charset("ascii"))


def parts_of(msg: Message) -> list[Part]:
    return [part for part in received(msg).walk() if not part.is_multipart()]


# --- The whole ---------------------------------------------------------------------------------


def test_str_and_bytes_are_the_rendered_message() -> None:
    msg = compose(body="some plain text", date=0)

    assert str(msg) == msg.as_string()
    assert bytes(msg) == msg.as_bytes()
    assert msg.as_bytes().decode("ascii") == msg.as_string()


def test_rendering_twice_gives_the_same_bytes() -> None:
    """Suites compare what a mocked host was given with a later `msg.as_bytes()`."""
    msg = compose(body="some plain text", date=0)

    assert msg.as_bytes() == msg.as_bytes()


def test_every_line_of_the_bytes_ends_in_crlf() -> None:
    msg = compose(body="one\ntwo\r\nthree", html="<p>one</p>\n<p>two</p>")
    msg.attach("notes.txt", "text/plain", b"one\ntwo\n")

    assert re.findall(rb"(?<!\r)\n|\r(?!\n)", msg.as_bytes()) == []


def test_rendering_neither_sends_nor_dates_the_message() -> None:
    msg = compose(body="hello")

    msg.as_string()

    assert msg.date is None


def test_all_text_fields_may_be_left_out() -> None:
    root = received(Message(sender="from@example.com", recipients=["to@example.com"]))

    assert root["Subject"] is None
    assert root["From"] == "from@example.com"
    assert text_of(root) == ""


def test_mime_version_is_declared() -> None:
    assert received(compose(body="hello"))["MIME-Version"] == "1.0"


# --- Addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sender",
    [
        f"{UNICODE_NAME} <from@example.com>",
        (UNICODE_NAME, "from@example.com"),
        # One bracket too many is forgiven when a message is shown, as 0.10 did until Python 3.13
        # made `email.utils.parseaddr` strict.
        f"{UNICODE_NAME} <from@example.com>>",
        (UNICODE_NAME, "from@example.com>"),
    ],
)
def test_a_name_beyond_ascii_is_encoded(sender: str | tuple[str, str]) -> None:
    msg = compose(sender=sender)

    assert f"From: {ENCODED_NAME} <from@example.com>" in msg.as_string()


def test_names_beyond_ascii_are_encoded_in_every_address_header() -> None:
    msg = compose(
        recipients=["Ä <t1@example.com>", "Ü <t2@example.com>"],
        cc=["Ö <cc@example.com>"],
        reply_to="ß <reply@example.com>",
    )
    text = msg.as_string()

    assert "Cc: =?utf-8?b?w5Y=?= <cc@example.com>" in text
    assert "Reply-To: =?utf-8?b?w58=?= <reply@example.com>" in text
    [to] = re.findall(r"^To: (.*)\r?$", text, re.MULTILINE)
    assert sorted(to.strip().split(", ")) == [
        "=?utf-8?b?w4Q=?= <t1@example.com>",
        "=?utf-8?b?w5w=?= <t2@example.com>",
    ]


@pytest.mark.parametrize("address", ["from@example.com", "from+tag@sub.example.com"])
def test_an_address_without_a_name_stands_as_it_is(address: str) -> None:
    text = compose(sender=address, recipients=[address], cc=[address], reply_to=address).as_string()

    for name in ("From", "To", "Cc", "Reply-To"):
        assert re.search(rf"^{name}: {re.escape(address)}\r?$", text, re.MULTILINE)


@pytest.mark.parametrize(
    "address",
    ["somebody@example.com", "somebody <somebody@example.com>", "Ä Ö <somebody@example.com>"],
)
def test_address_headers_hold_what_sanitize_address_gives(address: str) -> None:
    """Suites build the header they expect with `sanitize_address`."""
    text = compose(sender=address, reply_to=address).as_string()

    assert f"From: {sanitize_address(address)}" in text
    assert f"Reply-To: {sanitize_address(address)}" in text


@pytest.mark.parametrize("name", ["Me", "John Q. Public", "Jürgen Größe", "山田太郎"])
def test_a_name_reads_back_as_it_was_given(name: str) -> None:
    root = received(compose(recipients=[(name, "you@example.com")]))

    [(shown, address)] = getaddresses([root["To"]])
    assert (decoded(shown), address) == (name, "you@example.com")


def test_an_international_domain_is_sent_in_its_ascii_form() -> None:
    msg = compose(recipients=["someone@bücher.example"])

    assert "To: someone@xn--bcher-kva.example" in msg.as_string()


def test_every_recipient_is_in_the_to_header() -> None:
    addresses = [f"to{i}@example.com" for i in range(40)]
    root = received(compose(recipients=addresses))

    assert {address for _, address in getaddresses([root["To"]])} == set(addresses)


def test_carbon_copies_are_shown() -> None:
    assert "Cc: tosomeoneelse@example.com" in compose(cc=["tosomeoneelse@example.com"]).as_string()


def test_blind_carbon_copies_are_shown_to_nobody() -> None:
    msg = compose(bcc=["tosomeoneelse@example.com"])

    assert "tosomeoneelse" not in msg.as_string()
    assert received(msg)["Bcc"] is None
    assert "tosomeoneelse@example.com" in msg.send_to


def test_headers_that_were_not_asked_for_are_absent() -> None:
    root = received(compose())

    assert root["Cc"] is None
    assert root["Reply-To"] is None


# --- Bad addresses are shown, not refused ------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"sender": "from@example.com\r\n"}, "From: from@example.com"),
        ({"sender": "sender\r\n@example.com"}, "From: sender@example.com"),
        ({"reply_to": "evil@example.com\r"}, "Reply-To: evil@example.com"),
        ({"reply_to": "reply_to\r\n@example.com"}, "Reply-To: reply_to@example.com"),
        ({"recipients": ["recipient\r\n@example.com"]}, "To: recipient@example.com"),
        ({"recipients": ["<a@example.com>>"]}, "To: a@example.com"),
        ({"cc": ["copy\n@example.com"]}, "Cc: copy@example.com"),
    ],
)
def test_a_bad_address_is_shown_in_a_cleaned_form(fields: dict[str, Any], shown: str) -> None:
    msg = compose(body="testing", **fields)

    assert re.search(rf"^{re.escape(shown)}\r?$", msg.as_string(), re.MULTILINE)


def test_a_bad_recipient_does_not_hide_the_good_ones() -> None:
    text = compose(recipients=["to@example.com", "to\r\n@example.com"]).as_string()

    assert "From: from@example.com" in text
    assert "To: to@example.com" in text


# --- Subject -----------------------------------------------------------------------------------


def test_an_ascii_subject_stands_as_it_is() -> None:
    assert "Subject: Hello, world" in compose(subject="Hello, world").as_string()


def test_a_subject_beyond_ascii_is_encoded_the_shorter_way() -> None:
    """Quoted-printable for a few letters, base64 where that is shorter."""
    assert "Subject: =?utf-8?q?s=C3=BCbject?=" in compose(subject="sübject").as_string()
    assert "Subject: =?utf-8?b?5Lu25ZCN?=" in compose(subject="件名").as_string()


def test_a_lazy_subject_is_read_when_the_message_is_rendered(lazy: Callable[[str], Any]) -> None:
    msg = compose(subject=lazy("sübject"))

    assert "=?utf-8?q?s=C3=BCbject?=" in msg.as_string()


def test_a_lazy_subject_is_sent(mail: Mail, lazy: Callable[[str], Any]) -> None:
    with mail.record_messages() as outbox:
        mail.send(compose(subject=lazy("translated")))

    assert str(outbox[0].subject) == "translated"


@pytest.mark.parametrize("subject", ["Grüße, " * 30, "件名" * 60, "word " * 40 + "end"])
def test_a_long_subject_reads_back_as_it_was_given(subject: str) -> None:
    root = received(compose(subject=subject))

    assert decoded(re.sub(r"\r?\n(?=[ \t])", "", root["Subject"])).strip() == subject.strip()


@pytest.mark.parametrize("subject", ["", None])
def test_no_subject_means_no_subject_header(mail: Mail, subject: str | None) -> None:
    msg = compose(subject=subject, body="normal ascii text")
    mail.send(msg)

    assert "Subject:" not in msg.as_string()


def test_a_subject_folded_by_the_rules_is_kept(mail: Mail) -> None:
    folded = "testing\r\n testing\r\n testing \r\n \ttesting"
    msg = compose(subject=folded, body="testing")

    mail.send(msg)

    assert not msg.has_bad_headers()
    assert folded in msg.as_string()


# --- Other headers -----------------------------------------------------------------------------


@pytest.fixture
def local_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Live five and a half hours east of Greenwich."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XST-5:30")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("local_zone")
def test_the_date_is_told_in_local_time() -> None:
    msg = compose(date=1_700_000_000.75)

    assert f"Date: {formatdate(msg.date, localtime=True)}" in msg.as_string()
    assert received(msg)["Date"] == "Wed, 15 Nov 2023 03:43:20 +0530"


def test_sending_dates_the_message(mail: Mail) -> None:
    msg = compose(body="hello")
    before = time.time()

    mail.send(msg)

    assert isinstance(msg.date, float)
    assert before <= msg.date <= time.time()


def test_a_date_that_was_given_is_kept(mail: Mail) -> None:
    msg = compose(body="hello", date=1_000_000_000)

    mail.send(msg)

    assert msg.date == 1_000_000_000
    assert "2001" in received(msg)["Date"]


def test_the_message_id_is_well_formed_and_stays() -> None:
    msg = compose(body="hello")

    assert re.fullmatch(r"<[^\s<>@]+@[^\s<>@]+>", msg.msgId)
    assert f"Message-ID: {msg.msgId}" in msg.as_string()
    assert f"Message-ID: {msg.msgId}" in msg.as_string()


def test_each_message_has_an_id_of_its_own() -> None:
    assert len({compose().msgId for _ in range(100)}) == 100


def test_the_message_id_may_be_set() -> None:
    msg = compose()
    msg.msgId = "<of-my-own@example.com>"

    assert "Message-ID: <of-my-own@example.com>" in msg.as_string()


def test_extra_headers_are_added() -> None:
    msg = compose(extra_headers={"X-Extra-Header": "Yes", "List-Unsubscribe": "<https://x.test/>"})

    assert "X-Extra-Header: Yes" in msg.as_string()
    assert "List-Unsubscribe: <https://x.test/>" in msg.as_string()


# --- Text and its character set ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("charset", "text", "declared"),
    [
        (None, "normal ascii text", "utf-8"),
        (None, "ünicöde ←→ ✓", "utf-8"),
        ("utf-8", "内容", "utf-8"),
        ("UTF-8", "内容", "utf-8"),
        ("us-ascii", "normal ascii text", "us-ascii"),
        ("iso-8859-1", "déjà vu", "iso-8859-1"),
        ("shift_jis", "内容", "iso-2022-jp"),
    ],
)
def test_the_text_declares_its_character_set(charset: str | None, text: str, declared: str) -> None:
    msg = compose(body=text, charset=charset)

    assert f'Content-Type: text/plain; charset="{declared}"' in msg.as_string()
    assert text_of(received(msg)) == text


def test_text_and_html_both_declare_their_character_set() -> None:
    msg = compose(charset="us-ascii")
    msg.html = "<html><h1>hello</h1></html>"

    assert 'Content-Type: text/plain; charset="us-ascii"' in msg.as_string()
    assert 'Content-Type: text/html; charset="us-ascii"' in msg.as_string()


def test_text_declares_its_character_set_beside_an_attachment() -> None:
    msg = compose()
    msg.html = None
    msg.attach(data=b"foobar", content_type="text/csv")

    assert 'Content-Type: text/plain; charset="utf-8"' in msg.as_string()


def test_headers_are_encoded_in_the_character_set_of_the_message() -> None:
    """Shift_JIS is for reading; mail in Japanese travels as ISO-2022-JP."""
    msg = compose(
        sender=("送信者", "from@example.com"),
        subject="表題",
        reply_to="返信先 <somebody@example.com>",
        body="内容",
        charset="shift_jis",
    )
    text = msg.as_string()

    for name, value in {"From": "送信者", "Subject": "表題", "Reply-To": "返信先"}.items():
        assert f"{name}: =?iso-2022-jp?" in text
        assert f"{name}: =?utf-8?" not in text
        assert value in decoded(received(msg)[name])


def test_header_beyond_its_charset_is_encoded_in_utf_8() -> None:
    msg = compose(subject="→ Grüße", charset="iso-8859-1")

    assert decoded(received(msg)["Subject"]) == "→ Grüße"


@pytest.mark.parametrize("charset", [None, "utf-8", "us-ascii"])
def test_an_ascii_subject_is_not_encoded_whatever_the_character_set(charset: str | None) -> None:
    assert "Subject: subject" in compose(charset=charset).as_string()


@pytest.mark.parametrize("body", ["some plain text", "Hello Joe,\r\nHow are you?", "From here on"])
def test_plain_ascii_text_is_the_payload_as_it_stands(body: str) -> None:
    root = email.message_from_string(compose(body=body).as_string())

    assert root.get_content_type() == "text/plain"
    assert root.get_payload() == body


def test_the_fields_are_kept_as_they_were_given() -> None:
    msg = compose(body="Hello Joe,\nHow are you?", html="<p>Hello</p>")
    msg.as_bytes()

    assert msg.body == "Hello Joe,\nHow are you?"
    assert msg.html == "<p>Hello</p>"


# --- Alternatives ------------------------------------------------------------------------------


def test_html_is_an_alternative_to_the_text() -> None:
    msg = compose(body="Hello World", html="<p>Hello World</p>")

    assert "Content-Type: multipart/alternative" in msg.as_string()
    plain, html = parts_of(msg)
    assert plain.get_content_type() == "text/plain"
    assert plain.get_payload() == "Hello World"
    assert html.get_content_type() == "text/html"
    assert html.get_payload() == "<p>Hello World</p>"


def test_html_alone_comes_with_a_text_made_from_it() -> None:
    """It was empty in 0.10."""
    plain, html = parts_of(compose(html="<p>Hello World</p>"))

    assert (plain.get_content_type(), text_of(plain).strip()) == ("text/plain", "Hello World")
    assert html.get_payload() == "<p>Hello World</p>"


def test_html_beyond_ascii_reads_back_as_it_was_given() -> None:
    _, html = parts_of(compose(html="<p>ünicöde ←→ ✓</p>"))

    assert text_of(html) == "<p>ünicöde ←→ ✓</p>"


def test_attachments_stand_beside_the_alternatives() -> None:
    msg = compose(body="Hello World", html="<p>Hello World</p>")
    msg.attach(data=b"this is a test", content_type="text/plain")
    root = email.message_from_string(msg.as_string())

    assert root.get_content_type() == "multipart/mixed"
    body, attachment = root.get_payload()
    assert body.get_content_type() == "multipart/alternative"
    plain, html = body.get_payload()
    assert plain.get_payload() == "Hello World"
    assert html.get_payload() == "<p>Hello World</p>"
    assert base64.b64decode(attachment.get_payload()) == b"this is a test"


def test_html_may_be_set_changed_and_taken_away() -> None:
    msg = compose(body="hello")
    msg.html = "<p>one</p>"
    msg.html = "<p>two</p>"
    assert msg.alts == {"html": "<p>two</p>"}

    msg.html = None
    assert msg.html is None
    assert msg.alts == {}
    assert received(msg).get_content_type() == "text/plain"


@pytest.mark.parametrize(
    "alts", [{"calendar": "BEGIN:VCALENDAR"}, [("calendar", "BEGIN:VCALENDAR")]]
)
def test_alternatives_of_any_kind_follow_the_text(alts: Any) -> None:
    msg = compose(body="a meeting", alts=alts)
    msg.alts["html"] = "<p>a meeting</p>"

    # In which order is for 1.0 to say: a calendar comes last.
    first, *others = [part.get_content_type() for part in parts_of(msg)]
    assert first == "text/plain"
    assert sorted(others) == ["text/calendar", "text/html"]


# --- Attachments -------------------------------------------------------------------------------


def test_an_attachment_makes_the_message_a_mixed_one() -> None:
    msg = compose(body="hello")
    msg.attach(data=b"this is a test", content_type="text/plain")

    assert "Content-Type: multipart/mixed" in msg.as_string()


def test_an_attachment_keeps_what_it_was_made_of() -> None:
    msg = compose()
    msg.attach(data=b"this is a test", content_type="text/plain")
    [attachment] = msg.attachments

    assert isinstance(attachment, Attachment)
    assert attachment.filename is None
    assert attachment.disposition == "attachment"
    assert attachment.content_type == "text/plain"
    assert attachment.data == b"this is a test"


def test_attachments_arrive_byte_for_byte_and_in_order() -> None:
    contents = [bytes(range(256)) * 5, b"", b"\r\n.\r\nQUIT\r\n", "plain text"]
    msg = compose(body="hello")
    for number, content in enumerate(contents):
        msg.attach(f"{number}.bin", "application/octet-stream", content)

    arrived = [part.get_payload(decode=True) for part in parts_of(msg)[1:]]
    assert arrived == [*contents[:3], b"plain text"]


def test_attachments_may_be_given_as_objects() -> None:
    report = Attachment("report.pdf", "application/pdf", b"%PDF-1.7")
    msg = compose(body="hello", attachments=[report])

    _, part = parts_of(msg)
    assert part.get_content_type() == "application/pdf"
    assert part.get_filename() == "report.pdf"


@pytest.mark.parametrize(
    ("filename", "data", "guessed"),
    [
        ("image.png", b"", "image/png"),
        ("notes.txt", b"", "text/plain"),
        ("page.html", "", "text/html"),
        (None, "text", "text/plain"),
        (None, b"bytes", "application/octet-stream"),
        ("no_known_ending", b"", "application/octet-stream"),
    ],
)
def test_the_type_of_an_attachment_is_guessed_when_it_is_not_given(
    filename: str | None, data: str | bytes, guessed: str
) -> None:
    assert Attachment(filename, data=data).content_type == guessed


def test_an_attachment_without_data_is_an_error() -> None:
    with pytest.raises(ValueError, match="data"):
        Attachment("empty.txt", "text/plain")


def test_an_ascii_file_name_is_written_plainly() -> None:
    msg = compose(body="hello")
    msg.attach("test doc.txt", "text/plain", b"this is a test")

    assert 'Content-Disposition: attachment; filename="test doc.txt"' in msg.as_string()


@pytest.mark.parametrize(
    "filename",
    [
        "report.pdf",
        "test doc.txt",
        "a;b,c=d.txt",
        "it's (mine) [1].txt",
        'so "called".txt',
        "ünicöde ←→ ✓.txt",
        "請求書 2024.pdf",
    ],
)
def test_a_file_name_reads_back_as_it_was_given(filename: str) -> None:
    msg = compose(body="hello")
    msg.attach(filename, "text/plain", b"this is a test")

    *_, part = email.message_from_bytes(msg.as_bytes(), policy=policy.default).walk()
    assert part.get_filename() == filename
    assert part.get_content_disposition() == "attachment"


@pytest.mark.parametrize(
    ("filename", "written"),
    [
        ("ünicödeß ←.→ ✓.txt", "unicode . .txt"),
        ("Ångström café.pdf", "Angstrom cafe.pdf"),
        ("plain.txt", "plain.txt"),
    ],
)
def test_ascii_attachments_take_the_accents_off(app: Flask, filename: str, written: str) -> None:
    app.extensions["mail"].ascii_attachments = True
    msg = compose(body="hello")
    msg.attach(filename, "text/plain", b"this is a test")

    _, part = parts_of(msg)
    assert part.get_filename() == written
    assert f'filename="{written}"' in msg.as_string() or f"filename={written}" in msg.as_string()


def test_an_inline_image_is_found_by_its_content_id(png: bytes) -> None:
    msg = compose(html='<img src="cid:logo">')
    msg.attach("logo.png", "image/png", png, "inline", headers={"Content-ID": "<logo>"})

    image = parts_of(msg)[-1]
    assert image["Content-ID"] == "<logo>"
    assert image.get_content_disposition() == "inline"
    assert image.get_payload(decode=True) == png


@pytest.mark.parametrize("field", ["mail_options", "rcpt_options"])
def test_options_that_are_a_mapping_stay_one(mail: Mail, field: str) -> None:
    """Programs that send by an API of their own keep its options there."""
    msg = Message("Hello", **{field: {"template_id": "d-1", "categories": ["a"]}})

    assert getattr(msg, field)["template_id"] == "d-1"
    getattr(msg, field).update(send_at=5)
    assert getattr(msg, field) == {"template_id": "d-1", "categories": ["a"], "send_at": 5}
    setattr(msg, field, {"other": 1})
    assert getattr(msg, field) == {"other": 1}
