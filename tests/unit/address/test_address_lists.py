"""Lists of addresses: what counts as one, its order, and its duplicates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_mail.address.parser import parse_addresses
from flask_mail.errors import MessageError


class Lazy:
    """A lazy string without a length or an iterator."""

    def __str__(self) -> str:
        return "one@example.com"


def addresses(values: object) -> list[str]:
    return [address.addr_spec for address in parse_addresses(values, "recipient")]


def test_a_list_keeps_its_order_and_the_first_of_duplicates() -> None:
    values = ["Bob <b@x.org>", ("A", "a@x.org"), "b@X.ORG", "B@x.org"]
    assert addresses(values) == ["b@x.org", "a@x.org", "B@x.org"]
    assert parse_addresses(values, "recipient")[0].name == "Bob"


def test_any_iterable_is_a_list() -> None:
    class Old:
        def __getitem__(self, index: int) -> str:
            return ["a@x.org"][index]

    def generate() -> Iterator[str]:
        yield "a@x.org"

    one: list[object] = [["a@x.org"], ("a@x.org",), {"a@x.org"}, generate(), Old()]
    assert [addresses(values) for values in one] == [["a@x.org"]] * len(one)
    assert addresses(("a@x.org", "b@x.org")) == ["a@x.org", "b@x.org"]
    assert addresses([("A", "a@x.org"), ("B", "b@x.org")]) == ["a@x.org", "b@x.org"]


@pytest.mark.parametrize("values", [None, "", b"", [], (), {}, set()])
def test_nothing_is_no_address(values: object) -> None:
    assert addresses(values) == []


@pytest.mark.parametrize("values", ["one@example.com", b"a@x.org", {"a": "b"}, 42, Lazy()])
def test_one_value_where_a_list_belongs_is_refused(values: object) -> None:
    with pytest.raises(MessageError, match=r'cc must be a list.*write a list.*\["one@example.com'):
        parse_addresses(values, "cc")


@pytest.mark.parametrize("values", [("Bob", "b@x.org"), ["Bob", "b@x.org"], ("", "b@x.org")])
def test_one_pair_where_a_list_belongs_is_refused(values: object) -> None:
    with pytest.raises(MessageError, match=r"is a single pair.*write \[\(name, address\)\]"):
        parse_addresses(values, "recipient")


def test_a_bad_item_in_a_list_is_refused_with_the_name_of_the_field() -> None:
    with pytest.raises(MessageError, match="The bcc 'root' cannot be used"):
        parse_addresses(["a@x.org", "root"], "bcc")
