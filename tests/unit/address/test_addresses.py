"""Addresses: which strings and pairs are exactly one mailbox, and what the others are told."""

from __future__ import annotations

import pickle
import time

import pytest

from flask_mail.address.parser import Address, parse_address
from flask_mail.errors import BadHeaderError, MessageError

ACCEPTED: list[tuple[object, tuple[str, str, str]]] = [
    # bare
    ("bob@example.com", ("", "bob", "example.com")),
    ("  bob@example.com ", ("", "bob", "example.com")),
    ("<bob@example.com>", ("", "bob", "example.com")),
    ("root@localhost", ("", "root", "localhost")),
    ("a+b.c-d_e@Example.COM", ("", "a+b.c-d_e", "Example.COM")),
    ("!#$%&'*+/?=^_`{|}~-@x.org", ("", "!#$%&'*+/?=^_`{|}~-", "x.org")),
    ("bob@[192.0.2.1]", ("", "bob", "[192.0.2.1]")),
    (f"{'a' * 64}@x.org", ("", "a" * 64, "x.org")),
    # what a server may judge: long local parts, and dots that are no dot-atom
    (f"{'a' * 248}@x.org", ("", "a" * 248, "x.org")),
    (f"reply+{'0' * 80}@reply.example.com", ("", f"reply+{'0' * 80}", "reply.example.com")),
    (f'"{"a b" * 40}"@x.org', ("", f'"{"a b" * 40}"', "x.org")),
    ("\xf6" * 100 + "@x.org", ("", "\xf6" * 100, "x.org")),
    ("taro.@docomo.ne.jp", ("", "taro.", "docomo.ne.jp")),
    ("a..b@docomo.ne.jp", ("", "a..b", "docomo.ne.jp")),
    (".a@x.org", ("", ".a", "x.org")),
    ("Taro <t.a...ro-.@ezweb.ne.jp>", ("Taro", "t.a...ro-.", "ezweb.ne.jp")),
    ("a@my_store.example.com", ("", "a", "my_store.example.com")),
    ("a@example.com.", ("", "a", "example.com")),
    ("Bob <a@fa\xdf.x_y.de.>", ("Bob", "a", "xn--fa-hia.x_y.de")),
    ("a=b?c@x.org", ("", "a=b?c", "x.org")),
    # quoted local parts stay quoted, whatever they hold
    ('"a@b"@example.com', ("", '"a@b"', "example.com")),
    ('"a..b"@example.com', ("", '"a..b"', "example.com")),
    (r'"a\"b\\ ,;<>()"@example.com', ("", r'"a\"b\\ ,;<>()"', "example.com")),
    (r'Bob <"a\"@b>"@example.com>', ("Bob", r'"a\"@b>"', "example.com")),
    ('"xclow3n@gmail.com x"@internal.domain', ("", '"xclow3n@gmail.com x"', "internal.domain")),
    # not ASCII
    ("j\xf6rg@example.com", ("", "j\xf6rg", "example.com")),
    ("jo\u0308rg@example.com", ("", "j\xf6rg", "example.com")),
    ('"j\xf6rg b"@example.com', ("", '"j\xf6rg b"', "example.com")),
    ("bob@fa\xdf.de", ("", "bob", "xn--fa-hia.de")),
    # display names
    ("Bob <bob@x.org>", ("Bob", "bob", "x.org")),
    ("Bob<bob@x.org>", ("Bob", "bob", "x.org")),
    ("Bob < bob@x.org >", ("Bob", "bob", "x.org")),
    ("Doe, John <j@x.org>", ("Doe, John", "j", "x.org")),
    ("John Q. Public <j@x.org>", ("John Q. Public", "j", "x.org")),
    ("ACME (Sales) <s@x.org>", ("ACME (Sales)", "s", "x.org")),
    (r"AC\DC <s@x.org>", (r"AC\DC", "s", "x.org")),
    (
        "O'Brien & S\xf6hne: Support <s@x.org>",
        ("O'Brien & S\xf6hne: Support", "s", "x.org"),
    ),
    ('"Doe, John" <j@x.org>', ("Doe, John", "j", "x.org")),
    ('"j@home; <now>" <j@x.org>', ("j@home; <now>", "j", "x.org")),
    (r'"J\"o\"e \\" <j@x.org>', (r'J"o"e ' + "\\", "j", "x.org")),
    ('John "Joe" Public <j@x.org>', ("John Joe Public", "j", "x.org")),
    ('"" <j@x.org>', ("", "j", "x.org")),
    # a simple comment is the name
    ("bob@x.org (Bob B.)", ("Bob B.", "bob", "x.org")),
    ("bob@x.org(Bob, of x)", ("Bob, of x", "bob", "x.org")),
    ("bob@[192.0.2.1] ()", ("", "bob", "[192.0.2.1]")),
    # pairs
    (("Bob", "bob@x.org"), ("Bob", "bob", "x.org")),
    (["Bob", " <bob@x.org> "], ("Bob", "bob", "x.org")),
    ((None, "bob@x.org"), ("", "bob", "x.org")),
    ((" ", "bob@x.org"), ("", "bob", "x.org")),
    (('a@b.c, "<d@e.f>;', "bob@x.org"), ('a@b.c, "<d@e.f>;', "bob", "x.org")),
    (
        ("\u5c71\u7530\u3000\u592a\u90ce", "y@x.org"),
        ("\u5c71\u7530\u3000\u592a\u90ce", "y", "x.org"),
    ),
]

