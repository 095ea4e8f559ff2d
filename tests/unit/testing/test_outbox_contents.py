"""Links and codes: what tests look for in a message."""

from __future__ import annotations

import time

import pytest

from flask_mail import Message
from flask_mail.testing import find_code, find_links


def message(body=None, html=None, subject=""):
    return Message(subject, ["ann@example.com"], body, html)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Go to https://example.com/reset/abc.", ["https://example.com/reset/abc"]),
        ("http://example.com", ["http://example.com"]),
        ("https://example.com/reset/aB3_", ["https://example.com/reset/aB3_"]),
        ("https://example.com/reset/aB3-", ["https://example.com/reset/aB3-"]),
        ("https://example.com/reset/aB3=", ["https://example.com/reset/aB3="]),
        ("HTTPS://EXAMPLE.COM/A", ["HTTPS://EXAMPLE.COM/A"]),
        ("<https://example.com/a?b=1&c=2#d>", ["https://example.com/a?b=1&c=2#d"]),
        ("(see https://example.com/a)", ["https://example.com/a"]),
        ("https://example.com/a_(b)", ["https://example.com/a_(b)"]),
        ("[text](https://example.com/a).", ["https://example.com/a"]),
        ("**https://example.com/a**", ["https://example.com/a"]),
        ('"https://example.com/a"', ["https://example.com/a"]),
        ("https://a.example\nhttps://b.example!", ["https://a.example", "https://b.example"]),
        ("https://a.example https://a.example", ["https://a.example"]),
        ("https://bücher.example/ü", ["https://bücher.example/ü"]),
        ("example.com, www.example.com, ftp://example.com, mailto:a@example.com", []),
        ("https://", []),
        (None, []),
    ],
)
def test_links_of_a_text(text, expected):
    assert find_links(message(text)) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<a href="https://example.com/a?b=1&amp;c=2">x</a>', ["https://example.com/a?b=1&c=2"]),
        ("<A HREF='https://example.com/'>x</A>", ["https://example.com/"]),
        ('<a href=" https://example.com/\n">x</a>', ["https://example.com/"]),
        ('<map><area href="https://example.com/"></map>', ["https://example.com/"]),
        ('<a href="myapp://open/1">x</a>', ["myapp://open/1"]),
        ('<a href="mailto:a@example.com">x</a><a href="#top">x</a><a href="/a">x</a>', []),
        ("<a href>x</a><a>y</a>", []),
        ('<link href="https://example.com/a.css"><img src="https://example.com/a.png">', []),
        ("https://example.com/ is not clickable everywhere", []),
    ],
)
def test_links_of_html(html, expected):
    assert find_links(message(None, html)) == expected


def test_links_that_are_in_html_and_text_come_once():
    made = message(
        "Confirm: https://example.com/confirm?a=1&b=2 Help: https://example.com/help",
        '<a href="https://example.com/confirm?a=1&amp;b=2">Confirm</a>',
    )
    assert find_links(made) == ["https://example.com/confirm?a=1&b=2", "https://example.com/help"]


@pytest.mark.parametrize(
    "text",
    [
        "Your code is 123456.",
        "123456",
        "Code:123456",
        "123 456",
        "123-456",
        "123\u00a0456",
        "G-123456 is your code",
        "(123456)",
        "123456 (valid for 10 minutes)",
        "Your code: 123456\nIt is valid for 10 minutes.",
        "Order 1234567, in 2026, for 1.234567 or 123456,50 euros: your code is 123456, Ann.",
        "Call 030 123 457 or +49-123458. Code 123456",
        "123456 https://example.com/654321/111111",
        "123456 and once more 123 456",
    ],
)
def test_the_code_is_the_number_with_six_digits(text):
    assert find_code(message(text)) == "123456"


def test_a_code_may_be_in_the_subject_or_in_the_html():
    assert find_code(message("Hi", subject="123456 is your code")) == "123456"
    made = message(html="<style>p { color: #654321 }</style><p>Your code is <b>123456</b>.</p>")
    assert find_code(made) == "123456"
    assert find_code(message("123456", "<b>123 456</b>", subject="123456")) == "123456"


def test_a_code_may_have_another_number_of_digits():
    assert find_code(message("Your PIN is 0042, not 123456."), digits=4) == "0042"
    assert find_code(message("Your code is 123-45."), digits=5) == "12345"


def test_no_code_is_a_failure_that_says_so():
    with pytest.raises(AssertionError, match="of 6 digits in the message 'Hi', but found none"):
        find_code(message("12345 1234567", subject="Hi"))


def test_several_codes_are_a_failure_that_shows_them():
    with pytest.raises(AssertionError, match="6 digits .*, but found 2: 111111, 222222"):
        find_code(message("222222 or 111111"))


@pytest.mark.parametrize("text", [")" * 20_000, "https://a" + ")" * 20_000, "1 " * 20_000])
def test_no_message_takes_long(text):
    """The time does not depend on the content of the message."""
    started = time.perf_counter()
    find_links(message(text, text))
    with pytest.raises(AssertionError):
        find_code(message(text))
    assert time.perf_counter() - started < 5
