"""Recognise hosts that only this machine or network can reach."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

# RFC 6761 and RFC 6762, and names in use in home and container networks.
_LOCAL = (".localhost", ".local", ".test", ".internal", ".home.arpa", ".lan")


def host_of(url: str) -> str:
    """Return the host of a URL, in lower case; empty if it has none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_own_machine(url: str) -> bool:
    """Return True if a URL leads each reader to their own machine or network."""
    host = host_of(url)
    if host == "localhost" or host.endswith((".localhost", ".local")):
        return True
    address = _address(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_in_development(url: str) -> bool:
    """Return True if a URL cannot be reached from outside, as in development."""
    host = host_of(url)
    address = _address(host)
    if address is not None:
        return address.is_private or address.is_loopback or address.is_unspecified
    return bool(host) and ("." not in host or host.endswith(_LOCAL))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
