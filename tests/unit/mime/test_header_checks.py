"""Validation of header names, values, content types and charsets."""

from __future__ import annotations

import re
from decimal import Decimal
from email.charset import Charset
from typing import Any

import pytest
from hypothesis import given
from reading import HEADER_TEXTS, PATIENT

from flask_mail.errors import BadHeaderError, MessageError
from flask_mail.mime.checks import (
    as_text,
    charset_of,
    check_content_type,
    check_disposition,
    check_folded,
    check_header_name,
    check_text,
    clean,
)

CONTROLS = ["\0", "\a", "\n", "\r", "\r\n", "\v", "\f", "\x1b", "\x1c", "\x7f", "\x85",
            "\u2028", "\u2029", "\ud800"]  # fmt: skip


class Lazy:
    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


# --- Text ----------------------------------------------------------------------------------------


@PATIENT
@given(HEADER_TEXTS)
def test_text_without_controls_is_taken_as_it_is(text: str) -> None:
    assert check_text(text, "subject") == check_folded(text, "subject") == clean(text) == text


@pytest.mark.parametrize("check", [check_text, check_folded])
@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
def test_a_control_character_is_refused_and_shown_escaped(check: Any, control: str) -> None:
    with pytest.raises(BadHeaderError) as caught:
        check(f"Hello{control}X-Injected: 1", "subject")

    shown = ascii(control)[1:-1]
    assert str(caught.value).startswith(f"The subject 'Hello{shown}X-Injected: 1' cannot be used")


def test_a_long_value_is_shown_shortened() -> None:
    with pytest.raises(BadHeaderError) as caught:
        check_text("\n" + "secret" * 1000, "subject")

    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("check", [check_text, check_folded])
@pytest.mark.parametrize("encoded", ["=?utf-8?q?a=0Ab?=", "Re: =?utf-8?b?YQpi?= [1]"])
def test_a_control_that_only_decoding_reveals_is_refused(check: Any, encoded: str) -> None:
    with pytest.raises(BadHeaderError, match=r"an encoded-word in it contains .* U\+000A"):
        check(encoded, "subject")


@pytest.mark.parametrize("check", [check_text, check_folded])
@pytest.mark.parametrize("value", [b"bytes", None, ["a"], {"a": "b"}, ("a", "b")])
def test_what_is_no_text_is_refused(check: Any, value: object) -> None:
    with pytest.raises(MessageError, match="The subject must be a string, not") as caught:
        check(value, "subject")

    assert not isinstance(caught.value, BadHeaderError)


@pytest.mark.parametrize(
    ("value", "text"), [(Lazy("hé"), "hé"), (1, "1"), (2.5, "2.5"), (Decimal("1.10"), "1.10")]
)
def test_lazy_strings_and_numbers_are_text(value: object, text: str) -> None:
    assert check_text(value, "header X-Priority") == as_text(value) == text


@pytest.mark.parametrize("text", ["a\r\n b", "a\r\n\tb\r\n \t c", "a\tb", "a \r\n  b"])
def test_text_may_be_folded_as_rfc_5322_allows(text: str) -> None:
    assert check_folded(text, "subject") == text


@pytest.mark.parametrize(
    "text",
    [
        "a\r\n", "a\n\r", "a\r\nb", "a\n b", "a\r b", "a\r\n ", "a\r\n \r\n b", "\r\n a",
        " \r\n a", "a\r\n b\r\n\n", "a\r\n b\v", "a\r\n\u2028b",
    ],
)  # fmt: skip
def test_text_that_is_folded_in_another_way_is_refused(text: str) -> None:
    with pytest.raises(BadHeaderError, match="cannot be used"):
        check_folded(text, "subject")


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
def test_cleaning_removes_controls(control: str) -> None:
    assert clean(f"Hello{control}X: 1") == "HelloX: 1"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (b"h\xc3\xa9\xff", "hé\ufffd"), (memoryview(b"a"), "a"), (["a\n"], r"['a\n']")],
)
def test_cleaning_takes_any_value(value: object, text: str) -> None:
    assert clean(value) == text


