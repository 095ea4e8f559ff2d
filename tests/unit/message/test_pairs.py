"""A tuple is one mailbox or several: the same rule in each field that takes both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from reading import compose, parsed

from flask_mail import Message, MessageError
from flask_mail.address.parser import is_pair
from flask_mail.delivery.outgoing import Outgoing
from flask_mail.message.lint import lint

TWO = ("sales@example.com", "support@example.com")


def reply_to(value: Any) -> str | None:
    message = compose(reply_to=value)
    Outgoing.of(message)
    field: str | None = parsed(message.as_bytes())["Reply-To"]
    again = Message.from_dict(json.loads(json.dumps(message.to_dict())))
    assert parsed(again.as_bytes())["Reply-To"] == field
    assert not lint(message, as_is=True) or field
    return field


def generated() -> Iterator[str]:
    yield from TWO


@pytest.mark.parametrize(
    "value",
    [TWO, list(TWO), dict.fromkeys(TWO), dict.fromkeys(TWO).keys(), generated(), iter(TWO)],
)
def test_two_addresses_are_two_in_any_collection(value: Any) -> None:
    given = list(value) if isinstance(value, dict) else value
    assert reply_to(given) == "sales@example.com, support@example.com"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (("Ann", "ann@example.com"), "Ann <ann@example.com>"),
        (["Ann", "ann@example.com"], "Ann <ann@example.com>"),
        ((None, "ann@example.com"), "ann@example.com"),
        (("", "ann@example.com"), "ann@example.com"),
        (("Ann @ Work", "ann@example.com"), '"Ann @ Work" <ann@example.com>'),
        (("@ann", "ann@example.com"), '"@ann" <ann@example.com>'),
        (("bob@a.com via Shop", "ann@example.com"), '"bob@a.com via Shop" <ann@example.com>'),
        (("Ann <a@x.com>", "Bob <b@x.com>"), "Ann <a@x.com>, Bob <b@x.com>"),
        (("ann@example.com",), "ann@example.com"),
        (["ann@example.com"], "ann@example.com"),
        ((("Ann", "a@x.com"), ("Bob", "b@x.com")), "Ann <a@x.com>, Bob <b@x.com>"),
        ((("Ann", "a@x.com"), "b@x.com"), "Ann <a@x.com>, b@x.com"),
        (("a@x.com", ("Bob", "b@x.com")), "a@x.com, Bob <b@x.com>"),
        ((*TWO, "c@x.com"), "sales@example.com, support@example.com, c@x.com"),
        (("a@x.com", "a@x.com"), "a@x.com"),
        (frozenset({"a@x.com"}), "a@x.com"),
        ("a@x.com", "a@x.com"),
        ((), None),
        ("", None),
        (None, None),
    ],
)
def test_reply_to_takes_a_pair_or_a_collection(value: Any, field: str | None) -> None:
    assert reply_to(value) == field


@pytest.mark.parametrize(
    "value", [("a@x.com, b@x.com", "c@x.com"), ("a@x.com; b@x.com", "c@x.com")]
)
def test_several_addresses_in_one_text_are_no_name(value: Any) -> None:
    with pytest.raises(MessageError, match="more than one address"):
        reply_to(value)


@pytest.mark.parametrize("field", ["recipients", "cc", "bcc"])
def test_recipients_go_by_the_same_rule(field: str) -> None:
    one: dict[str, Any] = {"recipients": ["first@example.com"], field: TWO}
    assert set(Outgoing.of(Message(sender="x@x.com", **one)).envelope.recipients) >= set(TWO)
    with pytest.raises(MessageError, match="is a single pair"):
        Outgoing.of(Message(sender="x@x.com", **{**one, field: ("Ann @ Work", "ann@example.com")}))


def test_where_one_mailbox_belongs_a_tuple_is_a_pair() -> None:
    # As helpdesks write it, and 0.10 sent it: there is nothing else that it could be.
    message = Message("Hi", [TWO], "Hello", sender=TWO)

    assert parsed(message.as_bytes())["From"] == '"sales@example.com" <support@example.com>'
    assert Outgoing.of(message, TWO).envelope.sender == "support@example.com"
    assert Outgoing.of(message).envelope.recipients == ("support@example.com",)


def test_a_list_of_reply_addresses_is_copied() -> None:
    given = ["a@x.com"]
    message = compose(reply_to=given)
    given.append("b@x.com")

    assert message.reply_to == ["a@x.com"]


@pytest.mark.parametrize("value", ["a@x.com", 1, (1, "a@x.com"), ("Ann", 2), ("Ann", "ann")])
def test_what_is_no_pair_of_texts_with_an_address_is_no_pair(value: object) -> None:
    assert not is_pair(value)
