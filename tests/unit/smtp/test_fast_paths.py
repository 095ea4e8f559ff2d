"""Fast paths for ordinary mail have the same results as the general code.

The tests remove each shortcut and each cache: the same fields must give the same octets, the same
address, the same error.
"""

from __future__ import annotations

import contextlib
import copy
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from messages import ADDRESSES, Draft, drafts, messages
from reading import HEADER_TEXTS, PATIENT, compose

from flask_mail import Message, MessageError
from flask_mail.address import domain as idn
from flask_mail.address import parser as addresses
from flask_mail.address import syntax
from flask_mail.address.parser import parse_address, tolerant_address
from flask_mail.delivery import outgoing
from flask_mail.delivery.outgoing import Outgoing
from flask_mail.message import validation as checks
from flask_mail.mime import checks as header_checks
from flask_mail.mime import dates, parts
from flask_mail.mime import fields as headers
from flask_mail.mime.dates import date_header
from flask_mail.util import text as texts

NEVER = re.compile("(?!)")
# What ordinary mail is made of, and a little of what is not.
PLAIN = st.text(st.sampled_from("abc XYZ.12-_+"), max_size=20)
WORDS = st.sampled_from(["=?utf-8?q?a?=", "=?utf-8?q?=0A?=", "=?utf-8?b?w6k=?="])
NEARLY_PLAIN = PLAIN | WORDS | st.text(st.sampled_from('ab @.,<>"=?\t\x7f\x80é\r\n:'), max_size=12)
DOMAINS = st.sampled_from(
    ["example.com", "EXAMPLE.org", "x", "a..b", "-a.b", "a_b.c", "x" * 64, "a." * 127 + "b", ""]
)
SPECS = st.builds("{}@{}".format, st.from_regex(r"[a-z0-9_+.-]{0,66}", fullmatch=True), DOMAINS)


def _slow_domain(domain: str) -> str:
    """Encode a domain without the look whether it is one already."""
    looks = []

    def is_host(each: str) -> bool:
        looks.append(each)
        return len(looks) > 1 and _is_host(each)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idn, "_is_host", is_host)
        return idn.domain_to_ascii(domain)


_is_host = idn._is_host


@contextlib.contextmanager
def the_long_way() -> Iterator[None]:
    """Take away every shortcut and every cache."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (texts, header_checks, checks):
            patch.setattr(module, "is_plain", lambda text: False)
        patch.setattr(checks, "_is_plain", lambda message: False)
        patch.setattr(headers, "_SHORT", NEVER)
        patch.setattr(syntax, "_simple", lambda text: None)
        patch.setattr(syntax, "domain_to_ascii", _slow_domain)
        for module, name in (
            (addresses, "read_mailbox"),
            (header_checks, "_charset_of"),
            (headers, "_encoded_short"),
            (parts, "_text_head"),
            (dates, "_of_second"),
        ):
            patch.setattr(module, name, getattr(module, name).__wrapped__)
        yield


def outcome(do: Callable[..., Any], *values: Any) -> Any:
    try:
        return do(*values)
    except MessageError as error:
        return type(error), str(error)


def sent(message: Message) -> Any:
    mail = Outgoing.of(message)
    return mail.envelope, mail.content, mail.message_id


def assert_same(do: Callable[..., Any], *values: Any) -> None:
    short = outcome(do, *values)
    assert outcome(do, *values) == short  # now that it is in the caches
    with the_long_way():
        assert outcome(do, *values) == short


def assert_same_message(message: Message) -> None:
    assert_same(lambda: Message.as_bytes(copy.copy(message)))
    assert_same(lambda: sent(copy.copy(message)))
    assert_same(lambda: copy.copy(message).has_bad_headers())


@PATIENT
@given(drafts())
def test_a_message_has_the_same_octets_either_way(draft: Draft) -> None:
    assert_same_message(draft.message())


@PATIENT
@given(
    st.fixed_dictionaries(
        {
            "subject": NEARLY_PLAIN,
            "body": NEARLY_PLAIN,
            "recipients": st.lists(SPECS | NEARLY_PLAIN | st.tuples(NEARLY_PLAIN, SPECS)),
            "sender": SPECS | st.tuples(NEARLY_PLAIN, SPECS),
            "reply_to": st.none() | SPECS,
            "html": st.none() | PLAIN,
            "charset": st.sampled_from([None, "utf-8", "us-ascii", "shift_jis", "no\n", "none"]),
        }
    )
)
def test_a_message_that_is_nearly_plain_fares_the_same_either_way(fields: dict[str, Any]) -> None:
    assert_same_message(compose(**fields, seed=1))


@PATIENT
@given(messages())
def test_any_message_fares_the_same_either_way(message: Message) -> None:
    message.date = 0
    assert_same_message(message)


@PATIENT
@given(SPECS | ADDRESSES | st.tuples(PLAIN, SPECS))
@example("a@b")
@example(f"{'a' * 64}@b")
@example(f"{'a' * 65}@b")
@example("a@[192.0.2.1]")
@example("a@b.c\n")
@example("a@b\x80")
@example(("=?utf-8?q?a?=", "a@b"))
def test_an_address_is_read_the_same_either_way(value: object) -> None:
    assert_same(parse_address, value, "recipient")
    assert_same(tolerant_address, value)


@PATIENT
@given(HEADER_TEXTS | NEARLY_PLAIN, st.sampled_from(["utf-8", "us-ascii", "shift_jis"]))
@example("a", "utf-8")
@example("a ", "utf-8")
@example("a=b", "utf-8")
@example("x" * 67, "utf-8")
@example("x" * 68, "utf-8")
def test_a_header_is_written_and_checked_the_same_either_way(text: str, charset: str) -> None:
    assert_same(lambda: headers.unstructured("Subject", text, header_checks.charset_of(charset)))
    assert_same(header_checks.check_text, text, "subject")
    assert_same(header_checks.check_folded, text, "subject")
    assert_same(texts.remove_controls, text)


@PATIENT
@given(st.floats(-2e9, 2e11) | st.integers(-(2**40), 2**40))
def test_a_date_is_written_the_same_either_way(date: float) -> None:
    assert_same(date_header, date)


def test_a_date_that_is_cached_is_not_that_of_another_time_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = set()
    for zone in ("XST-5:30", "YST+3"):
        with monkeypatch.context() as patch:
            patch.setenv("TZ", zone)
            time.tzset()
            assert_same(date_header, 0)
            written.add(date_header(0))
    time.tzset()

    assert written == {"Thu, 01 Jan 1970 05:30:00 +0530", "Wed, 31 Dec 1969 21:00:00 -0300"}


@PATIENT
@given(st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b"a", b".", b"\0"])).map(b"".join))
def test_line_ends_are_put_right_the_same_either_way(content: bytes) -> None:
    """Content with only CRLF is not searched."""
    assert outgoing.canonical(content) == outgoing._STRAY.sub(b"\r\n", content)
