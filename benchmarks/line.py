"""A line between two network namespaces that delays each packet by half a round trip.

Packets keep their order, however many are on their way: there is no limit to the throughput, and no
loss. All else is as the kernels do it, who speak TCP with each other over this line.

Runs as a process of its own: ``python -m benchmarks.line 20`` makes a line of 20 milliseconds from
the namespace that it is started in, where the servers are, to a new one for clients, into which it
moves. It prints an empty line when packets pass, and ends when its standard input does. The two
devices and the namespace exist as long as the process does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import sys
import time
from collections import deque
from collections.abc import Sequence

from .network import SERVERS, configure, enter_namespace

DEVICE = "/dev/net/tun"
LARGEST = 65536  # bytes of a packet, far above the device's MTU
_TUNSETIFF = 0x400454CA
_IFF_TUN_WITHOUT_HEADER = 0x1001  # IFF_TUN and IFF_NO_PI

clock = time.monotonic


def device(name: str, own: str, other: str) -> int:
    """Make a network device of this namespace; return the file from which its packets are read.

    :param own: the address here; `other`: the one at the other end.
    """
    file = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN_WITHOUT_HEADER))
    configure("address", "add", own, "peer", other, "dev", name)
    # A full queue would lose packets.
    configure("link", "set", name, "up", "txqueuelen", "10000")
    return file


class Direction:
    """Packets on their way from one file to another."""

    def __init__(self, source: int, target: int, delay: float) -> None:
        self.source = source
        self._target = target
        self._delay = delay
        self._waiting: deque[tuple[float, bytes]] = deque()

    def take(self, now: float) -> None:
        """Read all packets that have come."""
        due = now + self._delay
        with contextlib.suppress(BlockingIOError):
            while True:
                self._waiting.append((due, os.read(self.source, LARGEST)))

    def deliver(self, now: float) -> float | None:
        """Write the packets that are due; return when the next one is."""
        waiting = self._waiting
        while waiting:
            due, packet = waiting[0]
            if due > now:
                return due
            os.write(self._target, packet)
            waiting.popleft()
        return None


def forward(directions: Sequence[Direction], end: int) -> None:
    """Pass packets on until there is something to read from the file `end`, or it ends."""
    sources = [each.source for each in directions]
    while True:
        now = clock()
        dues = [due for each in directions if (due := each.deliver(now)) is not None]
        # epoll would count in whole milliseconds.
        timeout = max(0.0, min(dues) - clock()) if dues else None
        readable, _, _ = select.select([*sources, end], [], [], timeout)
        if end in readable:
            return
        now = clock()
        for each in directions:
            if each.source in readable:
                each.take(now)


def main() -> None:
    """Run the line that the argument describes."""
    milliseconds = int(sys.argv[1])
    name = f"line{milliseconds}"
    client = SERVERS.rpartition(".")[0] + f".{milliseconds}"
    try:
        here = device(name, SERVERS, client)
        enter_namespace()
        there = device(name, client, SERVERS)
    except OSError as error:
        raise SystemExit(
            f"The line needs {DEVICE} and the right to use it ({error}). Run as root; load the"
            " module tun (`modprobe tun`); in a container, that needs the device and the"
            " capabilities SYS_ADMIN and NET_ADMIN."
        ) from error
    # A line is never late because others use the processors.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    delay = milliseconds / 2000
    print(flush=True)
    forward([Direction(here, there, delay), Direction(there, here, delay)], sys.stdin.fileno())


if __name__ == "__main__":
    main()
