"""Addresses: what holds for every value, not only for those that somebody thought of."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_mail.address.parser import Address, parse_address, quote_display_name, tolerant_address
from flask_mail.errors import MessageError

pytestmark = pytest.mark.exhaustive

FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
CONSERVATIVE = re.compile(
    r"(?:[^\s@\"<>(),;:\\\[\]]+|\"(?:[^\"\\\x00-\x1f\x7f]|\\[ -~])*\")"
    r"@(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]|\[(?i:ipv6):[0-9A-Fa-f:.]+\])"
)

TEXTS = st.text() | st.text('ab1.@<>()[]",;:\\ =?_-\xf6\xdf\u0308\uff1e\u3002\u037e', max_size=40)
VALUES = TEXTS | st.tuples(TEXTS, TEXTS)
# The first domain that is not ASCII imports idna, which may take longer than hypothesis allows.
PATIENT = settings(deadline=None)


@PATIENT
@given(VALUES)
@example("=?utf-7?q?+2AA-?= <a@b>")
@example(("=?punycode?q?a?=", "a@\u0378.b"))
def test_any_value_is_a_safe_mailbox_or_a_message_error(value: object) -> None:
    try:
        address = parse_address(value, "recipient")
    except MessageError as error:
        message = str(error)
        assert len(message) < 500
        return
    assert CONSERVATIVE.fullmatch(address.addr_spec)
    assert len(address.addr_spec.encode()) <= 254
    assert address.domain.isascii()
    assert not FORBIDDEN.search(address.name + address.addr_spec)
    bare = Address("", address.local, address.domain)
    assert parse_address(address.addr_spec, "recipient") == bare
    assert parse_address(f"<{address.addr_spec}>", "recipient") == bare
    assert parse_address((address.name, address.addr_spec), "recipient") == address


@PATIENT
@given(
    st.from_regex(
        r"[a-z+]{1,8}(\.[a-z]{1,8})?@([a-z0-9\xe4-\xf6]{1,9}\.){0,3}[a-z]{2}", fullmatch=True
    )
)
def test_ordinary_addresses_are_accepted(text: str) -> None:
    local, _, _ = text.partition("@")
    assert parse_address(text, "recipient").local == local


@PATIENT
@given(VALUES | st.none() | st.binary() | st.lists(TEXTS) | st.integers())
def test_the_tolerant_reading_never_fails_and_holds_no_controls(value: object) -> None:
    address = tolerant_address(value)
    assert not FORBIDDEN.search(address.name + address.addr_spec)


@PATIENT
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
@example("=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?=")
@example("=?utf-8?q?a=22=5C?=")
def test_an_ascii_name_survives_being_written_and_read(name: str) -> None:
    address = parse_address((name, "bob@x.org"), "sender")
    if address.name.isascii():
        written = f"{quote_display_name(address.name)} <{address.addr_spec}>"
        assert parse_address(written, "sender") == address
