"""A program that writes the same octets again and again, as fast as CHUNKING lets it.

It makes no messages and checks little, so it shows what server and line take.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from content import SENDER, Content
from stdlib_api import with_message

REPLIES = 3  # to MAIL, RCPT and BDAT


class Sender:
    """A program without a library."""

    has_pool = False
    has_send_many = False

    def __init__(self, options: dict[str, Any]) -> None:
        self._server = options["host"], options["port"]
        self._made: dict[str, bytes] = {}

    def context(self) -> AbstractContextManager[Any]:
        """Return what a thread that sends is in."""
        return nullcontext()

    def message(self, recipients: list[str]) -> bytes:
        """Return commands and content, which are made once."""
        (to,) = recipients
        if to not in self._made:
            content = with_message(Content(to=(to,))).as_bytes()
            commands = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{to}>\r\nBDAT {len(content)} LAST\r\n"
            self._made[to] = commands.encode() + content
        return self._made[to]

    def send(self, message: bytes) -> None:
        """Send one over a connection of its own."""
        with self.connect() as link:
            self.send_all_over(link, [message])

    @contextmanager
    def connect(self) -> Iterator[socket.socket]:
        """Keep a connection for the time of a block."""
        with socket.create_connection(self._server, 60) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.recv(4096)
            link.sendall(b"EHLO client.bench.test\r\n")
            if b"CHUNKING" not in link.recv(4096):
                raise RuntimeError("The server does not announce CHUNKING.")
            yield link
            link.sendall(b"QUIT\r\n")
            link.recv(4096)

    def send_all_over(self, link: socket.socket, messages: Iterable[bytes]) -> None:
        """Write a batch as the system takes it, and read the replies meanwhile."""
        everything = list(messages)
        unsent = memoryview(b"".join(everything))
        missing = REPLIES * len(everything)
        read = b""
        link.setblocking(False)
        while missing:
            writing = [link] if unsent else []
            readable, writable, _ = select.select([link], writing, [], 60)
            if writable:
                unsent = unsent[link.send(unsent) :]
            if readable:
                *lines, read = (read + link.recv(65536)).split(b"\r\n")
                if not all(line.startswith(b"250 ") for line in lines):
                    raise RuntimeError(f"The server has replied {lines[:3]}.")
                missing -= len(lines)
            if not (readable or writable):
                raise TimeoutError("The server does not reply.")
        link.settimeout(60)
