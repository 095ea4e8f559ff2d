"""Mail domains: host names, internationalized ones (IDNA 2008) and address literals."""

from __future__ import annotations

import ipaddress
import unicodedata
from typing import Final

from ..errors import MessageError
from ..util.patterns import lazy_pattern
from ..util.text import MAX_TEXT, becomes_ascii, check_controls, describe

_MAX_DOMAIN: Final = 253  # RFC 1035 2.3.4: 255 octets on the wire

# RFC 5321 4.1.2, RFC 1035 2.3.4; and underscores, which some real hosts have.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST = lazy_pattern(rf"{_LABEL}(?:\.{_LABEL})*")
# idna.encode reads these as dots, which would turn one label into two.
_FOREIGN_DOT = lazy_pattern("[\u3002\uff0e\uff61]")


def domain_to_ascii(domain: str) -> str:
    """Encode a domain by IDNA 2008 and check that the result is a host name.

    ASCII host names, and address literals such as ``[192.0.2.1]``, are unchanged except for a
    trailing dot, which is dropped.

    :raises BadHeaderError: the domain contains a control character.
    :raises MessageError: it is not valid by RFC 5321 4.1.2 and 4.1.3, contains a character that
        RFC 5892 disallows, or needs the idna library, which is missing.
    """
    if _is_host(domain):
        return domain
    if len(domain) > MAX_TEXT:
        raise MessageError(f"the domain {describe(domain)} is longer than {_MAX_DOMAIN} characters")
    check_controls(domain, "the domain")
    if domain.startswith("["):
        return _check_literal(domain)
    domain = domain.removesuffix(".")  # the root; domains in mail are always fully qualified
    ascii_domain = domain if domain.isascii() else _encode(domain)
    if not _is_host(ascii_domain):
        raise MessageError(
            f"{describe(domain)} is not a valid domain name: use labels of 1 to 63 letters, digits"
            " and inner hyphens or underscores, separated by single dots,"
            f" {_MAX_DOMAIN} characters in all"
            if ascii_domain
            else "the domain is missing"
        )
    return ascii_domain


def _is_host(domain: str) -> bool:
    return len(domain) <= _MAX_DOMAIN and _HOST.fullmatch(domain) is not None


def _encode(domain: str) -> str:
    # Map by lower case and NFC only: UTS 46 also turns look-alikes such as U+FF1E into ASCII, and
    # mail for one domain would go to another. Lower case and NFC themselves do so with a few.
    if found := becomes_ascii(domain):
        raise MessageError(
            f"the domain {describe(domain)} contains U+{ord(found):04X}, which looks like an ASCII"
            " character"
        )
    mapped = unicodedata.normalize("NFC", unicodedata.normalize("NFC", domain).lower())
    if len(mapped) > _MAX_DOMAIN or _FOREIGN_DOT.search(mapped):
        raise MessageError(
            f"the domain {describe(domain)} must separate its labels by dots (U+002E) and have at"
            f" most {_MAX_DOMAIN} characters"
        )
    try:
        import idna  # imported late: its tables take time and memory that few programs need
    except ImportError:
        raise MessageError(
            f"the domain {describe(domain)} is not ASCII, which requires idna: pip install idna"
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
        # RFC 5321 4.1.3 has no zones ("%eth0"), and IPv6Address accepts anything after "%".
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
