"""Questions to name servers, bounded in time. Needs dnspython, the extra ``dns``."""

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
    """The name servers gave no answer."""


class Names(Protocol):
    """What name servers know."""

    def texts(self, name: str) -> list[str]:
        """Return the TXT records of a name.

        :raises Unavailable: there is no answer.
        """

    def servers(self, name: str) -> list[str]:
        """Return the hosts that take the mail of a domain (MX); ``""`` says that none does."""

    def has_address(self, name: str) -> bool:
        """Whether a name has an address (A or AAAA)."""


class Resolver:
    """Asks name servers.

    :param server: the address of the one to ask, with or without ``:port``; the system's own by
        default.
    :raises ImportError: dnspython is missing.
    :raises Unavailable: the system names no server.
    :raises ValueError: `server` is no address.
    """

    def __init__(self, server: str | None = None, clock: Callable[[], float] = monotonic) -> None:
        import dns.exception  # the extra "dns"
        import dns.name
        import dns.resolver

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
        return [
            b"".join(each.strings).decode("utf-8", "replace") for each in self._ask(name, "TXT")
        ]

    def servers(self, name: str) -> list[str]:
        return [str(each.exchange).rstrip(".") for each in self._ask(name, "MX")]

    def has_address(self, name: str) -> bool:
        return any(self._ask(name, kind) for kind in ("A", "AAAA"))

    def _ask(self, name: str, kind: str) -> list[Any]:
        resolver = self._dns.resolver
        try:
            self._dns.name.from_text(name)
        except self._dns.exception.DNSException:  # such as "a..b": nothing can have that name
            return []
        left = min(_SECONDS, self._end - self._clock())
        if left <= 0:
            raise Unavailable(f"they took more than {_SECONDS_IN_ALL:.0f} seconds")
        try:
            return list(resolver_answer(self._resolver, name, kind, left))
        except (resolver.NXDOMAIN, resolver.NoAnswer):
            return []
        except self._dns.exception.DNSException as error:
            raise Unavailable(str(error) or type(error).__name__) from error


def _split(server: str) -> tuple[str, int]:
    # An IPv6 address has more colons, and no port here.
    host, _, port = server.partition(":") if server.count(":") == 1 else (server, "", "")
    try:
        return str(ipaddress.ip_address(host)), to_port(port or _PORT) or _PORT
    except ValueError:
        raise ValueError(
            f"{describe(server)} is no address, such as 192.0.2.53 or 192.0.2.53:5353."
        ) from None


def resolver_answer(
    resolver: dns.resolver.Resolver, name: str, kind: str, seconds: float
) -> dns.resolver.Answer:
    """Ask one question; of that name alone, whatever the system would add to it."""
    return resolver.resolve(name, kind, lifetime=seconds, search=False)
