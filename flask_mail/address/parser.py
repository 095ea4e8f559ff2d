"""Mail addresses from any value: strings, pairs and lists, parsed strictly or for display.

One string or one pair is exactly one mailbox. Pure functions without state.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from ..errors import MessageError
from ..util.patterns import lazy_pattern
from ..util.text import (
    MAX_TEXT,
    check_controls,
    decode_words,
    describe,
    plain_text,
    remove_controls,
)
from .domain import domain_to_ascii
from .syntax import ATOMS, MAX_ADDRESS, QUOTED, Address, read_mailbox, unquote

__all__ = [
    "Address",
    "describe",
    "domain_to_ascii",
    "parse_address",
    "parse_addresses",
    "quote_display_name",
    "tolerant_address",
]

_ITEM_END = lazy_pattern("[,;]")
_ENCODED_WORD = lazy_pattern(r"=\?+")
_LONGEST_SHOWN = 25
_PLURAL = {"recipient": "recipients"}


def parse_address(value: object, field: str) -> Address:
    """Parse a string or a (name, address) pair that is exactly one mailbox.

    :param field: names the value in errors: ``"recipient"``, ``"cc"``, ``"sender"``.
    :raises BadHeaderError: a part contains a newline or another control character.
    :raises MessageError: the value is not a mailbox by RFC 5321 4.1.2, or more than one.
    """
    name, text = (None, value) if type(value) is str else _parts(value)
    if text is None:
        raise MessageError(
            f"The {field} must be a string or a (name, address) pair, not {describe(value)}:"
            ' write "bob@example.com" or ("Bob", "bob@example.com").'
        )
    try:
        return read_mailbox(name, text)
    except MessageError as error:
        # A long name must not cut off the address.
        shown = describe(text if not name else f"{_shortened(name)} <{text}>")
        is_swapped = name is not None and "@" not in text and _is_address(name)
        advice = " Are they swapped? Write (name, address)." if is_swapped else ""
        raise type(error)(f"The {field} {shown} cannot be used: {error}.{advice}") from None


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_SHOWN else f"{name[: _LONGEST_SHOWN - 3]}..."


def parse_addresses(values: object, field: str) -> tuple[Address, ...]:
    """Parse an iterable of mailboxes, in order, keeping the first of duplicates.

    ``None`` and empty values give ``()``. Duplicates have the same local part and the same domain,
    ignoring the domain's case.

    :raises MessageError: the value is one string or one pair instead of a list, or as
        :func:`parse_address` for an item.
    """
    if type(values) is list and not values:
        return ()
    if is_pair(values):
        raise MessageError(
            f"The {field} {describe(values)} is a single pair, not a list of addresses:"
            ' write [(name, address)], such as [("Bob", "bob@example.com")].'
        )
    found: dict[tuple[str, str], Address] = {}
    for item in _items(values, field):
        address = parse_address(item, field)
        found.setdefault((address.local, address.domain.lower()), address)
    return tuple(found.values())


def tolerant_address(value: object) -> Address:
    """Parse a value that sending may refuse, for display; never raises.

    No part contains a control character. The result is a guess: never send to it.
    """
    if type(value) is str:
        try:
            return read_mailbox(None, value)
        except MessageError:
            pass
    try:
        name, text = _parts(value)
    except Exception:  # noqa: BLE001 - a lazy string may raise anything when evaluated
        name, text = None, ""
    if text is None:
        text = describe(value) if value is not None and name is None else ""
    if name is not None:
        name = remove_controls(name[:MAX_TEXT])
    text = remove_controls(text[: MAX_TEXT if name is None else MAX_ADDRESS])
    try:
        return read_mailbox(name, text)
    except MessageError:
        return _guess(name, text)


def quote_display_name(name: str) -> str:
    """Quote a display name for a header unless it consists of atoms.

    Atoms that look like an RFC 2047 encoded-word are quoted too, or they would be decoded.

    :raises BadHeaderError: the name contains a newline or another control character.
    """
    check_controls(name, f"the name {describe(name)}")
    if "=?" not in name and ATOMS.fullmatch(name):
        return name
    escaped = name.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _items(values: object, field: str) -> Iterator[object]:
    if type(values) is list:
        return iter(values)
    single = isinstance(values, (str, bytes, bytearray, Mapping))
    if values is None or (single and not values):
        return iter(())
    if not single:
        with contextlib.suppress(TypeError):
            return iter(cast("Iterable[object]", values))
    raise MessageError(
        f"The {_PLURAL.get(field, field)} must be a list of addresses, not {describe(values)}:"
        ' write a list, such as ["one@example.com"].'
    )


def _parts(value: object) -> tuple[str | None, str | None]:
    """Split into name (None: not a pair) and text (None: not an accepted type)."""
    if not isinstance(value, (tuple, list)):
        return None, plain_text(value)
    if len(value) != 2:
        return None, None
    name = "" if value[0] is None else plain_text(value[0])
    return name, None if name is None else plain_text(value[1])


def is_pair(value: object) -> bool:
    """Return True if a field that may contain several addresses is one (name, address) pair.

    A tuple of two addresses is not a pair: a name that is itself an address is not a name.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return False
    name, address = _parts(value)
    if name is None or address is None or "@" not in address:
        return False
    return "@" not in name or not any(map(_is_address, _ITEM_END.split(name)))


def _is_address(text: str) -> bool:
    try:
        read_mailbox(None, text)
    except MessageError:
        return False
    return True


def _guess(name: str | None, text: str) -> Address:
    before, bracket, last = text.rpartition("<")
    address = last.partition(">")[0].replace(" ", "") if bracket else ""
    if not address:
        before, address = "", "".join(c for c in text if c not in "<> ,")
    if name is None:
        before = before.strip(" <>,")
        quoted = re.fullmatch(QUOTED, before)
        name = unquote(before) if quoted else before.replace('"', "")
    # A mail program would decode an encoded-word into another address.
    address = _ENCODED_WORD.sub("=", address)
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, ""
    with contextlib.suppress(MessageError):
        domain = domain_to_ascii(domain)
    return Address(remove_controls(decode_words(name.strip(" "))).strip(" "), local, domain)
