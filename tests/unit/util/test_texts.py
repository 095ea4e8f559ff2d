"""Text from outside: what counts as text, how names are decoded, how values are shown."""

from __future__ import annotations

from email.header import Header
from enum import Enum

import pytest

from flask_mail.address.parser import describe, parse_address
from flask_mail.errors import BadHeaderError, MessageError
from flask_mail.util.text import decode_octets


class Lazy:
    """A lazy string: it knows its text when it is asked."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked = 0

    def __str__(self) -> str:
        self.asked += 1
        return self.text


class Proxy:
    """Claims to be a str, as werkzeug's LocalProxy does."""

    __class__ = property(lambda _: str)

    def __str__(self) -> str:
        return "bob@example.com"


class Team(str, Enum):
    OPS = "ops@example.com"


def test_a_lazy_string_is_evaluated_once() -> None:
    name, address = Lazy("Bob"), Lazy("bob@x.org")
    assert parse_address((name, address), "sender").name == "Bob"
    assert (name.asked, address.asked) == (1, 1)


@pytest.mark.parametrize("wrap", [Lazy, lambda text: text], ids=["lazy", "plain"])
def test_a_member_of_an_enumeration_of_strings_is_its_value(wrap: type) -> None:
    address = parse_address(wrap(Team.OPS), "sender")
    assert address.addr_spec == "ops@example.com"
    assert type(address.local) is str


def test_a_proxy_of_a_string_is_a_string() -> None:
    assert parse_address(Proxy(), "sender").addr_spec == "bob@example.com"


@pytest.mark.parametrize(
    "value",
    [
        None, b"bob@x.org", bytearray(b"bob@x.org"), 42, 4.2, {"bob@x.org": "Bob"}, {"bob@x.org"},
        (), ("bob@x.org",), ("Bob", "bob@x.org", "x"), ("Bob", None), ("Bob", b"bob@x.org"),
        (b"Bob", "bob@x.org"), (42, "bob@x.org"), ("Bob", ("bob@x.org",)),
    ],
)  # fmt: skip
def test_what_is_neither_text_nor_a_pair_of_texts_is_refused(value: object) -> None:
    with pytest.raises(MessageError, match=r"sender must be a string or a \(name, address\) pair"):
        parse_address(value, "sender")


@pytest.mark.parametrize(
    ("name", "decoded"),
    [
        ("=?utf-8?q?J=C3=B6rg_B=2E?=", "J\xf6rg B."),
        ("=?UTF-8*de?B?SsO2cmc=?=", "J\xf6rg"),
        ("=?utf-8?b?SsO2cmc?=", "J\xf6rg"),
        ("=?latin-1?Q?J=F6?=   =?utf-8?q?rg?=", "J\xf6rg"),
        (Header("J\xf6rg \u5c71\u7530", "utf-8").encode(), "J\xf6rg \u5c71\u7530"),
        ("=?utf-8?q?_Bob_?=", "Bob"),
        ("=?utf-8?q??=", ""),
    ],
)
def test_a_name_that_was_encoded_beforehand_is_decoded(name: str, decoded: str) -> None:
    assert parse_address((name, "j@x.org"), "sender").name == decoded
    assert parse_address(f"{name} <j@x.org>", "sender").name == decoded
    assert parse_address(f'"{name}" <j@x.org>', "sender").name == decoded
    assert parse_address(f"j@x.org ({name})", "sender").name == decoded


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("=?utf-8?q?=FF?=", id="not in the charset"),
        pytest.param("=?utf-8?b?A?=", id="cut"),
        pytest.param("=?utf-8?b?AAA*?=", id="not base64"),
        pytest.param("=?klingon?q?a?=", id="unknown charset"),
        pytest.param("=?hex?q?6162?=", id="not a text encoding"),
        pytest.param("=?unicode_escape?q?=5Cd?=", id="not a charset of mail"),
        pytest.param("=?idna?q?xn--fa-hia?=", id="not a charset either"),
        pytest.param("=?utf-8?q?J=C3=B6rg?= B", id="not encoded as a whole"),
        pytest.param("=?utf-8?q?a?==?utf-8?q?b?=", id="no space between"),
        pytest.param("=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?=", id="encoded twice"),
    ],
)
def test_a_name_that_cannot_be_decoded_is_kept_as_it_stands(name: str) -> None:
    assert parse_address((name, "j@x.org"), "sender").name == name


@pytest.mark.parametrize("octets", ["=0A", "=0D=0ABcc=3A_x=40y=2Ez", "=00", "=C2=85", "=E2=80=A8"])
def test_a_control_character_that_only_decoding_reveals_is_a_bad_header(octets: str) -> None:
    with pytest.raises(BadHeaderError, match="the decoded name contains the character"):
        parse_address(f"=?utf-8?q?Bob{octets}?= <a@x.org>", "sender")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("bob", "'bob'"),
        ("J\xf6\n\x1b\u202e\ud800", r"'Jö\n\x1b\u202e\ud800'"),
        ("x" * 60, "'" + "x" * 60 + "'"),
        ("x" * 61, "'" + "x" * 58 + "..."),
        ("\0" * 61, "'" + r"\x00" * 14 + r"\x..."),
        (None, "None"),
        (b"\xff", r"b'\xff'"),
        (("Bob\n", "b"), r"('Bob\n', 'b')"),
        (range(10), "range(0, 10)"),
        ([1] * 100_000, "[1, 1, 1, 1, 1, 1, ...]"),
        (Team.OPS, "'ops@example.com'"),
    ],
)
def test_a_value_is_shown_escaped_and_short(value: object, shown: str) -> None:
    assert describe(value) == shown


def test_a_value_that_shows_itself_badly_is_escaped_too() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "a\n\u2028\u202e"

    assert describe(Odd()) == r"a\n\u2028\u202e"


def test_showing_a_value_never_fails() -> None:
    class Bad(list[int]):
        def __len__(self) -> int:
            raise RuntimeError

    Bad.__name__ = "list"
    assert describe(Bad()) == "<list>"
    assert describe(Proxy()).startswith("<")
    assert len(describe(10**5000)) <= 62


@pytest.mark.parametrize("charset", ["x" * 41, "klingon", "hex", "idna", "unicode_escape", "a\0"])
def test_no_text_is_in_a_charset_that_mail_does_not_have(charset: str) -> None:
    with pytest.raises((LookupError, ValueError)):
        decode_octets(b"a", charset)


def test_octets_are_decoded_as_strictly_as_wanted() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        decode_octets(b"\xff", "utf-8")
    assert decode_octets(b"\xff", "utf-8", "replace") == "\N{REPLACEMENT CHARACTER}"
