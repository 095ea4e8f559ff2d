"""Header fields: what readers get back is what was written, in short lines of ASCII."""

from __future__ import annotations

import email
import re
from email import policy
from email.header import Header, make_header
from email.header import decode_header as decode_in_stdlib
from email.utils import getaddresses

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from reading import HEADER_TEXTS, PATIENT, decode_header

from flask_mail.address.parser import Address, parse_address
from flask_mail.errors import MessageError
from flask_mail.mime.checks import charset_of
from flask_mail.mime.fields import mailbox, mailboxes, parse_mailboxes, unstructured, verbatim

BOB = Address("", "bob", "example.com")


def unfold(field: str) -> str:
    """Return the value of a field whose lines are as RFC 5322 wants them."""
    assert field.isascii()
    lines = field.split("\r\n")
    assert all(line[0] in " \t" and line.strip(" \t") for line in lines[1:])
    assert not re.search("[\x00-\x08\x0a-\x1f\x7f]", "".join(lines))
    assert max(map(len, lines)) <= 998
    _, separator, value = "".join(lines).partition(": ")
    assert separator
    return value


def read_in_stdlib(field: str) -> email.message.EmailMessage:
    return email.message_from_bytes(f"{field}\r\n\r\n".encode(), policy=policy.default)


def holds_words(text: str) -> bool:
    """Return True if `text` has encoded words already, which readers decode."""
    return decode_header(text) != text


# --- Free text -----------------------------------------------------------------------------------


@PATIENT
@given(HEADER_TEXTS, st.sampled_from(["utf-8", "us-ascii", "iso-8859-1", "shift_jis", "euc-kr"]))
@example("two  spaces", "utf-8")
@example(" leading and trailing ", "utf-8")
@example("=?utf-8?q?not a word?=", "utf-8")
@example("=?klingon?q?a?=", "utf-8")
@example("x=?utf-8?q?a?=", "utf-8")
@example("word " * 30, "utf-8")
@example("é" * 300, "iso-8859-1")
@example("combin\u0301ing " * 30, "utf-8")
def test_any_text_reads_back_as_it_was_given(text: str, charset: str) -> None:
    """By a reader of RFC 2047 alone, and by both readers of the standard library."""
    assume(not holds_words(text))

    field = unstructured("Subject", text, charset_of(charset))

    value = unfold(field)
    assert decode_header(value) == text
    assert str(make_header(decode_in_stdlib(value))) == text
    assert read_in_stdlib(field)["Subject"] == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Hello, world", "Subject: Hello, world"),
        ("a \t b", "Subject: a \t b"),
        ("", "Subject: "),
        ("件名", "Subject: =?utf-8?b?5Lu25ZCN?="),
        ("one\r\n two", "Subject: one\r\n two"),
        ("eins\r\n zwö", "Subject: =?utf-8?b?ZWlucyB6d8O2?="),
        ("x" * 80, "Subject: " + "x" * 80),
    ],
)
def test_ascii_stands_as_it_is_and_the_rest_in_encoded_words(text: str, written: str) -> None:
    assert unstructured("Subject", text) == written


@PATIENT
@given(st.lists(st.text(st.sampled_from("abcdefé"), min_size=1, max_size=60), min_size=1))
def test_lines_of_words_that_fit_are_at_most_76_long(words: list[str]) -> None:
    field = unstructured("Subject", " ".join(words))

    assert max(map(len, field.split("\r\n"))) <= 76


@PATIENT
@given(st.text(st.sampled_from("abé"), max_size=60), st.integers(900, 1100))
def test_no_line_is_longer_than_998(text: str, length: int) -> None:
    value = unfold(unstructured("Subject", f"{text} {'x' * length} {text}"))

    assert decode_header(value) == f"{text} {'x' * length} {text}"


def test_a_folded_subject_is_kept_also_where_its_lines_are_long() -> None:
    folded = f"one {'x' * 200}\r\n two\r\n \tthree"

    assert unstructured("Subject", folded) == f"Subject: {folded}"


def test_a_folded_subject_with_a_line_that_is_too_long_is_folded_anew() -> None:
    folded = f"one\r\n {'word ' * 250}end"

    field = unstructured("Subject", folded)

    assert unfold(field) == folded.replace("\r\n", "")
    assert max(map(len, field.split("\r\n"))) <= 76


@pytest.mark.parametrize(
    "encoded",
    [
        Header("Grüße an alle", "utf-8").encode(),
        Header("Grüße", "iso-8859-1").encode(),
        Header("件名 " * 20, "utf-8").encode(linesep=""),
        Header("表題" * 40, "iso-2022-jp").encode(linesep=""),
        "Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?= [1]",
    ],
)
def test_text_that_was_encoded_beforehand_is_not_encoded_again(encoded: str) -> None:
    value = unfold(unstructured("Subject", encoded))

    assert value == encoded
    assert "=?" not in decode_header(value)


def test_verbatim_text_is_folded_at_its_spaces_only() -> None:
    text = f"<{'a' * 60}@example.com> <{'b' * 60}@example.com>"

    assert verbatim("References", text) == "References: " + text.replace("> <", ">\r\n <")
    assert verbatim("References", "x" * 1000) is None


