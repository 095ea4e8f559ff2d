"""A server on loopback that Postfix asks."""

from __future__ import annotations

import socketserver


class LoopbackServer(socketserver.ThreadingTCPServer):
    """A server on a free port, with a thread for each connection."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, handler: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])
