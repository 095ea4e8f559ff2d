"""Converters for settings that contain recipient addresses and patterns."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from ..address.domain import domain_to_ascii
from ..address.parser import is_pair, parse_address, parse_addresses
from ..errors import MessageError
from ..util.patterns import lazy_pattern
from ..util.text import describe
from .setting import BadItem

_LONGEST = 1000  # characters of a pattern

# Splits a string from the environment, but not at a comma within /.../.
_ITEM = lazy_pattern(r"\s*/.+?/(?=\s*(?:,|\Z))|[^,]+", re.DOTALL)

# ASCII: to Unicode, "\u017f" is another case of "s", but it names another mailbox.
_ANY_CASE = re.IGNORECASE | re.ASCII

_KINDS = (
    'a list of addresses, patterns such as "*@example.com", and regular expressions, compiled or as'
    ' "/.../"'
)


def to_patterns(value: object) -> tuple[re.Pattern[str], ...]:
    """Read addresses, patterns and regular expressions into patterns for addresses.

    A string that is empty, or only blanks and commas, is an empty list, which allows no recipient.
    """
    return tuple(_pattern(each) for each in _listed(value))


def to_addresses(value: object) -> tuple[str, ...]:
    """Read one or more addresses; an empty list would let mail out to everyone."""
    try:
        addresses = parse_addresses(_listed(value), "recipient")
    except (MessageError, ValueError):
        addresses = ()
    if not addresses:
        raise ValueError("an address, or a list of them")
    return tuple(each.addr_spec for each in addresses)


def to_reply_to(value: object) -> Any:
    """Return an address, a (name, address) pair, or a list of them unchanged."""
    is_list = isinstance(value, (list, tuple, set, frozenset)) and not is_pair(value)
    try:
        found = parse_addresses(value if is_list else [value], "reply_to")
    except MessageError:
        found = ()
    if not found:
        raise ValueError("an address, a pair of a name and an address, or a list of them")
    return value


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
    if _is_expression(value):
        return _compiled(value)
    try:
        local, at, domain = value.strip().rpartition("@")
        if "*" not in value:
            address = parse_address(value, "address")
            local, domain = address.local, address.domain
        elif not (local and at and domain) or "@" in local:
            raise ValueError  # caught below
        else:
            domain = _domain(domain)
    except (MessageError, ValueError):
        raise BadItem(f"{_KINDS}; {describe(value)} is invalid{_advice(value)}") from None
    # A domain contains no @, so the local part ends at the last one.
    return re.compile(rf"{_glob(local)}@(?=[^@]*\Z){_glob(domain)}", _ANY_CASE)


def _compiled(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text[1:-1], _ANY_CASE)
    except (ValueError, re.error, RecursionError, OverflowError) as error:
        reason = f"{describe(text)} is not a regular expression ({error})"
        raise BadItem(f"{_KINDS}; {reason}") from None


def _advice(text: str) -> str:
    """Return the pattern for a domain that was written alone, as advice, or an empty string."""
    domain = text.strip().removeprefix("@")
    try:
        domain_to_ascii(domain.replace("*", "x"))
        _domain(domain)
    except (MessageError, ValueError):
        return ""
    return f': write "*@{domain}" for its addresses' if "." in domain else ""


def _domain(domain: str) -> str:
    if "*" not in domain:
        return domain_to_ascii(domain)
    if domain.startswith("["):  # address literals have no labels
        return domain
    return ".".join(map(_label, domain.split(".")))


def _label(label: str) -> str:
    if "*" not in label:
        return domain_to_ascii(label)
    # Part of a non-ASCII label has no ASCII form, so a label with a star must be ASCII.
    domain_to_ascii(label.replace("*", "x") if label.isascii() else label)
    return label


def _glob(text: str) -> str:
    """Return the expression for a text with stars, which matches in linear time per star."""
    # An address may contain the other wildcards of fnmatch. The expression ends with \Z or \z.
    return fnmatch.translate(re.sub(r"([?\[])", r"[\1]", text))[:-2]