# --- Names of headers ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["X", "List-Unsubscribe", "x!#$'*+-.^_`|~9", "X" * 76])
def test_a_header_name_is_printable_ascii(name: str) -> None:
    assert check_header_name(name, "header name") == name


@pytest.mark.parametrize(
    "name", ["", "X Y", "X:", "X\r\nBcc", "X\n", "Ä", "X" * 77, "X\0", b"X", None]
)
def test_anything_else_is_refused_as_a_header_name(name: object) -> None:
    with pytest.raises(BadHeaderError, match="The header name .* is not valid"):
        check_header_name(name, "header name")


# --- Content types and dispositions --------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "main", "parameters"),
    [
        ("application/pdf", "application/pdf", {}),
        ("text/calendar; method=REQUEST", "text/calendar", {"method": "REQUEST"}),
        ("text/csv;Charset=utf-8;header=present;", "text/csv",
         {"charset": "utf-8", "header": "present"}),
        ('image/png; name="a \\"b\\"; c.png" ; x=1', "image/png",
         {"name": 'a "b"; c.png', "x": "1"}),
        ("a/b; x=1; X=2", "a/b", {"x": "1"}),
        ('a/b; x=""', "a/b", {"x": ""}),
        ('application/pdf; name="résumé.pdf"', "application/pdf", {"name": "résumé.pdf"}),
        ("message/rfc822", "message/rfc822", {}),
        ("application/vnd.ms-excel.sheet+xml", "application/vnd.ms-excel.sheet+xml", {}),
    ],
)  # fmt: skip
def test_a_content_type_is_two_tokens_and_parameters(
    value: str, main: str, parameters: dict[str, str]
) -> None:
    assert check_content_type(value, "content type") == (main, parameters)


@pytest.mark.parametrize(
    "value",
    [
        "", "text", "text/", "/plain", "a/b/c", "text/pl ain", "multipart/mixed", "MultiPart/x",
        "text/plain; x", "text/plain; =x", 'text/plain; x="y', "text/plain; x=y z", "text/plän",
        "text/\u212a", "\u017f/plain",
        "text/plain; " + "x=y; " * 200, "text/plain" + ";" * 500 + "é", None, b"text/plain",
    ],
)  # fmt: skip
def test_anything_else_is_refused_as_a_content_type(value: object) -> None:
    with pytest.raises(MessageError, match="The content type"):
        check_content_type(value, "content type")


def test_a_line_break_in_a_content_type_is_a_bad_header() -> None:
    with pytest.raises(BadHeaderError):
        check_content_type("text/plain\r\nX-Injected: 1", "content type")


def test_a_disposition_is_a_token_and_parameters() -> None:
    assert check_disposition("inline;", "disposition") == ("inline", {})
    assert check_disposition("attachment; size=5", "disposition") == ("attachment", {"size": "5"})


@pytest.mark.parametrize("value", ["", "in line", "a/b", "attachment; size", None])
def test_anything_else_is_refused_as_a_disposition(value: object) -> None:
    with pytest.raises(MessageError, match="The disposition"):
        check_disposition(value, "disposition")


# --- Charsets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("utf-8", "utf-8"),
        ("UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("ascii", "us-ascii"),
        ("latin-1", "iso-8859-1"),
        ("shift_jis", "iso-2022-jp"),
        ("euc-jp", "iso-2022-jp"),
        ("euc-kr", "euc-kr"),
        (Charset("iso-8859-15"), "iso-8859-15"),
    ],
)
def test_charsets_are_mapped_as_the_standard_library_does(name: object, label: str) -> None:
    assert charset_of(name).get_output_charset() == label


@pytest.mark.parametrize("name", ["utf-16", "utf-32-be", "utf-8-sig", "cp037", "idna", "punycode"])
def test_utf_8_stands_in_for_a_charset_that_is_not_made_for_mail(name: str) -> None:
    assert charset_of(name).get_output_charset() == "utf-8"


@pytest.mark.parametrize(
    "name", ["klingon", "", "rot13", "hex", 'utf-8"', "utf-8; x", "utf\n8", "x" * 41, "ütf-8", b"a"]
)
def test_an_unknown_charset_is_refused(name: object) -> None:
    with pytest.raises(MessageError, match=re.escape("is unknown: use one such as")):
        charset_of(name)
