"""Text in the charsets that mail is written in: what its labels mean, and octets that are wrong."""

from __future__ import annotations

import codecs
import time

import pytest

from flask_mail import Message
from flask_mail.mime.charsets import _CODECS, decode, decode_best

WRONG = "\N{REPLACEMENT CHARACTER}"


def body_of(charset: str, octets: bytes) -> str | None:
    head = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode()
    return Message.from_bytes(head + octets).body


@pytest.mark.parametrize(
    ("label", "octets", "text"),
    [
        ("gb2312", "朱镕基".encode("gbk"), "朱镕基"),
        ("x-gbk", "䶮€".encode("gb18030"), "䶮€"),
        ("gbk", b"5\x80", "5€"),
        ("hz-gb-2312", b"~{VPND~}", "中文"),
        ("ks_c_5601-1987", "뷁 펲시".encode("cp949"), "뷁 펲시"),
        ("EUC-KR", "똠방각하".encode("cp949"), "똠방각하"),
        ("euc_kr", "똠".encode("cp949"), "똠"),
        ("iso-2022-kr", "한국".encode("iso2022_kr"), "한국"),
        ("shift_jis", "①㈱髙\uff5e".encode("cp932"), "①㈱髙\uff5e"),
        ("x-sjis", "①".encode("cp932"), "①"),
        ("windows-31j", "﨑".encode("cp932"), "﨑"),
        ("euc-jp", b"\xad\xa1 \xad\xea \xfc\xe2", "① ㈱ 髙"),
        ("iso-2022-jp", b"\x1b$B-!F|\x1b(B \x1b(I123\x1b(J\\", "①日 ｱｲｳ¥"),
        ("iso-2022-jp", b"\x1b$B-!\n$\x1b(B", "①\n$"),
        ("iso-2022-jp", b"\x1b$(D02\x1b(B \x1b$B-!", "乇 ①"),
        ("big5", "中文喆".encode("big5hkscs"), "中文喆"),
        ("big5-hkscs", "嘅啲咗".encode("big5hkscs"), "嘅啲咗"),
        ("cn-big5", b"\xa3\xe1", "€"),
        ("big5", b"\xc6\xa1 \xa1\xe3 \xa2\x44", "① \uff5e ￥"),
        ("iso-8859-1", b"\x80 \x93x\x94", "€ “x”"),
        ("latin-1", b"\x85", "…"),
        ("l1", b"\x99", "™"),
        ("us-ascii", b"caf\xe9 \x80", "café €"),
        ("us-ascii", "café".encode(), "café"),
        ("ansi_x3.4-1968", b"\xe9", "é"),
        ("iso-8859-9", b"\x80\xfe", "€ş"),
        ("iso-8859-8-i", "שלום".encode("iso8859-8"), "שלום"),
        ("logical", "שלום".encode("iso8859-8"), "שלום"),
        ("windows-874", "สวัสดี…".encode("cp874"), "สวัสดี…"),
        ("tis-620", b"\x80", "€"),
        ("koi8-ru", "Ґ".encode("koi8-u"), "Ґ"),
        ("x-mac-cyrillic", "Ж".encode("mac-cyrillic"), "Ж"),
        ("macintosh", b"\x8e", "é"),
        ("unicode-1-1-utf-8", b"\xc3\xa9", "é"),
        ("utf-16", "é".encode("utf-16-le"), "é"),
        ("utf-16", codecs.BOM_UTF16_BE + "é".encode("utf-16-be"), "é"),
        ("UTF-16BE", "é".encode("utf-16-be"), "é"),
        ("utf-7", b"+AOk-", "é"),
        ("cp437", b"\x82", "é"),  # Python's own
        ("unknown-8bit", b"\xe9", "é"),
        ("klingon", b"\xc3\xa9", "é"),
        ("klingon", b"\xe9", "é"),
        ('" ISO-8859-15 "', b"\xa4", "€"),
    ],
)
def test_a_label_means_what_browsers_take_it_for(label: str, octets: bytes, text: str) -> None:
    assert decode_best(octets, label) == text


