"""Mail domains: host names, internationalized ones (IDNA 2008) and address literals."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final

from ..errors import MessageError
from ..util.text import MAX_TEXT, becomes_ascii, check_controls, describe

_MAX_DOMAIN: Final = 253  # RFC 1035 2.3.4: 255 octets on the wire

# RFC 5321 4.1.2, RFC 1035 2.3.4; and the underscores that some hosts have all the same.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# idna.encode takes these for dots, and one label would turn into two.
_FOREIGN_DOT = re.compile("[\u3002\uff0e\uff61]")


def domain_to_ascii(domain: str) -> str:
    """Encode a domain by IDNA 2008 and check that the result is a host name.

    What is ASCII is not changed, but for a dot at the end, which is dropped: a host name, or an
    address literal such as ``[192.0.2.1]``.

    :raises BadHeaderError: it holds a control character.
    :raises MessageError: it is neither by RFC 5321 4.1.2 and 4.1.3, or holds a character that
        RFC 5892 disallows, or the idna library is missing.
    """
    if _is_host(domain):
        return domain
    if len(domain) > MAX_TEXT:
        raise MessageError(f"the domain {describe(domain)} is longer than {_MAX_DOMAIN} characters")
    check_controls(domain, "the domain")
    if domain.startswith("["):
        return _check_literal(domain)
    domain = domain.removesuffix(".")  # it says that the name is complete, which it is in mail
    ascii_domain = domain if domain.isascii() else _encode(domain)
    if not _is_host(ascii_domain):
        raise MessageError(
            f"the domain {describe(domain)} is not made of labels of 1 to 63 letters, digits and"
            " inner hyphens or underscores, with single dots between them,"
            f" {_MAX_DOMAIN} characters in all"
        )
    return ascii_domain


def _is_host(domain: str) -> bool:
    return len(domain) <= _MAX_DOMAIN and _HOST.fullmatch(domain) is not None


def _encode(domain: str) -> str:
    # Lower case and NFC are all the mapping there is: anything more (UTS 46) turns look-alikes
    # such as U+FF1E into ASCII, and mail for one domain would go to another. They do so themselves
    # with a few.
    if found := becomes_ascii(domain):
        raise MessageError(
            f"the domain {describe(domain)} holds U+{ord(found):04X}, which is not the ASCII"
            " character that it looks like"
        )
    mapped = unicodedata.normalize("NFC", unicodedata.normalize("NFC", domain).lower())
    if len(mapped) > _MAX_DOMAIN or _FOREIGN_DOT.search(mapped):
        raise MessageError(
            f"the domain {describe(domain)} must have dots (U+002E) between its labels and at most"
            f" {_MAX_DOMAIN} characters"
        )
    try:
        import idna  # only here: its tables take time and memory that few programs need
    except ImportError:
        raise MessageError(
            f"the domain {describe(domain)} is not ASCII, and the library that encodes it is"
            " missing: pip install idna"
        ) from None
    try:
        return ".".join(
            label if label.isascii() else idna.encode(label, uts46=False).decode("ascii")
            for label in mapped.split(".")
        )
    except ValueError as error:
        raise MessageError(
            f"IDNA 2008 does not allow the domain {describe(domain)}: {describe(str(error))}"
        ) from None


def _check_literal(domain: str) -> str:
    inner = domain[1:-1]
    try:
        if not domain.endswith("]"):
            raise ValueError(domain)
        # A zone ("%eth0") is no part of RFC 5321 4.1.3, and IPv6Address lets anything follow "%".
        if inner[:5].lower() == "ipv6:" and "%" not in inner:
            ipaddress.IPv6Address(inner[5:])
        else:
            ipaddress.IPv4Address(inner)
    except ValueError:
        raise MessageError(
            f"{describe(domain)} is not an address literal such as [192.0.2.1] or"
            " [IPv6:2001:db8::1]"
        ) from None
    return domain
