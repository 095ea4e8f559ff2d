"""Text and octets written as the ASCII that mail is made of."""

from __future__ import annotations

import base64
import binascii
import re
from email.charset import Charset
from quopri import decodestring

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reading import CHARACTERS, HEADER_TEXTS, PATIENT, decode_header

from flask_mail.mime.checks import charset_of
from flask_mail.mime.encodings import (
    encode_base64,
    encode_text,
    encode_words,
    transfer_encode,
)

CHARSETS = [
    "utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "koi8-r", "shift_jis",
    "iso-2022-jp", "iso-2022-jp-3", "iso-2022-kr", "euc-jp", "euc-kr", "euc_jisx0213", "gb2312",
    "gb18030", "big5", "hz", "utf-7",
]  # fmt: skip
WORD = re.compile(r"=\?[\w-]+\?[bq]\?[!->@-~]+\?=")

# Characters that the charsets above share in part, so that both ways are taken.
MIXED = st.text(
    st.sampled_from("abc ~\\+é\xa5ÿ€жя山田か\u309a가\U0001f600\u203e"), min_size=1, max_size=80
)
TEXTS = HEADER_TEXTS.filter(bool) | MIXED


@PATIENT
@given(TEXTS, st.sampled_from(CHARSETS))
@example("~{山~}" * 9, "hz")
def test_words_are_short_and_decode_to_the_text(text: str, charset: str) -> None:
    words = encode_words(text, charset_of(charset))

    assert all(WORD.fullmatch(word) and len(word) <= 75 for word in words)
    assert decode_header(" ".join(words)) == text


@PATIENT
@given(TEXTS, st.sampled_from(CHARSETS))
def test_no_word_splits_a_character(text: str, charset: str) -> None:
    words = encode_words(text, charset_of(charset))

    # A word that ended within a character would not decode by itself.
    assert "".join(map(decode_header, words)) == text


@pytest.mark.parametrize(
    ("text", "charset", "words"),
    [
        ("Größe ist nicht alles", "utf-8", ["=?utf-8?q?Gr=C3=B6=C3=9Fe_ist_nicht_alles?="]),
        ("件名", "utf-8", ["=?utf-8?b?5Lu25ZCN?="]),
        ('A "b_c" (d, e).', "iso-8859-1", ["=?iso-8859-1?q?A_=22b=5Fc=22_=28d=2C_e=29=2E?="]),
        ("Grüße", "iso-8859-1", ["=?iso-8859-1?q?Gr=FC=DFe?="]),
        ("件名", "shift_jis", ["=?iso-2022-jp?b?GyRCN29MPhsoQg==?="]),
        ("=?", "us-ascii", ["=?us-ascii?b?PT8=?="]),
        ("Freunde → alle", "iso-8859-1", ["=?utf-8?q?Freunde_=E2=86=92_alle?="]),
        ("a\ud800", "utf-8", ["=?utf-8?q?a=3F?="]),
        ("か\u309a", "euc_jisx0213", ["=?euc_jisx0213?b?pPc=?="]),
    ],
)
def test_the_shorter_encoding_is_taken_unless_the_charset_prescribes_one(
    text: str, charset: str, words: list[str]
) -> None:
    assert encode_words(text, charset_of(charset)) == words


def test_character_pair_that_cannot_be_split_is_sent_in_utf_8() -> None:
    """JIS X 0213 writes some pairs of Unicode characters as one, and not the second alone."""
    pairs = ("か\u309a", "\xca\u0304")  # one character each in JIS X 0213, two in Unicode
    order = "か0 1 0 a\xca\xca か0 \u0109 1 0 \xca 山山a 0 1 か1"
    text = order.replace(" ", "").replace("0", pairs[0]).replace("1", pairs[1])

    words = encode_words(text, charset_of("iso-2022-jp-2004"))

    assert all(word.startswith("=?utf-8?b?") for word in words)
    assert decode_header(" ".join(words)) == text


@pytest.mark.parametrize(
    ("text", "charset", "octets", "label"),
    [
        ("é", "utf-8", b"\xc3\xa9", "utf-8"),
        ("é", "latin-1", b"\xe9", "iso-8859-1"),
        ("✓", "latin-1", b"\xe2\x9c\x93", "utf-8"),
        ("a", "us-ascii", b"a", "us-ascii"),
        ("é", "us-ascii", b"\xc3\xa9", "utf-8"),
        ("\x1b(B", "iso-2022-jp", b"\x1b(B", "utf-8"),
        ("a\ud800b", "utf-8", b"a?b", "utf-8"),
    ],
)
def test_text_is_encoded_exactly_or_in_utf_8(
    text: str, charset: str, octets: bytes, label: str
) -> None:
    assert encode_text(text, Charset(charset)) == (octets, label)


# --- Transfer encodings --------------------------------------------------------------------------


def decoded(encoding: str, octets: bytes) -> bytes:
    return {"7bit": bytes, "quoted-printable": decodestring, "base64": base64.b64decode}[encoding](
        octets
    )


LINES = st.lists(
    st.text(CHARACTERS) | st.text(st.sampled_from("a .=\té\x00\x0c\x1b"), max_size=200), max_size=9
)


@PATIENT
@given(LINES)
@example(["x" * 998])
@example(["x" * 999])
@example(["é" * 999, " \t"])
@example([".", " ", "From ", "=", "\x7f"])
def test_transfer_encoding_is_short_ascii_lines_and_reversible(
    lines: list[str],
) -> None:
    text = "\r\n".join(lines).encode()

    encoding, octets = transfer_encode(text, "utf-8")

    assert decoded(encoding, octets) == text
    assert re.fullmatch(rb"[\t\r\n -~]*", octets)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", octets)
    longest = max(map(len, octets.split(b"\r\n")))
    assert longest <= (998 if encoding == "7bit" else 76)


@pytest.mark.parametrize(
    ("octets", "label", "encoding"),
    [
        (b"", "utf-8", "7bit"),
        (b"plain text\twith a tab\r\n.\r\nFrom here\r\n", "utf-8", "7bit"),
        (b"x" * 998, "utf-8", "7bit"),
        (b"x" * 999, "utf-8", "quoted-printable"),
        ("déjà vu, dit-on souvent".encode(), "utf-8", "quoted-printable"),
        ("件名".encode(), "utf-8", "base64"),
        (b"plain\x0c", "utf-8", "quoted-printable"),
        (b"a NUL: \0", "utf-8", "quoted-printable"),
        (b"\x1b[31mred", "utf-8", "quoted-printable"),
        ("内容".encode("iso-2022-jp"), "iso-2022-jp", "7bit"),
    ],
)
def test_text_is_sent_as_is_or_in_the_shorter_encoding(
    octets: bytes, label: str, encoding: str
) -> None:
    assert transfer_encode(octets, label)[0] == encoding


@PATIENT
@given(st.binary(max_size=500))
def test_base64_has_lines_of_76_and_ends_without_a_line_end(octets: bytes) -> None:
    *lines, last = encode_base64(octets).split(b"\r\n")

    assert all(len(line) == 76 for line in lines)
    assert len(last) <= 76
    assert binascii.a2b_base64(b"".join([*lines, last])) == octets


@pytest.mark.parametrize("octets", [b"a\nb", b"a\rb", b"a\n\rb", b"\r\na\n"])
def test_stray_line_ends_are_no_lines(octets: bytes) -> None:
    assert transfer_encode(octets, "utf-8")[0] != "7bit"