def test_every_label_names_a_charset_that_can_be_read() -> None:
    for label in _CODECS:
        assert decode(b"", label) == ""
        assert decode(b"\xff" * 3, label)


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("utf-8", "utf-8", "Grüße 中文 🎉 ok"),
        ("euc-jp", "euc_jp", "日本語テスト、漢字。ok"),
        ("shift_jis", "cp932", "日本語テスト漢字 ok"),
        ("gb2312", "gbk", "中文测试信息 ok"),
        ("big5", "cp950", "中文訊息 ok"),
        ("ks_c_5601-1987", "cp949", "한국어 텍스트 ok"),
    ],
)
def test_one_bad_octet_costs_one_character(label: str, codec: str, text: str) -> None:
    pieces = [each.encode(codec) for each in text]
    for at in range(len(text) + 1):
        between = b"".join([*pieces[:at], b"\xff", *pieces[at:]])
        assert decode(between, label) == text[:at] + WRONG + text[at:]
    for at, piece in enumerate(pieces):
        for within in range(len(piece)):
            broken = piece[:within] + b"\xff" + piece[within + 1 :]
            # A letter that is the end of a character may as well stand for itself.
            left = piece[1:].decode("ascii", "ignore") if within == 0 else ""
            read = decode(b"".join([*pieces[:at], broken, *pieces[at + 1 :]]), label)
            assert read == text[:at] + WRONG + left + text[at + 1 :]


def test_an_octet_without_meaning_in_a_small_charset_costs_one_character() -> None:
    assert decode(b"\xc3\xff\xe5", "windows-1253") == f"Γ{WRONG}ε"
    assert decode(b"a\x81b", "iso-8859-1") == f"a{WRONG}b"


def test_a_bad_octet_in_iso_2022_jp_costs_one_character() -> None:
    octets = "日本語 ok".encode("iso2022_jp")

    assert decode(octets[:5] + b"\xff" + octets[6:], "iso-2022-jp") == f"日{WRONG}語 ok"
    assert decode(octets + b"\xff", "iso-2022-jp") == f"日本語 ok{WRONG}"


def test_windows_own_characters_survive_a_bad_octet() -> None:
    assert (
        decode("①\uff5e\xff髙".encode("cp932", "ignore") + b"\xff", "shift_jis")
        == f"①\uff5e髙{WRONG}"
    )
    assert decode(b"\xfd" + "①嘅".encode("cp932", "ignore"), "shift_jis") == f"{WRONG}①"
    assert decode(b"\xa4\xa4\xff" + "①中".encode("big5hkscs"), "big5") == f"中{WRONG}①中"
    assert decode(b"\xff\xad\xa1\xc6\xfc", "euc-jp") == f"{WRONG}①日"


def test_an_octet_cut_off_at_the_end_is_one_wrong_character() -> None:
    for label, codec in (("euc-jp", "euc_jp"), ("big5", "cp950"), ("gbk", "gbk")):
        assert decode("中".encode(codec) + b"\xb0", label) == f"中{WRONG}"


@pytest.mark.exhaustive
@pytest.mark.parametrize("label", ["utf-8", "euc-jp", "shift_jis", "gbk", "big5", "iso-2022-jp"])
def test_octets_that_are_all_wrong_are_read_in_linear_time(label: str) -> None:
    start = time.process_time()
    assert WRONG in decode(b"\xff" * 200_000, label)
    assert WRONG in decode(b"\xff\xb0\xa1\xb0" * 2_500, label)

    assert time.process_time() - start < 20  # seconds; quadratic time would take minutes


def test_halves_of_characters_are_no_text() -> None:
    assert decode(b"+2AA-", "utf-7") == WRONG
    assert Message.from_bytes(b"Subject: =?utf-7?q?+2AA-?=\r\n\r\n").subject == WRONG


