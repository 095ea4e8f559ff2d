"""Connect to one of a server's addresses, some of which may be dead (RFC 8305)."""

from __future__ import annotations

import errno
import math
import os
import smtplib
import socket
from collections import deque
from collections.abc import Sequence
from itertools import chain, takewhile, zip_longest
from typing import Any, NamedTuple

from ..util.clocks import monotonic
from . import polling
from .deadline import Clock

DELAY = 0.25
"""Seconds before the next address is tried in parallel (RFC 8305 section 8)."""

REMEMBERED = 600.0
"""Seconds for which an address that failed is tried last."""

_PLACES = 256  # maximum number of failures remembered; then all are forgotten

# Error codes of a connection in progress; Windows has its own.
_UNDER_WAY = {errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)}

# As imported. Programs and tests replace them, and the replacements must be used.
_OWN = (socket.socket, socket.create_connection)
_GREEN = ("gevent", "eventlet")


class Address(NamedTuple):
    """An address of a server, as :func:`socket.getaddrinfo` gives it."""

    family: int
    kind: int
    protocol: int
    where: Any

    @property
    def numeric(self) -> tuple[str, int]:
        """Numeric address and port; a link-local address includes its interface."""
        host, port, *rest = self.where
        scope = rest[1] if len(rest) > 1 else 0
        return f"{host}%{scope}" if scope else host, port


class Memory:
    """Addresses that failed recently, and servers that refused connections for now."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._failed: dict[Any, float] = {}

    def failed(self, address: Address) -> None:
        """Try `address` after the others for a while."""
        self._remember(address.where)

    def _remember(self, what: tuple[Any, ...]) -> None:
        if len(self._failed) >= _PLACES:
            self._failed.clear()
        self._failed[what] = self._clock()

    def worked(self, address: Address) -> None:
        """Forget that `address` has failed."""
        self._failed.pop(address.where, None)

    def had_no_room(self, place: tuple[str, int]) -> None:
        """Remember for a while that a server refused a connection for now."""
        self._remember(("no room", *place))

    def is_crowded(self, place: tuple[str, int]) -> bool:
        """Return True if a server refused a connection for now recently."""
        return self._failed.get(("no room", *place), -math.inf) > self._clock() - REMEMBERED

    def ordered(self, addresses: Sequence[Address]) -> list[Address]:
        """Return `addresses`, with those that failed recently at the end."""
        since = self._clock() - REMEMBERED
        return sorted(addresses, key=lambda each: self._failed.get(each.where, since) > since)


memory = Memory()


def addresses_of(host: str, port: int) -> list[Address]:
    """Look up the addresses of a server, in the order in which to try them.

    The families alternate, so that a broken one costs one attempt (RFC 8305 section 4).
    """
    # Positional, as in socket.create_connection(), for a program's replacement of getaddrinfo().
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    known = list(
        dict.fromkeys(
            Address(family, kind, protocol, where) for family, kind, protocol, _, where in found
        )
    )
    first = [each for each in known if each.family == known[0].family]
    others = [each for each in known if each.family != known[0].family]
    turns = chain.from_iterable(zip_longest(first, others))
    return memory.ordered([each for each in turns if each is not None])


def may_race() -> bool:
    """Return True if sockets are Python's own or gevent's or eventlet's.

    A race would bypass what a program has put in their place.
    """
    # A test may replace the module in smtplib.
    return vars(smtplib).get("socket") is socket and all(
        map(_is_plain, (socket.socket, socket.create_connection), _OWN)
    )


def _is_plain(current: Any, own: Any) -> bool:
    home = str(getattr(current, "__module__", "")).partition(".")[0]
    is_known = home in _GREEN or (home in ("socket", "_socket") and current is own)
    return is_known and not hasattr(current, "__wrapped__")


def is_interruption(error: BaseException) -> bool:
    """Return True if a signal handler raised `error`, such as an alarm's, and not a socket.

    Errors of sockets have a number, or say that they timed out.
    """
    is_general = type(error) in (OSError, TimeoutError)
    return is_general and getattr(error, "errno", None) is None and error.args != ("timed out",)


class Race:
    """Connection attempts to several addresses, each started a little after the one before.

    :param addresses: changed in place; those that remain may be tried again.
    """

    def __init__(self, addresses: list[Address], clock: Clock = monotonic) -> None:
        self._addresses = addresses
        self._ahead = deque(addresses)
        self._under_way: dict[Any, Address] = {}  # in the order in which they were started
        self._clock = clock
        self._failure: OSError = TimeoutError("timed out")

    def run(self, seconds: float) -> tuple[Any, Address]:
        """Return the first socket that is connected, and its address.

        :raises OSError: none was in time; nothing stays open.
        """
        end = self._clock() + seconds
        try:
            while self._ahead or self._under_way:
                if self._ahead and not self._begin(self._ahead.popleft()):
                    continue
                left = end - self._clock()
                delay = min(left, DELAY) if self._ahead else left
                for sock in polling.connected(self._under_way, max(0.0, delay)):
                    if self._is_connected(sock):
                        return sock, self._won(sock)
                if left <= 0:
                    self._failure = TimeoutError("timed out")
                    self._addresses.clear()
                    break
            for address in self._under_way.values():
                memory.failed(address)
            raise self._failure
        finally:
            for sock in self._under_way:
                sock.close()

    def _begin(self, address: Address) -> bool:
        sock = None
        try:
            sock = socket.socket(address.family, address.kind, address.protocol)
            self._under_way[sock] = address
            sock.setblocking(False)
            sock.connect(address.where)
        except OSError as error:
            if is_interruption(error):
                raise
            if error.errno not in _UNDER_WAY:
                self._lost(sock, address, error)
        return sock in self._under_way

    def _is_connected(self, sock: Any) -> bool:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._lost(sock, self._under_way[sock], OSError(code, os.strerror(code)))
        return not code

    def _lost(self, sock: Any, address: Address, error: OSError) -> None:
        self._failure = error
        self._addresses.remove(address)
        memory.failed(address)
        if sock is not None:
            self._under_way.pop(sock)
            sock.close()

    def _won(self, sock: Any) -> Address:
        for earlier in takewhile(lambda each: each is not sock, self._under_way):
            memory.failed(self._under_way[earlier])  # no answer yet: it may be dead
        address = self._under_way.pop(sock)
        self._addresses.remove(address)
        memory.worked(address)
        return address
