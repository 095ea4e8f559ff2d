"""Parameters of MIME headers: file names above all."""

from __future__ import annotations

import email
from email import policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reading import CHARACTERS, HEADER_TEXTS, PATIENT

from flask_mail.mime.fields import ascii_form, given_parameters, parameter, structured

NAMES = HEADER_TEXTS | st.text(CHARACTERS, max_size=300) | st.text(max_size=0)


@PATIENT
@given(NAMES)
@example("a\\")
@example('so "called".txt')
@example("'%*;=é.txt")
@example("=?utf-8?q?a?=.txt")
@example("請求書" * 80 + ".pdf")
@example("x" * 900)
def test_a_name_reads_back_as_it_was_given(name: str) -> None:
    field = structured("Content-Disposition", "attachment", parameter("filename", name))

    assert field.isascii()
    assert max(map(len, field.split("\r\n"))) <= 76
    content = f"{field}\r\n\r\n".encode()
    old = email.message_from_bytes(content)
    if not name.startswith("<"):  # its reader takes brackets for quotes, and strips
        assert old.get_filename() == name.strip()
    modern = email.message_from_bytes(content, policy=policy.default)
    assert modern["Content-Disposition"].params["filename"] == name
    assert modern.get_content_disposition() == "attachment"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("report.pdf", ['filename="report.pdf"']),
        ("a;b,c=d.txt", ['filename="a;b,c=d.txt"']),
        ("", ['filename=""']),
        ("naïve.txt", ["filename*=utf-8''na%C3%AFve.txt"]),
        ('a"b\\c', ["filename*=utf-8''a%22b%5Cc"]),
        ("a b" * 21, [f"filename*0*=utf-8''{'a%20b' * 10}a%20", f"filename*1*=b{'a%20b' * 10}"]),
    ],
)
def test_a_name_is_quoted_where_every_reader_understands_it(name: str, written: list[str]) -> None:
    assert parameter("filename", name) == written


def test_sections_do_not_split_a_character() -> None:
    for section in parameter("filename", "é山" * 50):
        octets = section.rpartition("'")[2].rpartition("=")[2]
        assert octets.replace("%C3%A9", "").replace("%E5%B1%B1", "") == ""


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"method": "REQUEST"}, ["method=REQUEST"]),
        ({"name": "a b.png"}, ['name="a b.png"']),
        ({"name": "é.png", "x": "1"}, ["name*=utf-8''%C3%A9.png", "x=1"]),
        ({"x": ""}, ['x=""']),
    ],
)
def test_parameters_of_the_user_are_quoted_where_they_need_it(
    given: dict[str, str], written: list[str]
) -> None:
    assert given_parameters(given) == written


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Ångström café.pdf", "Angstrom cafe.pdf"),
        ("請求書 2024.pdf", "___ 2024.pdf"),
        ('a"b\\c', "a_b_c"),
        ("..\uff0fetc\uff0fpasswd", ".._etc_passwd"),
        ("x" * 100 + ".docx", "x" * 48 + "..xxxxx.docx"),
    ],
)
def test_the_ascii_form_of_a_name_is_short_and_harmless(name: str, form: str) -> None:
    assert ascii_form(name) == form