SEVERAL = "contains more than one address: pass a list"
QUOTE_IT = r'must be quoted: "a b"@example\.com'
ENCODED_WORD = "begins an encoded-word"
BRACKETS = "write it as Name <name@example.com>"

REFUSED: list[tuple[object, str]] = [
    ("", "is empty"),
    ("  ", "is empty"),
    ("<>", "is empty"),
    (("Bob", ""), "is empty"),
    # no domain, no local part
    ("root", "has no domain; write it as name@example.com"),
    ("Bob <root>", "has no domain"),
    (("Bob", "root"), "has no domain"),
    ("@x.org", "the part before the @ is missing"),
    ("<@a,@b:c@d>", "source route"),
    # several, never cut to the first
    ("a@b.c, d@e.f", SEVERAL),
    ("a@b.c,d@e.f", SEVERAL),
    ("a@b.c; d@e.f", SEVERAL),
    ("a@b.c;", SEVERAL),
    ("a@b.c d@e.f", SEVERAL),
    ("x: a@b.c;", SEVERAL),
    ("x: a@b.c, d@e.f;", SEVERAL),
    ("undisclosed-recipients:;", SEVERAL),
    ("a, b@c.d", SEVERAL),
    ("<a@b.c>, <d@e.f>", SEVERAL),
    ("A <a@b.c>, D <d@e.f>", SEVERAL),
    ("A <a@b.c>, D", BRACKETS),
    ("a@b.c <d@e.f>", SEVERAL),
    ("a; b <d@e.f>", SEVERAL),
    (("Bob", "a@b.c,d@e.f"), SEVERAL),
    ("alice@example.org)bob@evil.org", SEVERAL),
    ("alice@example.org(<bob@evil.org>", SEVERAL),
    ("alice@example.org (<bob@evil.org>)", SEVERAL),
    ("alice@example.org]bob@evil.org", SEVERAL),
    ("alice@example.org[bob@evil.org>", SEVERAL),
    # brackets and quotes
    ("<a@b>>", BRACKETS),
    ("<<a@b>", QUOTE_IT),
    ("<a@b> x", BRACKETS),
    ("<a@b", BRACKETS),
    ("a > b <c@d>", BRACKETS),
    ("<a@b> (x)", BRACKETS),
    ("a@b (x", "only one .comment."),
    ("a@b (x) y", "only one .comment."),
    ("a@b ((x))", "only one .comment."),
    ('"Bob <a@b.c>', "quote is never closed"),
    ('"Bob" "B <a@b.c>', "quote is never closed"),
    ('""Bob" <a@b.c>', "quote is never closed"),
    ('"Bob\\" <a@b.c>', "quote is never closed"),
    (("Bob", "Bob <a@b.c>"), "in a pair, give the address without a name"),
    # local part
    ("=?x?q?victim=40evil.test=3E=00?=foo@good.test", ENCODED_WORD),
    ('"=?utf-8?q?victim?="@good.test', ENCODED_WORD),
    ("Bob <=?utf-8?b?dmljdGlt?=@good.test>", ENCODED_WORD),
    (("Bob", "a.=?utf-8?q?b?=@good.test"), ENCODED_WORD),
    ("a+=?@good.test", ENCODED_WORD),
    (r'"=\?utf-8\?q\?b\?="@good.test', ENCODED_WORD),
    ('"a =?utf-8?q?b?= c"@good.test', ENCODED_WORD),
    ("\xf6=?utf-8?q?b?=@good.test", ENCODED_WORD),
    ("=?utf-8*en?Q?b?=@good.test (Bob)", ENCODED_WORD),
    ("a b@x.org", QUOTE_IT),
    ("(c)a@x.org", QUOTE_IT),
    (r"a\@b@x.org", SEVERAL),
    ('a"b"@x.org', QUOTE_IT),
    ('<a"b"@x.org>', QUOTE_IT),
    ('"a"b@x.org', QUOTE_IT),
    ('"a\xf6\\\xf6"@x.org', QUOTE_IT),
    ("a\u202eb@x.org", QUOTE_IT),
    ('"a\xa0b"@x.org', QUOTE_IT),
    ("a\u037eb@x.org", QUOTE_IT),
    (f"{'a' * 249}@x.org", "longer than 254 octets"),
    ("\xf6" * 125 + "@x.org", "longer than 254 octets"),
    (f"{'a' * 60}@{'b.' * 98}org", "longer than 254 octets"),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED, ids=lambda v: ascii(v)[:40])
