"""Addresses for people: the tolerant reading, and display names in a header."""

from __future__ import annotations

import pytest

from flask_mail.address.parser import Address, quote_display_name, tolerant_address
from flask_mail.errors import BadHeaderError


class Broken:
    """A lazy string outside of the context that it needs."""

    def __str__(self) -> str:
        raise RuntimeError("no request context")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ("", "", "")),
        ("", ("", "", "")),
        ("Bob <b@x.org>", ("Bob", "b", "x.org")),
        ("<from@example.com>>", ("", "from", "example.com")),
        ("from@example.com>", ("", "from", "example.com")),
        (("\xc4\xd6\xdc", "from@example.com>"), ("\xc4\xd6\xdc", "from", "example.com")),
        ("to\r\n@example.com", ("", "to", "example.com")),
        (("Bob\r\nBcc: x", "to@example.com"), ("BobBcc: x", "to", "example.com")),
        ('"Doe, \\"J\\"" <<b@x.org>>', ('Doe, "J"', "b", "x.org")),
        ('Bob "B <b @x.org> x', ("Bob B", "b", "x.org")),
        ("b@x.org <>", ("", "b", "x.org")),
        ("b@x.org,", ("", "b", "x.org")),
        ("=?utf-8?q?J=0A=C3=B6?= <b@x.org>", ("J\xf6", "b", "x.org")),
        ("a.@fa\xdf.de", ("", "a.", "xn--fa-hia.de")),
        ("a.@x\uff1e.de", ("", "a.", "x\uff1e.de")),
        ("root", ("", "root", "")),
        ("a@b@c", ("", "a@b", "c")),
        (("Bob", None), ("Bob", "", "")),
        (("b@x.org",), ("", "('b", "x.org')")),
        (42, ("", "42", "")),
        (Broken(), ("", "", "")),
        ((Broken(), "a@x.org"), ("", "", "")),
    ],
)
def test_the_tolerant_reading_makes_the_best_of_it(
    value: object, expected: tuple[str, str, str]
) -> None:
    assert tolerant_address(value) == Address(*expected)


def test_the_tolerant_reading_is_capped() -> None:
    assert len(tolerant_address("(" * 100_000).local) == 998
    long = tolerant_address(("x" * 100_000, "y" * 100_000))
    assert (len(long.name), len(long.local)) == (998, 320)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("Bob", "Bob"),
        ("Bob B", "Bob B"),
        ("O'Brien & Co", "O'Brien & Co"),
        ("Bob  B", '"Bob  B"'),
        ("J. Doe", '"J. Doe"'),
        ("Doe, John", '"Doe, John"'),
        ('J "x" \\', r'"J \"x\" \\"'),
        ("=?utf-8?q?a?=", '"=?utf-8?q?a?="'),
        ("J\xf6rg", '"J\xf6rg"'),
        ("", '""'),
    ],
)
def test_a_display_name_is_quoted_only_where_it_must_be(name: str, quoted: str) -> None:
    assert quote_display_name(name) == quoted


@pytest.mark.parametrize("name", ["Bob\n", "B\r\nBcc: x", "\0", "\ud800"], ids=ascii)
def test_a_display_name_with_a_control_character_is_never_quoted(name: str) -> None:
    with pytest.raises(BadHeaderError, match="contains the character"):
        quote_display_name(name)
