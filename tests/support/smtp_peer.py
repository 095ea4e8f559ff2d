"""A server of SMTP that replies to content as told, for tests of failover.

Those of plugins import it too, so it needs only the standard library.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress


class Peer:
    def __init__(self, url):
        self.url = url
        self.reply = b"250 2.0.0 Taken"
        """Its reply to content; if it is empty, the connection is closed."""
        self.accepted = []

    def talk(self, connection, lines):
        connection.sendall(b"220 mx.test\r\n")
        for line in lines:
            if not line.upper().startswith(b"DATA"):
                connection.sendall(b"250 OK\r\n")
                continue
            connection.sendall(b"354 Go on\r\n")
            content = b"".join(iter(lines.readline, b".\r\n"))
            if not self.reply:
                return
            if self.reply.startswith(b"250"):
                self.accepted.append(content)
            connection.sendall(self.reply + b"\r\n")


@contextmanager
def smtp_peer():
    """Serve one client after another."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = Peer(f"smtp://127.0.0.1:{listening.getsockname()[1]}")

        def serve():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # the end of the test
                    return
                # A client may close without reading the last reply, which resets the connection.
                with connection, connection.makefile("rb") as lines, suppress(ConnectionError):
                    peer.talk(connection, lines)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield peer
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
