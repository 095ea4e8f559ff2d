"""Pipeline of transactions on one connection: several in flight if the server allows it."""

from __future__ import annotations

import smtplib
from collections import deque
from typing import TYPE_CHECKING

from .attempt import AT_ONCE
from .results import Result
from .transaction import Transaction, is_break
from .wire import FIRST_MESSAGES, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import MessageError
    from .commands import Command
    from .replies import Reply
    from .session import Server

# Messages in flight when a connection breaks have an unknown outcome. So their number is small at
# first, grows with each accepted one up to what fills a round trip, and is one after a refusal.
MESSAGES = 32
OCTETS = AT_ONCE

# After an unsolicited reply, replies may be misattributed.
_TOO_MANY = b"more replies than commands"

_GRACE = 1.0
"""Seconds to wait after 421 until the server closes, which shows what it has read."""


class Pipeline:
    """Transactions of one connection, in order.

    :param moves: returns True if a message with this reply is started again on a new connection,
        once this one has carried messages.
    :param defers: returns True if a message with this reply is started once more, later.
    :param overlaps: True if a message may be started while another one is in flight.
    """

    def __init__(
        self,
        host: smtplib.SMTP,
        server: Server,
        wire: Wire,
        *,
        moves: Callable[[Reply], bool],
        defers: Callable[[Reply], bool],
        overlaps: bool,
    ) -> None:
        self.wire = wire
        self.under_way: deque[Transaction] = deque()
        self.concluded = 0
        """Number of messages that got their result from the server."""
        self.unfinished: list[Transaction] = []
        """Messages that ended here and must be started again."""
        self.is_retired = False
        """True if the server may take no more messages on this connection."""
        self.has_overlapped = False
        """True if a message was started while another one was in flight."""
        self.is_overlap_proven = False
        """True if such a message was accepted."""
        self._moves = moves
        self._defers = defers
        self._overlaps = overlaps
        self._behind: set[Transaction] = set()
        self._stays = False  # the server went on after 421
        self._is_doubtful = False  # the server may have read content as commands
        self._host = host
        self._server = server
        # Transaction, stage and end position of each command that awaits its reply.
        self._asked: deque[tuple[Transaction, str, int]] = deque()

    @property
    def has_room(self) -> bool:
        """True if another message may be added to those in flight."""
        last = self.under_way[-1]
        return (
            self._overlaps
            and not self.is_retired
            and last.is_pipelined
            and last.has_said_all
            and not last.is_trial
            and not self.wire.is_closing
            and len(self.under_way) < self.wire.window
            and sum(len(each.content) for each in self.under_way) < OCTETS
        )

    def add(self, transaction: Transaction) -> None:
        """Start a message.

        :raises MessageError: it needs an extension that the server does not offer.
        :raises MessageRefused: it exceeds the server's SIZE.
        :raises OSError: the connection failed.
        """
        transaction.begin(
            self._host,
            self._server,
            # A message in flight may fail and leave a transaction open.
            reset=self.wire.is_dirty or bool(self.under_way),
            # The server may close after too many errors, or be gone after a pause: what is in
            # flight is unknown then.
            waits=self.wire.window == 1 or self.wire.is_quiet(),
            moves=lambda reply: self.wire.messages > 0 and self._moves(reply),
            defers=self._defers,
        )
        self.wire.is_dirty = True
        self.wire.is_lent = False
        self.wire.is_unheard = False
        transaction.begins_at = self.wire.output.put
        if self.under_way:
            self.has_overlapped = True
            self._behind.add(transaction)
        self.under_way.append(transaction)
        self._say(transaction)

    def advance(self, *, wait: bool) -> bool:
        """Write what can be written and process the next reply; return False if there was none.

        A message must be in flight.

        :raises OSError: the connection failed.
        """
        self.wire.deadline = self.under_way[0].deadline
        stage = self._asked[0][1]
        self.wire.awaits_verdict = stage == "accept"
        was_closing = self.wire.is_closing
        reply = self.wire.hear() if wait else self.wire.look()
        if reply is None:
            return False
        transaction, _, end = self._asked.popleft()
        is_early = self.wire.output.sent < end
        if is_early and not reply.refuses:
            raise smtplib.SMTPResponseException(-1, _TOO_MANY)
        transaction.answered(reply, server_left=was_closing, is_early=is_early)
        if stage == "reset" and self.wire.is_chunk_refused:
            self._judge_chunks(transaction, reply)
        self._stays = self._stays or transaction.is_heard
        self.wire.is_closing = self.wire.is_closing or transaction.is_left
        if not self.wire.is_closing and not transaction.is_over:
            self._say(transaction)
        if transaction.is_over:
            self._conclude(transaction)
        if self.wire.is_closing:
            self.wire.hurry(_GRACE)
            if self.under_way and not self._asked:
                raise smtplib.SMTPServerDisconnected("421: it closes the connection")
        return True

    def settle(self) -> None:
        """Wait until nothing is in flight.

        :raises OSError: the connection failed.
        """
        while self.under_way:
            self.advance(wait=True)

    def end(self, error: OSError, *, blames_first: bool = True) -> list[Transaction]:
        """Handle a lost connection; return the messages that may be retried.

        :param blames_first: False if the first message is not the reason.
        """
        ended, self.under_way = self.under_way, deque()
        is_farewell = self.wire.is_closing and not self._is_doubtful
        left = is_farewell and not self._stays and is_break(error)
        sent, said_yes = self.wire.output.sent, self.wire.unread.startswith(b"2")
        return [
            each
            for number, each in enumerate(ended)
            if each.lost(
                error,
                sent,
                server_left=left,
                is_first=blames_first and not number,
                said_yes=said_yes,
            )
        ]

    def break_off(self, error: MessageError) -> None:
        """End the message in flight, because the rest of its content cannot be made.

        It is large, so it is the only one.
        """
        transaction = self.under_way.popleft()
        transaction.end_with(
            Result(error=error.with_traceback(None), attempts=transaction.attempts)
        )

    def _conclude(self, transaction: Transaction) -> None:
        self.concluded += 1
        self.under_way.remove(transaction)
        wire = self.wire
        wire.is_dirty = transaction.leaves_open or bool(self.under_way)
        if transaction.is_accepted:
            wire.messages += 1
            wire.window = min(MESSAGES, max(wire.window, FIRST_MESSAGES) + 1)
            self.is_overlap_proven = self.is_overlap_proven or transaction in self._behind
        else:
            wire.window = 1
        self._behind.discard(transaction)
        wire.is_tired = transaction.is_unwelcome
        wire.is_chunk_refused = transaction.is_chunk_refused
        if not self.under_way and wire.has_unread:
            transaction.doubt(wire.unread)
            self._suspect_chunks()
        if transaction.goes_on():
            self.unfinished.append(transaction)
            self.is_retired = self.is_retired or transaction.is_unwelcome

    def _judge_chunks(self, transaction: Transaction, reply: Reply) -> None:
        """Learn from the reply to RSET if the server discards the chunks that it refuses.

        A positive reply proves it (RFC 3030 section 2), because no line of a chunk is a command. If
        such a server refuses RSET later, it is about to close, as Exim after too many errors.
        From any other server, the refusal may be the reply to a line of the chunk.
        """
        if not reply.refuses:
            self.wire.discards_refused_chunks = True
        elif reply.code != 421 and not self.wire.discards_refused_chunks:
            self._is_doubtful = transaction.is_doubtful = True
            self._suspect_chunks()

    def _suspect_chunks(self) -> None:
        """Stop using BDAT if the server seems to read the chunks that it refuses as commands."""
        if self.wire.is_chunk_refused and not self.wire.unread.startswith(b"421"):
            self._server.lacks.add("chunking")

    def _say(self, transaction: Transaction) -> None:
        commands = transaction.next_commands()
        if commands and not self._asked and self.wire.has_unread:
            is_farewell = self.wire.unread.startswith(b"421")
            self.wire.is_closing = self.wire.is_closing or is_farewell
            raise (
                smtplib.SMTPServerDisconnected("421: it closes the connection")
                if is_farewell
                else smtplib.SMTPResponseException(-1, _TOO_MANY)
            )
        for command in commands:
            self._write(command)
            self._asked.append((transaction, command.stage, self.wire.output.put))
            if command.stage == "accept":
                transaction.content_ends_at = self.wire.output.put

    def _write(self, command: Command) -> None:
        if self.wire.is_traced:
            if command.line:
                self.wire.trace("C", command.line.decode("utf-8"))
            if command.content:
                # After DATA, the final dot is not a part of it, as in SIZE (RFC 1870 section 4).
                size = len(command.content) - (0 if command.line else len(b".\r\n"))
                self.wire.trace("C", f"({size} octets of content)")
        if command.line:
            self.wire.write(command.line + b"\r\n")
        if command.content:
            self.wire.write(command.content)
