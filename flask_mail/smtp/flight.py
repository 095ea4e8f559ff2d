"""Transactions under way on one connection: several at once, where the server allows it."""

from __future__ import annotations

import smtplib
from collections import deque
from typing import TYPE_CHECKING

from .transaction import AT_ONCE, Command, Transaction

if TYPE_CHECKING:
    from .client import Server
    from .link import Link

# What is under way when a link breaks has an unknown outcome, so it is kept to what fills the time
# of a round trip.
MESSAGES = 32
OCTETS = AT_ONCE

_GRACE = 1.0
"""Seconds to wait for the end of the connection after 421, which shows what the server has read."""


class Flight:
    """The transactions of one connection, in order."""

    def __init__(self, host: smtplib.SMTP, server: Server, link: Link) -> None:
        self.link = link
        self.under_way: deque[Transaction] = deque()
        self.concluded = 0
        """How many got their result from the server."""
        self._host = host
        self._server = server
        self._asked: deque[Transaction] = deque()  # whose command each reply to come belongs to

    @property
    def has_room(self) -> bool:
        """Whether another message may be added now."""
        if not self.under_way:
            return True
        last = self.under_way[-1]
        return (
            last.is_pipelined
            and last.has_said_all
            and not self.link.is_closing
            and len(self.under_way) < MESSAGES
            and sum(len(each.content) for each in self.under_way) < OCTETS
        )

    def add(self, transaction: Transaction) -> None:
        """Start a message.

        :raises MessageError: it needs what the server does not offer.
        :raises MessageRefused: it is larger than the server takes.
        :raises OSError: the connection is of no use any more.
        """
        transaction.begin(
            self._host,
            self._server,
            # A message that is under way may fail, and leave a transaction open.
            reset=self.link.is_dirty or bool(self.under_way),
        )
        self.link.is_dirty = True
        self.under_way.append(transaction)
        self._say(transaction)

    def advance(self, *, wait: bool) -> bool:
        """Write what can be written and take the next reply; return whether there was one.

        :raises OSError: the connection is of no use any more.
        """
        if self.under_way:
            self.link.deadline = self.under_way[0].deadline
        reply = self.link.advance(wait=wait)
        if reply is None:
            return False
        if not self._asked:
            raise smtplib.SMTPResponseException(*reply.answer)
        transaction = self._asked.popleft()
        transaction.answered(reply)
        if not self.link.is_closing and transaction.result is None:
            self._say(transaction)
        if transaction.result is not None:
            self.concluded += 1
            self.under_way.remove(transaction)
            self.link.is_dirty = transaction.leaves_open or bool(self.under_way)
            self.link.messages += transaction.result.error is None
            if not self.under_way and self.link.has_unread:
                transaction.doubt(self.link.unread)
        if self.link.is_closing:
            self.link.hurry(_GRACE)
            if self.under_way and not self._asked:
                raise smtplib.SMTPServerDisconnected("421: it closes the connection")
        return True

    def settle(self) -> None:
        """Wait until nothing is under way.

        :raises OSError: the connection is of no use any more.
        """
        while self.under_way:
            self.advance(wait=True)

    def end(self, error: OSError) -> list[Transaction]:
        """Take it that the connection is gone; return the messages that may be sent again."""
        ended, self.under_way = self.under_way, deque()
        left = self.link.is_closing and not isinstance(error, TimeoutError)
        sent = self.link.sent
        return [each for each in ended if each.lost(error, sent, server_left=left)]

    def _say(self, transaction: Transaction) -> None:
        commands = transaction.next_commands()
        if commands and not self._asked and self.link.has_unread:
            # Whoever answers what was not asked may take one answer for another's.
            raise smtplib.SMTPResponseException(-1, b"more replies than commands")
        for command in commands:
            self._asked.append(transaction)
            self._write(command)
            if command.stage == "accept":
                transaction.content_ends_at(self.link.put)

    def _write(self, command: Command) -> None:
        if command.line:
            self.link.trace("C", command.line.decode("utf-8"))
            self.link.write(command.line + b"\r\n")
        if command.content:
            self.link.trace("C", f"({len(command.content)} octets of content)")
            self.link.write(command.content)