def test_one_mailbox_is_read_into_its_parts(value: object, expected: tuple[str, str, str]) -> None:
    assert parse_address(value, "recipient") == Address(*expected)


@pytest.mark.parametrize(("value", "reason"), REFUSED, ids=lambda v: ascii(v)[:40])
def test_what_is_not_one_mailbox_is_refused_with_the_reason(value: object, reason: str) -> None:
    with pytest.raises(MessageError, match=reason) as caught:
        parse_address(value, "recipient")
    message = str(caught.value)
    assert message.startswith("The recipient ")
    assert message.endswith(".")
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize(
    "value",
    [
        "(" * 30_000,
        "," * 100_000,
        "\\" * 100_000,
        '"' * 100_000 + "\n",
        "a@b.c" + " " * 1_000,
        ("x" * 999, "a@x.org"),
        ("x" * 100_000, "a@x.org"),
        ("x", "a" * 321),
        ("x", '"\\' * 50_000),
    ],
    ids=lambda v: ascii(v)[:20],
)
def test_what_is_longer_than_mail_can_be_is_refused_before_it_is_read(value: object) -> None:
    with pytest.raises(MessageError, match="may have at most 998 characters") as caught:
        parse_address(value, "recipient")
    assert len(str(caught.value)) < 400


def test_the_worst_of_the_longest_texts_are_read_in_linear_time() -> None:
    texts = [
        piece * (998 // len(piece)) for piece in ["(", ",", "\\", '"', '"\\', "@", "<", "a.", "a "]
    ]
    texts += [f'"{text[:-9]}" <a@x.org>' for text in texts] + [
        f"{text[:-7]}@x.org" for text in texts
    ]
    texts += ["=?a?q?" * 160 + " <a@x.org>", "=?a?q??= " * 100 + "x <a@x.org>"]
    start = time.perf_counter()
    for text in texts:
        try:
            parse_address(text, "recipient")
        except MessageError:
            continue
    assert time.perf_counter() - start < 1  # it takes some milliseconds


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xD800, 0xDFFF])
def test_a_control_character_anywhere_is_a_bad_header(code: int) -> None:
    c = chr(code)
    for value in [
        f"a{c}@x.org", f"a@x{c}.org", f"a@x.org{c}", f"{c}a@x.org", f'"a{c}"@x.org',
        f"B{c} <a@x.org>", f'"B{c}" <a@x.org>', f"a@x.org (B{c})", (f"B{c}", "a@x.org"),
        ("B", f"a@x.org{c}"),
    ]:  # fmt: skip
        with pytest.raises(BadHeaderError, match=rf"U\+{code:04X}") as caught:
            parse_address(value, "sender")
        assert str(caught.value).isprintable()


def test_an_error_names_the_field_shows_the_value_and_says_what_to_do() -> None:
    with pytest.raises(MessageError) as caught:
        parse_address(("Bob\xa0", "root"), "reply_to")
    assert str(caught.value) == (
        r"The reply_to 'Bob\xa0 <root>' cannot be used: it has no domain;"
        " write it as name@example.com."
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [("", "root"), (None, "root"), ("Ann", "Ann <root>"), ("x" * 99, f"{'x' * 22}... <root>")],
)
def test_an_error_shows_a_pair_as_an_address(name: str | None, shown: str) -> None:
    with pytest.raises(MessageError) as caught:
        parse_address((name, "root"), "recipient")
    assert str(caught.value).startswith(f"The recipient '{shown}' cannot be used: it has no dom")


@pytest.mark.parametrize(
    ("pair", "is_swapped"),
    [
        (("ann@x.org", "Ann"), True),
        (("Ann", "ann"), False),
        (("@home", "Ann"), False),
        (("ann@x.org", "ann@"), False),
    ],
)
def test_an_error_asks_whether_name_and_address_are_swapped(
    pair: tuple[str, str], is_swapped: bool
) -> None:
    with pytest.raises(MessageError) as caught:
        parse_address(pair, "recipient")
    assert str(caught.value).endswith(" Are they swapped? Write (name, address).") == is_swapped


def test_an_address_tells_its_spec_and_whether_it_needs_smtputf8() -> None:
    bob = Address("Bob", "bob", "x.org")
    assert bob.addr_spec == "bob@x.org"
    assert not bob.needs_smtputf8
    assert Address("", "j\xf6rg", "x.org").needs_smtputf8
    assert Address("", "bob", "").addr_spec == "bob"
    assert pickle.loads(pickle.dumps(bob)) == bob
