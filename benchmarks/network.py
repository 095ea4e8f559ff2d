"""The network of the benchmarks: namespaces for servers and for clients, and lines between them.

Nothing of it is seen outside of these processes, and the kernel removes it when the last one ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from .programs import program, running

NETWORK = "192.0.2.0/24"  # reserved for documentation (RFC 5737)
SERVERS = "192.0.2.254"
_CLONE_NEWNET = 0x40000000  # os.unshare comes with Python 3.12
# Each kernel has a default of its own. Reno is in all of them; without loss, it is slow start.
_CONGESTION = Path("/proc/sys/net/ipv4/tcp_congestion_control"), "reno"

Prefix = tuple[str, ...]
"""The beginning of a command that runs at one end of a line."""


def configure(*arguments: str) -> None:
    """Call ``ip``."""
    subprocess.run([program("ip", "iproute2"), *arguments], check=True, timeout=30)


def enter_namespace() -> None:
    """Move this process into a new network namespace.

    :raises OSError: it is not allowed to make one.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    path, algorithm = _CONGESTION
    path.write_text(algorithm)
    configure("link", "set", "lo", "up")


def enter_servers() -> None:
    """Move this process, and those that it starts from now on, to where the servers are.

    :raises SystemExit: that is not possible here.
    """
    try:
        enter_namespace()
    except OSError as error:
        raise SystemExit(
            f"A network namespace cannot be made ({error}): run as root. In a container, that needs"
            " the capabilities SYS_ADMIN and NET_ADMIN, and a writable /proc/sys."
        ) from error
    configure("address", "add", f"{SERVERS}/32", "dev", "lo")


@contextlib.contextmanager
def lines(round_trips: Iterable[int]) -> Iterator[dict[int, Prefix]]:
    """Run a line for each round trip in milliseconds; yield the prefix of commands that run at the
    end of the clients. That of 0 milliseconds is empty: there is no line.

    :raises SystemExit: that is not possible here.
    """
    with contextlib.ExitStack() as stack:
        prefixes: dict[int, Prefix] = {0: ()}
        for milliseconds in sorted({*round_trips} - {0}):
            command = [sys.executable, "-m", f"{__package__}.line", str(milliseconds)]
            process = stack.enter_context(running(command))
            assert process.stdout is not None
            if not process.stdout.readline():  # it has said why
                raise SystemExit(f"The line of {milliseconds} ms does not start.")
            enter = program("nsenter", "util-linux"), f"--net=/proc/{process.pid}/ns/net"
            prefixes[milliseconds] = enter
        yield prefixes


def ping(prefix: Prefix, port: int) -> float:
    """Return the median milliseconds between a NOOP and its reply from a mail server."""
    command = [*prefix, sys.executable, "-m", f"{__package__}.ping", SERVERS, str(port)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return float(done.stdout)
