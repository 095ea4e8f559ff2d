"""Domains: what is a host name or an address literal, and how others are encoded or refused."""

from __future__ import annotations

import sys

import pytest

from flask_mail.address.parser import domain_to_ascii, parse_address
from flask_mail.errors import BadHeaderError, MessageError

MISSING = "the domain is missing"
LABELS = "not a valid domain name: use labels"
LITERAL = "not an address literal"
IDNA = "IDNA 2008 does not allow"
DOTS = r"dots \(U\+002E\)"


@pytest.mark.parametrize(
    "domain",
    [
        "localhost",
        "Example.COM",
        "1.2.3.4",
        "example.123",
        "xn--fa-hia.de",
        "xn--not-punycode-9",
        "a-b--c.org",
        "x_y.org",
        "a_-_b.c_d.example",
        "b" * 63 + ".org",
        "b." * 125 + "b",
        "[192.0.2.1]",
        "[IPv6:2001:db8::1]",
        "[ipv6:::FFFF:192.0.2.1]",
    ],
)
def test_an_ascii_domain_stays_as_it_is(domain: str) -> None:
    assert domain_to_ascii(domain) == domain
    assert parse_address(f"a@{domain}", "sender").domain == domain


@pytest.mark.parametrize(
    ("domain", "encoded"),
    [
        ("fa\xdf.de", "xn--fa-hia.de"),
        ("fa\xdf.x_y.de.", "xn--fa-hia.x_y.de"),
        ("Example.COM.", "Example.COM"),
        ("B\xdcCHER.Example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("\u4f8b\u3048.\u30c6\u30b9\u30c8", "xn--r8jz45g.xn--zckzah"),
    ],
)
def test_another_domain_is_encoded_by_idna_2008(domain: str, encoded: str) -> None:
    assert domain_to_ascii(domain) == encoded
    assert parse_address(f"Bob <a@{domain}>", "sender").addr_spec == f"a@{encoded}"


@pytest.mark.parametrize("address", ["mike@\u212aelvin.test", "mi\u212ae@kelvin.test"])
def test_a_character_that_would_become_ascii_is_refused(address: str) -> None:
    """Else mail for one address goes to another: KELVIN SIGN is no k in a database."""
    with pytest.raises(MessageError):
        parse_address(address, "recipient")
    with pytest.raises(MessageError, match="contains U\\+212A"):
        domain_to_ascii("\u212aelvin.test")


@pytest.mark.parametrize(
    ("domain", "reason"),
    [
        ("", MISSING),
        ("_x.org", LABELS),
        ("x_.org", LABELS),
        ("-x.org", LABELS),
        ("x-.org", LABELS),
        ("x..org", LABELS),
        ("x.org..", LABELS),
        (".", MISSING),
        ("x.org.\u3002", DOTS),
        (".x.org", LABELS),
        ("x org", LABELS),
        ("x.org\\", LABELS),
        ("x.org/y", LABELS),
        ("b" * 64 + ".org", LABELS),
        ("b." * 126 + "org", LABELS),
        ("\xf6.org..", LABELS),
        ("\xf6" * 60 + ".org", IDNA),
        ("\xf6." * 126 + "org", DOTS),
        ("\xf6.org\u3002test", DOTS),
        ("\xf6.org\uff0etest", DOTS),
        ("evil.test\uff1e.good.test", IDNA),
        ("\uff45xample.com", IDNA),
        ("\u200d.org", IDNA),
        ("\xf6_b.org", IDNA),
        ("-\xf6.org", IDNA),
        ("xn--\xf6.org", IDNA),
        ("\xf6\U0001f4e7.org", IDNA),
        ("\u05d0b.org", IDNA),
        ("[]", LITERAL),
        ("[192.0.2.1", LITERAL),
        ("[192.0.2.1]x", LITERAL),
        ("[192.0.2.256]", LITERAL),
        ("[192.0.2]", LITERAL),
        ("[192.0.2.\u0661]", LITERAL),
        ("[2001:db8::1]", LITERAL),
        ("[IPv6:192.0.2.1]", LITERAL),
        ("[IPv6:fe80::1%eth0]", LITERAL),
        ("[IPv6:fe80::1%> x]", LITERAL),
        ("[x.org]", LITERAL),
    ],
    ids=ascii,
)
def test_whatever_is_not_a_domain_is_refused_with_the_reason(domain: str, reason: str) -> None:
    with pytest.raises(MessageError, match=reason) as caught:
        domain_to_ascii(domain)
    assert str(caught.value).isprintable()
    with pytest.raises(MessageError, match="The sender"):
        parse_address(("", f"a@{domain}"), "sender")


@pytest.mark.parametrize("domain", ["x\n.org", "x.org\r\n", "\xf6\x00.org", "[192.0.2.1\x85]"])
def test_a_control_character_in_a_domain_is_a_bad_header(domain: str) -> None:
    with pytest.raises(BadHeaderError, match="the domain contains the character"):
        domain_to_ascii(domain)


def test_a_domain_that_is_far_too_long_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(MessageError, match="longer than 253"):
        domain_to_ascii("\xf6" * 1_000_000 + "\n")


def test_a_missing_idna_library_is_an_error_that_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    assert domain_to_ascii("x.org") == "x.org"
    with pytest.raises(MessageError, match="pip install idna"):
        domain_to_ascii("\xf6.org")