# --- Addresses -----------------------------------------------------------------------------------


@PATIENT
@given(HEADER_TEXTS)
@example("Smith, John")
@example('"quoted" \\ back')
@example("a@b <c@d>; (x)")
@example("=?utf-8?q?a?= b")
@example("a " * 200)
@example("x" * 200)
@example("é" * 200)
def test_a_mailbox_stays_one_mailbox_with_its_name(name: str) -> None:
    """The standard library's modern reader collapses spaces in a name, and parts its words."""
    bob = parse_address((name, "bob@example.com"), "recipient")
    field = mailboxes("To", [bob, Address("Al", "al", "example.org"), BOB])

    value = unfold(field)
    specs = ["bob@example.com", "al@example.org", "bob@example.com"]
    first, *others = getaddresses([value])
    assert [first[1], *(spec for _, spec in others)] == specs
    assert str(make_header(decode_in_stdlib(first[0]))) == bob.name
    modern = read_in_stdlib(field)["To"].addresses
    assert [each.addr_spec for each in modern] == specs
    assert "".join(modern[0].display_name.split()) == "".join(bob.name.split())
    assert max(map(len, field.split("\r\n"))) <= 76


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "bob@example.com"),
        ("Bob", "Bob <bob@example.com>"),
        ("Smith, John", '"Smith, John" <bob@example.com>'),
        ('The "Boss"', '"The \\"Boss\\"" <bob@example.com>'),
        ("John Q. Public", '"John Q. Public" <bob@example.com>'),
        ("Zoë", "=?utf-8?q?Zo=C3=AB?= <bob@example.com>"),
        ("=?utf-8?q?a?=", "=?utf-8?b?PT91dGYtOD9xP2E/PQ==?= <bob@example.com>"),
        ("a b " * 20 + "c", "a b " * 20 + "c <bob@example.com>"),
        ("x" * 75, "x" * 75 + " <bob@example.com>"),
        ("x" * 76, f"=?utf-8?q?{'x' * 63}?= =?utf-8?q?{'x' * 13}?= <bob@example.com>"),
    ],
)
def test_a_name_is_quoted_or_encoded_only_where_it_has_to_be(name: str, written: str) -> None:
    assert mailbox(Address(name, "bob", "example.com")) == written


@pytest.mark.parametrize(
    ("local", "domain", "written"),
    [
        ('"a b"', "example.com", '<"a b"@example.com>'),
        ("a", "[192.0.2.1]", "<a@[192.0.2.1]>"),
        ("a", "[IPv6:2001:db8::1]", "<a@[IPv6:2001:db8::1]>"),
    ],
)
def test_an_odd_address_without_a_name_is_in_brackets(
    local: str, domain: str, written: str
) -> None:
    """Without them, some readers take it for a name or a group, and the next address with it."""
    assert mailbox(Address("", local, domain)) == written


def test_a_mailbox_is_not_folded_where_it_fits_in_a_line() -> None:
    smith = Address("Smith, John", "john.smith", "example.com")

    assert mailboxes("To", [smith] * 3) == (
        'To: "Smith, John" <john.smith@example.com>,\r\n'
        ' "Smith, John" <john.smith@example.com>,\r\n'
        ' "Smith, John" <john.smith@example.com>'
    )


def test_500_recipients_are_folded_and_all_read_back() -> None:
    people = [Address(f"Númber {i}, Jr.", f"n{i}", "example.com") for i in range(500)]

    field = mailboxes("To", people)

    assert max(map(len, field.split("\r\n"))) <= 76
    read = getaddresses([unfold(field)])
    assert [address for _, address in read] == [each.addr_spec for each in people]
    assert decode_header(read[-1][0]) == "Númber 499, Jr."


def test_an_address_that_is_too_long_to_be_one_is_cut() -> None:
    """Only rendering meets it: sending has refused it by then."""
    unfold(mailboxes("To", [Address("", "x" * 998, ""), Address("x" * 998, "x" * 998, "x" * 998)]))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Zoë <zoe@example.com>", [("Zoë", "zoe@example.com")]),
        ("Lee, Zoë <zoe@example.com>", [("Lee, Zoë", "zoe@example.com")]),
        (
            '"Lee, Zoë" <zoe@example.com>, bob@example.com , Jörg <j@example.com>',
            [("Lee, Zoë", "zoe@example.com"), ("", "bob@example.com"), ("Jörg", "j@example.com")],
        ),
    ],
)
def test_the_value_of_an_address_header_is_one_mailbox_or_several(
    text: str, read: list[tuple[str, str]]
) -> None:
    assert [(each.name, each.addr_spec) for each in parse_mailboxes(text, "From")] == read


def test_a_long_value_is_read_in_linear_time() -> None:
    """With quadratic time this would take minutes."""
    with pytest.raises(MessageError):
        parse_mailboxes('"' + '\\"' * 100_000 + "\\", "To")


@pytest.mark.parametrize("text", ["Zoë", "Zoë <zoe@example.com>, Jörg", 'a@b.c, "Zoë <d@e.f>'])
def test_the_value_of_an_address_header_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(MessageError, match="The header From"):
        parse_mailboxes(text, "header From")
