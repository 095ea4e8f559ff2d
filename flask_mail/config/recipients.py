"""Recipient patterns and addresses, as settings give them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..address.domain import domain_to_ascii
from ..address.parser import parse_address, parse_addresses
from ..errors import MessageError
from ..util.text import describe

if TYPE_CHECKING:
    pass


_LONGEST = 1000  # characters of a pattern


# In the environment. A comma within /.../ belongs to it.
_ITEM = re.compile(r"\s*/.+?/(?=\s*(?:,|\Z))|[^,]+", re.DOTALL)


# To Unicode, "\u017f" is an "s" in another case, and the mailbox is another all the same.
_ANY_CASE = re.IGNORECASE | re.ASCII


_KINDS = (
    'a list of addresses, patterns such as "*@example.com", and regular expressions, compiled or as'
    ' "/.../"'
)


def to_patterns(value: object) -> tuple[re.Pattern[str], ...]:
    """Read the addresses, patterns and regular expressions that an address may match.

    An empty string is an empty list, as is one of blanks and commas: nobody is allowed.
    """
    return tuple(_pattern(each) for each in _listed(value))


def to_addresses(value: object) -> tuple[str, ...]:
    """Read one address or several; none would let mail out to everybody."""
    try:
        addresses = parse_addresses(_listed(value), "recipient")
    except (MessageError, ValueError):
        addresses = ()
    if not addresses:
        raise ValueError("an address, or a list of them")
    return tuple(each.addr_spec for each in addresses)


def _listed(value: object) -> list[Any]:
    if isinstance(value, str):
        return [each.strip() for each in _ITEM.findall(value) if each.strip()]
    if isinstance(value, re.Pattern):
        return [value]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    raise ValueError(_KINDS)


def _is_expression(text: str) -> bool:
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def _pattern(value: object) -> re.Pattern[str]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        return value
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError(_KINDS)
    try:
        if _is_expression(value):
            return re.compile(value[1:-1], _ANY_CASE)
        local, at, domain = value.strip().rpartition("@")
        if "*" not in value:
            address = parse_address(value, "address")
            local, domain = address.local, address.domain
        elif not (local and at and domain) or "@" in local:
            raise ValueError  # caught below
        else:
            domain = _domain(domain)
    except (MessageError, ValueError, re.error, RecursionError, OverflowError):
        raise ValueError(f"{_KINDS}; {describe(value)} is none of these") from None
    # No part of a domain holds an @, so that what stands for the local part ends at the last one.
    written = f"{_wildcard(local, '.*', 'l')}@{_wildcard(domain, '[^@]*', 'd')}"
    return re.compile(written, _ANY_CASE | re.DOTALL)


def _domain(domain: str) -> str:
    if "*" not in domain:
        return domain_to_ascii(domain)
    if domain.startswith("["):  # an address literal, which has no labels
        return domain
    return ".".join(map(_label, domain.split(".")))


def _label(label: str) -> str:
    if "*" not in label:
        return domain_to_ascii(label)
    # A part of a label that is not ASCII has no ASCII form; of one that is, a star leaves a label.
    domain_to_ascii(label.replace("*", "x") if label.isascii() else label)
    return label


def _wildcard(text: str, anything: str, name: str) -> str:
    first, *others = map(re.escape, re.split(r"\*+", text))
    if not others:
        return first
    # What stands between two stars is taken where it is found first. To try all the other places
    # too would find nothing more, and take a time that grows with the power of the stars.
    between = (
        f"(?=(?P<{name}{number}>{anything}?{each}))(?P={name}{number})"
        for number, each in enumerate(others[:-1])
    )
    return f"{first}{''.join(between)}{anything}{others[-1]}"
