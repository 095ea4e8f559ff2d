"""DNS lookups with a time limit. Needs dnspython, the extra ``dns``."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..config.converters import to_port
from ..util.clocks import monotonic
from ..util.text import describe

if TYPE_CHECKING:
    import dns.resolver

EXTRA: Final = "pip install Flask-Mail[dns]"

_PORT: Final = 53
_SECONDS: Final = 2.0
"""For one question."""
_SECONDS_IN_ALL: Final = 10.0


class Unavailable(Exception):
    """The name servers did not answer."""


class Names(Protocol):
    """Lookups of DNS records."""

    def texts(self, name: str) -> list[str]:
        """Return the TXT records of a name.

        :raises Unavailable: the name servers did not answer.
        """

    def servers(self, name: str) -> list[str]:
        """Return the mail servers of a domain (MX); ``""`` for a null MX (RFC 7505)."""

    def has_address(self, name: str) -> bool:
        """Return True if a name has an address (A or AAAA)."""


class Resolver:
    """DNS resolver.

    :param server: address of the name server, with or without ``:port``; default: the system's.
    :raises ImportError: dnspython is not installed.
    :raises Unavailable: the system has no name server configured.
    :raises ValueError: `server` is not an address.
    """

    def __init__(self, server: str | None = None, clock: Callable[[], float] = monotonic) -> None:
        import dns.exception  # the extra "dns"
        import dns.name
        import dns.resolver

        self.answers: dict[tuple[str, str], list[str]] = {}
        """The records found so far, by type and name."""
        self._dns = dns
        self._clock = clock
        self._end = clock() + _SECONDS_IN_ALL
        try:
            self._resolver = dns.resolver.Resolver(configure=server is None)
        except dns.exception.DNSException as error:
            raise Unavailable(str(error)) from error
        if server is not None:
            host, self._resolver.port = _split(server)
            self._resolver.nameservers = [host]

    def texts(self, name: str) -> list[str]:
        records = self._ask(name, "TXT")
        found = [b"".join(each.strings).decode("utf-8", "replace") for each in records]
        self.answers["TXT", name] = found
        return found

    def servers(self, name: str) -> list[str]:
        found = [str(each.exchange).rstrip(".") for each in self._ask(name, "MX")]
        self.answers["MX", name] = found
        return found

    def has_address(self, name: str) -> bool:
        return any(self._ask(name, kind) for kind in ("A", "AAAA"))

    def _ask(self, name: str, kind: str) -> list[Any]:
        resolver = self._dns.resolver
        try:
            self._dns.name.from_text(name)
        except self._dns.exception.DNSException:  # such as "a..b", which cannot exist
            return []
        left = min(_SECONDS, self._end - self._clock())
        if left <= 0:
            raise Unavailable(f"the lookups took more than {_SECONDS_IN_ALL:.0f} seconds")
        try:
            return list(resolver_answer(self._resolver, name, kind, left))
        except (resolver.NXDOMAIN, resolver.NoAnswer):
            return []
        except self._dns.exception.DNSException as error:
            raise Unavailable(str(error) or type(error).__name__) from error


def _split(server: str) -> tuple[str, int]:
    # With more than one colon it is an IPv6 address, which takes no port here.
    host, _, port = server.partition(":") if server.count(":") == 1 else (server, "", "")
    try:
        return str(ipaddress.ip_address(host)), to_port(port or _PORT) or _PORT
    except ValueError:
        raise ValueError(
            f"{describe(server)} is not an address such as 192.0.2.53 or 192.0.2.53:5353."
        ) from None


def resolver_answer(
    resolver: dns.resolver.Resolver, name: str, kind: str, seconds: float
) -> dns.resolver.Answer:
    """Look up one name, without the search domains of the system."""
    return resolver.resolve(name, kind, lifetime=seconds, search=False)
