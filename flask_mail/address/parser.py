"""Mail addresses: parse, check, encode and quote. Pure functions without state.

One string or one pair is exactly one mailbox. ``email.utils`` is not used: its parsers cut a
string down to the first thing that looks like an address, recurse on parentheses, and take
quadratic time elsewhere. Here a length cap comes first, then linear scans.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, cast

from ..errors import MessageError
from ..util.text import (
    MAX_TEXT,
    becomes_ascii,
    check_controls,
    decode_words,
    describe,
    plain_text,
    remove_controls,
)
from .domain import domain_to_ascii

__all__ = [
    "Address",
    "describe",
    "domain_to_ascii",
    "parse_address",
    "parse_addresses",
    "quote_display_name",
    "tolerant_address",
]

_MAX_ADDRESS: Final = 320  # characters, before the domain is encoded: bounds the scans
_MAX_ADDR_SPEC: Final = 254  # RFC 5321 4.5.3.1.3: a path of 256 octets less its < and >

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"  # RFC 5322 3.2.3
_ATOMS = re.compile(rf"[{_ATEXT}]+(?: [{_ATEXT}]+)*")
# RFC 6531 3.3 adds all non-ASCII characters. Written as a negated class because a range up to
# U+10FFFF takes milliseconds to compile.
_ATEXT_8 = r'[^\x00- "(),.:;<>@\[\\\]\x7f]'
# Mailbox providers have given out addresses with a dot at the end, or two in a row.
_DOT_ATOM = re.compile(rf"(?:{_ATEXT_8}|\.)+")
_QUOTED_LOCAL = re.compile(r'"(?:[^\x00-\x1f"\\\x7f]|\\[ -~])*"')  # RFC 5321 4.1.2

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_WORD = re.compile(rf'{_QUOTED}|[^"<>@;]+')
_ESCAPED = re.compile(r"\\(.)")
_ADDR_SPEC = re.compile(rf'({_QUOTED}|[^"@]*)@(.*)')
_ITEM_END = re.compile("[,;]")
_COMMENT = re.compile(r"[^()<>@\\]*\)")

_ENCODED_WORD = re.compile(r"=\?+")

_SIMPLE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_ -]*")
_SIMPLE_SPEC = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9._-]+")

_PLURAL = {"recipient": "recipients"}
_EMPTY = "it is empty"
_NO_DOMAIN = "it has no domain; write it as name@example.com"
_NO_LOCAL = "the part before the @ is missing (a source route is not an address)"
_SEVERAL = (
    "it contains more than one address: pass a list with one item for each"
    ' (a name with @ < > or ; must be in double quotes, such as "a@b" <c@example.com>)'
)
_OPEN_QUOTE = "a double quote is never closed"
_BRACKETS = "write it as Name <name@example.com>; in a pair, give the address without a name"
_BAD_COMMENT = "an address may be followed by only one (comment), without nested parentheses"
_BAD_LOCAL = (
    "the part before the @ may have letters, digits, dots and !#$%&'*+-/=?^_`{|}~;"
    ' anything else must be quoted: "a b"@example.com'
)
_ENCODED = (
    "the part before the @ contains =?, which begins an encoded-word (RFC 2047): mail programs"
    " would decode it and show another address"
)


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox: a display name and an address.

    :param name: the decoded display name, or ``""``.
    :param local: the local part as given, ready for an SMTP command: a quoted-string, or atoms and
        dots.
    :param domain: A-labels, or an address literal in brackets.
    """

    name: str
    local: str
    domain: str

    @property
    def addr_spec(self) -> str:
        """The address without the name; the local part alone if there is no domain."""
        return f"{self.local}@{self.domain}" if self.domain else self.local

    @property
    def needs_smtputf8(self) -> bool:
        """True if the local part is not ASCII, which requires SMTPUTF8 (RFC 6531)."""
        return not self.local.isascii()


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
        return _read(name, text)
    except MessageError as error:
        shown = describe(text) if name is None else f"({describe(name)}, {describe(text)})"
        raise type(error)(f"The {field} {shown} cannot be used: {error}.") from None


def parse_addresses(values: object, field: str) -> tuple[Address, ...]:
    """Parse an iterable of mailboxes, in order, keeping the first of duplicates.

    ``None`` and empty values give ``()``. Duplicates have the same local part and the same domain,
    ignoring the domain's case.

    :raises MessageError: the value is one string or one pair instead of a list, or as
        :func:`parse_address` for an item.
    """
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
            return _read(None, value)
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
    text = remove_controls(text[: MAX_TEXT if name is None else _MAX_ADDRESS])
    try:
        return _read(name, text)
    except MessageError:
        return _guess(name, text)


def quote_display_name(name: str) -> str:
    """Quote a display name for a header unless it consists of atoms.

    Atoms that look like an RFC 2047 encoded-word are quoted too, or they would be decoded.

    :raises BadHeaderError: the name contains a newline or another control character.
    """
    check_controls(name, f"the name {describe(name)}")
    if "=?" not in name and _ATOMS.fullmatch(name):
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
        _read(None, text)
    except MessageError:
        return False
    return True


