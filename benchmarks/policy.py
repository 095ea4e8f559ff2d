"""Postfix's question before it accepts a message, answered after a while."""

from __future__ import annotations

import socketserver
import time

SECONDS = 0.05  # services for applications take 50 to 500 ms


class _Dialogue(socketserver.StreamRequestHandler):
    """One process of Postfix asks: attributes of a message, up to an empty line."""

    def handle(self) -> None:
        for line in self.rfile:
            if line == b"\n":
                time.sleep(SECONDS)
                self.wfile.write(b"action=DUNNO\n\n")


class SlowPolicy(socketserver.ThreadingTCPServer):
    """Has no objection to any message, and takes :data:`SECONDS` to say so."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Dialogue)

    @property
    def port(self) -> int:
        return int(self.server_address[1])
