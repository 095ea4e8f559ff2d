"""The line of the benchmarks passes packets on in order, and none before it is due."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fcntl")

ROOT = Path(__file__).parents[2]
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT)
    from benchmarks import line


class Route:
    """A direction from one datagram socket to another, and the far ends of both."""

    def __init__(self, delay: float) -> None:
        self.near, source = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        target, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sockets = (self.near, source, target, self.far)
        for each in self._sockets:
            each.setblocking(False)
        self.direction = line.Direction(source.fileno(), target.fileno(), delay)

    def received(self) -> list[bytes]:
        """Return all packets that have come out."""
        packets: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                packets.append(self.far.recv(100))
        return packets

    def close(self) -> None:
        """Close all sockets."""
        for each in self._sockets:
            each.close()


@contextlib.contextmanager
def routes(delay: float) -> Iterator[tuple[Route, Route]]:
    """Yield two directions."""
    with contextlib.closing(Route(delay)) as there, contextlib.closing(Route(delay)) as back:
        yield there, back


def test_packets_leave_in_order_when_they_are_due() -> None:
    with routes(10) as (route, _):
        for packet in (b"one", b"two"):
            route.near.send(packet)
        route.direction.take(now=100)
        route.near.send(b"three")
        route.direction.take(now=103)
        assert route.direction.deliver(now=109) == 110
        assert route.received() == []
        assert route.direction.deliver(now=110) == 113
        assert route.received() == [b"one", b"two"]
        assert route.direction.deliver(now=120) is None
        assert route.received() == [b"three"]


def test_both_directions_are_served_until_the_end() -> None:
    with routes(0.001) as both:
        end, parent = socket.socketpair()
        directions = [each.direction for each in both]
        thread = threading.Thread(target=line.forward, args=(directions, end.fileno()))
        thread.start()
        try:
            for route, packet in zip(both, (b"there", b"and back"), strict=True):
                route.far.settimeout(30)
                route.near.send(packet)
                assert route.far.recv(100) == packet
        finally:
            parent.close()
            thread.join(30)
            end.close()
        assert not thread.is_alive()
