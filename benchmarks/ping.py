"""``python -m benchmarks.ping HOST PORT``: the round trip to a mail server, in milliseconds."""

from __future__ import annotations

import socket
import sys
import time

COUNT = 30


def main() -> None:
    """Print the median time between a NOOP and its reply."""
    samples = []
    server = sys.argv[1], int(sys.argv[2])
    with socket.create_connection(server, 30) as link, link.makefile("rb") as replies:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies.readline()
        for _ in range(COUNT):
            start = time.perf_counter()
            link.sendall(b"NOOP\r\n")
            replies.readline()
            samples.append(time.perf_counter() - start)
        link.sendall(b"QUIT\r\n")
        replies.readline()
    print(sorted(samples)[COUNT // 2] * 1000)


if __name__ == "__main__":
    main()