def test_a_body_is_read_by_its_label() -> None:
    assert body_of("gb2312", "朱镕基".encode("gbk")) == "朱镕基"
    assert body_of("euc-jp", "日本語".encode("euc_jp") + b"\xff") == f"日本語{WRONG}"
    assert body_of("x-unheard-of", b"caf\xe9") == "café"


def test_a_charset_that_cannot_be_written_becomes_utf_8_when_sent_again() -> None:
    head = b"To: ann@example.com\r\nContent-Type: text/plain; charset=x-sjis\r\n\r\n"
    message = Message.from_bytes(head + "日本".encode("cp932"))

    assert (message.body, message.charset) == ("日本", None)
    assert Message.from_bytes(message.as_bytes()).body == "日本"


def test_encoded_words_are_read_by_their_labels() -> None:
    head = (
        b"Subject: =?gb2312?b?1uzpRrv5?=\r\n"
        b"From: =?iso-8859-1?q?Ann_=80?= <ann@example.com>\r\n"
        b"To: =?ks_c_5601-1987?b?jGM=?= <bob@example.com>\r\n"
        b"X-Bad: =?utf-8?q?a=FFb?=\r\n\r\n"
    )
    message = Message.from_bytes(head)

    assert message.subject == "朱镕基"
    assert message.sender == "Ann € <ann@example.com>"
    assert message.recipients == [("똠", "bob@example.com")]
    assert message.extra_headers == {"X-Bad": f"a{WRONG}b"}


def test_an_address_that_cannot_be_used_stays_as_it_was() -> None:
    message = Message.from_bytes(b"To: =?iso-8859-1?q?=80?= <a b@example.com>\r\n\r\n")

    assert message.recipients == ["=?iso-8859-1?q?=80?= <a b@example.com>"]


def test_a_file_name_is_read_by_its_label() -> None:
    head = "Content-Disposition: attachment; filename*=gb2312''%D6%EC%E9%46.txt\r\n\r\n"
    [attachment] = Message.from_bytes(head.encode()).attachments

    assert attachment.filename == "朱镕.txt"


def test_raw_octets_in_headers_are_in_the_charset_of_the_message() -> None:
    subject = b"Subject: \xcf\xf0\xe8\xe2\xe5\xf2\r\n"
    kind = b"Content-Type: text/plain; charset=windows-1251\r\n\r\n"

    assert Message.from_bytes(subject + kind).subject == "Привет"
    assert Message.from_bytes(b"Subject: Gr\xfc\xdfe \x80\r\n\r\n").subject == "Grüße €"


def test_a_bad_octet_makes_no_other_charset_of_raw_utf_8() -> None:
    message = Message.from_bytes("Subject: Größe ".encode() + b"\xff\r\n\r\nGr\xc3\xb6\xff")

    assert (message.subject, message.body) == (f"Größe {WRONG}", f"Grö{WRONG}")


def test_raw_octets_in_file_names_are_in_the_charset_of_the_message() -> None:
    name = "朱镕基".encode("gbk")
    message = Message.from_bytes(
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/plain; charset=gb2312\r\n\r\n\xd6\xec\r\n"
        b'--x\r\nContent-Disposition: attachment; filename="' + name + b'.txt"\r\n\r\n1\r\n--x--'
    )

    assert (message.body, message.attachments[0].filename) == ("朱", "朱镕基.txt")


@pytest.mark.parametrize(
    ("kind", "octets", "text"),
    [
        ("text/plain; charset=iso-8859-1", codecs.BOM_UTF8 + "é".encode(), "é"),
        ("text/html", b'<meta charset="windows-1251">\xcf', '<meta charset="windows-1251">П'),
        ("text/html", b"<p>\xe9", "<p>é"),
    ],
)
def test_a_text_may_say_itself_what_it_is_in(kind: str, octets: bytes, text: str) -> None:
    message = Message.from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + octets)

    assert text in (message.body, message.html)
