"""aiosmtplib: batches over several connections in one event loop.

It has neither a pool nor batches; a program divides its messages among connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from email.message import EmailMessage
from typing import Any

from aiosmtplib import SMTP
from content import Content
from stdlib_api import with_message

CONNECTIONS = 5  # as many as Nodemailer's pool has


class Sender:
    """A program that sends."""

    has_pool = False
    has_send_many = False

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = {"hostname": options["host"], "port": options["port"], "start_tls": False}
        self._loop = asyncio.new_event_loop()

    def context(self) -> AbstractContextManager[Any]:
        """Return what a thread that sends is in."""
        return nullcontext()

    def message(self, recipients: list[str]) -> EmailMessage:
        """Make the message."""
        return with_message(Content(to=tuple(recipients)))

    def send(self, message: EmailMessage) -> None:
        """Send one over a connection of its own."""
        with self.connect(1) as clients:
            self.send_all_over(clients, [message])

    @contextmanager
    def connect(self, count: int = CONNECTIONS) -> Iterator[list[SMTP]]:
        """Open connections, and close them in the end."""
        clients = [SMTP(**self._options) for _ in range(count)]
        self._do(each.connect() for each in clients)
        yield clients
        self._do(each.quit() for each in clients)

    def send_all_over(self, clients: list[SMTP], messages: Iterable[EmailMessage]) -> None:
        """Send a batch, each message over the first connection that is free."""
        left = iter(messages)

        async def send(client: SMTP) -> None:
            for message in left:
                await client.send_message(message)

        self._do(send(each) for each in clients)

    def _do(self, work: Iterable[Any]) -> None:
        async def everything() -> None:
            await asyncio.gather(*work)

        self._loop.run_until_complete(everything())