# A message needs each of its addresses several times, and many messages share addresses.
@lru_cache(maxsize=1024)
def _read(name: str | None, text: str) -> Address:
    if name is None and len(text) <= _MAX_ADDRESS and (simple := _simple(text)):
        return simple
    if name is None:
        if len(text) > MAX_TEXT:
            raise MessageError(f"it may have at most {MAX_TEXT} characters")
    elif len(name) > MAX_TEXT or len(text) > _MAX_ADDRESS:
        raise MessageError(
            f"the name may have at most {MAX_TEXT} characters and the address {_MAX_ADDRESS}"
        )
    check_controls(text)
    check_controls(name or "")
    text = text.strip(" ")
    if name is None:
        name, text = _split(text)
    elif text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    local, domain = _read_addr_spec(text.strip(" "))
    name = decode_words(name.strip(" ")).strip(" ")
    check_controls(name, "the decoded name")
    return Address(name, local, domain)


def _simple(text: str) -> Address | None:
    """Parse the common form of a mailbox: letters and digits, with or without a name."""
    if text.endswith(">"):
        name, _, spec = text[:-1].partition(" <")
        if not _SIMPLE_NAME.fullmatch(name):
            return None
    else:
        name, spec = "", text
    if len(spec) > _MAX_ADDR_SPEC or not _SIMPLE_SPEC.fullmatch(spec):
        return None
    local, _, domain = spec.partition("@")
    return Address(name.rstrip(" "), local, domain_to_ascii(domain))


def _split(text: str) -> tuple[str, str]:
    """Split a mailbox into its display name and its presumed addr-spec."""
    words: list[str] = []
    end = 0
    while word := _WORD.match(text, end):
        words.append(_unquote(word[0]))
        end = word.end()
    rest = text[end:]
    match rest[:1]:
        case "<":
            if rest.endswith(">"):
                return "".join(words), rest[1:-1]
            raise MessageError(_SEVERAL if rest.count("@") > 1 else _BRACKETS)
        case "@":
            domain, parenthesis, comment = rest.partition("(")
            if parenthesis and not _COMMENT.fullmatch(comment):
                raise MessageError(_SEVERAL if "@" in comment else _BAD_COMMENT)
            return comment[:-1], text[:end] + domain
        case '"':
            raise MessageError(_OPEN_QUOTE)
        case ";":
            raise MessageError(_SEVERAL)
        case ">":
            raise MessageError(_BRACKETS)
    raise MessageError(_NO_DOMAIN if text else _EMPTY)


def _unquote(word: str) -> str:
    return _ESCAPED.sub(r"\1", word[1:-1]) if word.startswith('"') else word


def _read_addr_spec(text: str) -> tuple[str, str]:
    parts = _ADDR_SPEC.fullmatch(text)
    if parts is None:
        raise MessageError(_BAD_LOCAL if "@" in text else _NO_DOMAIN if text else _EMPTY)
    local, domain = parts.groups()
    if any(c in domain for c in "@,;") or ("," in local and not local.startswith('"')):
        raise MessageError(_SEVERAL if local else _NO_LOCAL)
    if "<" in domain or ">" in domain:
        raise MessageError(_BRACKETS)
    local = _check_local(local)
    domain = domain_to_ascii(domain)
    if len(local.encode()) + len("@") + len(domain) > _MAX_ADDR_SPEC:
        raise MessageError(f"the address is longer than {_MAX_ADDR_SPEC} octets")
    return local, domain


def _check_local(local: str) -> str:
    if not local:
        raise MessageError(_NO_LOCAL)
    if becomes_ascii(local):  # U+212A would be a K, U+037E a semicolon
        raise MessageError(_BAD_LOCAL)
    local = unicodedata.normalize("NFC", local)
    grammar = _QUOTED_LOCAL if local.startswith('"') else _DOT_ATOM
    if not grammar.fullmatch(local) or not local.isprintable():
        raise MessageError(_BAD_LOCAL)
    if "=?" in local.replace("\\", ""):  # a quoted-string may escape either character
        raise MessageError(_ENCODED)
    return local


def _guess(name: str | None, text: str) -> Address:
    before, bracket, last = text.rpartition("<")
    address = last.partition(">")[0].replace(" ", "") if bracket else ""
    if not address:
        before, address = "", "".join(c for c in text if c not in "<> ,")
    if name is None:
        before = before.strip(" <>,")
        quoted = re.fullmatch(_QUOTED, before)
        name = _unquote(before) if quoted else before.replace('"', "")
    # A mail program would decode an encoded-word into another address.
    address = _ENCODED_WORD.sub("=", address)
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, ""
    with contextlib.suppress(MessageError):
        domain = domain_to_ascii(domain)
    return Address(remove_controls(decode_words(name.strip(" "))).strip(" "), local, domain)
