"""Postfix's question before it accepts a message, answered after a while."""

from __future__ import annotations

import socketserver
import time

from .loopback import LoopbackServer

SECONDS = 0.05  # services for applications take 50 to 500 ms


class _Dialogue(socketserver.StreamRequestHandler):
    """One process of Postfix asks: attributes of a message, up to an empty line."""

    def handle(self) -> None:
        for line in self.rfile:
            if line == b"\n":
                time.sleep(SECONDS)
                self.wfile.write(b"action=DUNNO\n\n")


class SlowPolicy(LoopbackServer):
    """Has no objection to any message, and takes :data:`SECONDS` to say so."""

    def __init__(self) -> None:
        super().__init__(_Dialogue)
