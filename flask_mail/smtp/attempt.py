"""Commands of one message (RFC 5321 section 3.3), as far as earlier replies allow them."""

from __future__ import annotations

import smtplib
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..mime.content import LARGE
from .commands import Command, opening
from .extensions import mail_options, suited
from .replies import Reply
from .results import Part, Parts, Result
from .smuggling import may_hold_commands

if TYPE_CHECKING:
    from ..mime.content import Content
    from ..receipt import Envelope
    from .deadline import Deadline
    from .session import Server

AT_ONCE = LARGE
"""Octets: larger content waits for the replies to RCPT, which may refuse every recipient."""

CHUNK = 1024 * 1024
"""Octets per BDAT: large, because each chunk costs a round trip; small, because a break before the
last chunk proves that the message was not accepted."""


class Attempt:
    """One message in transit: its commands on the present connection, and its state.

    :param deadline: limit for the whole delivery.
    :ivar attempts: how often it was started for its current recipients.
    :ivar was_moved: True if it continues on a new connection because the server may limit the
        messages per connection.
    :ivar is_deferred: True if the server asked to slow down, and it is started once more.
    :ivar begins_at: the number of octets that were written to its connection before it.
    :ivar content_ends_at: the number of those after which its content is complete.
    """

    def __init__(self, envelope: Envelope, content: bytes | Content, deadline: Deadline) -> None:
        self.envelope = envelope
        self.content = self._given = content
        self.deadline = deadline
        self.attempts = 0
        self._strikes = 0  # how many connections broke at this message
        self.was_moved = False
        self.is_deferred = False
        self.is_over = False
        """True if it is finished on this connection, though it may continue on another one."""
        self.result: Result | None = None
        """The result of the message; ``None`` until it is known."""
        self._parts = Parts()
        self._reason: tuple[OSError, str] | None = None  # why it was not accepted, and the stage

    def end_with(self, result: Result) -> None:
        """Set the result, merged with those for earlier parts of the recipients."""
        self.result = self._parts.with_last(result)
        self.is_over = True

    def begin(
        self,
        host: smtplib.SMTP,
        server: Server,
        *,
        reset: bool,
        waits: bool,
        moves: Callable[[Reply], bool],
        defers: Callable[[Reply], bool],
    ) -> None:
        """Start the transaction, or start it again, on the connection of `host`.

        :param reset: send RSET first, because another transaction may be open.
        :param waits: send the content only after recipients are accepted, as large content.
        :param moves: returns True if the server may reply differently on another connection.
        :param defers: returns True if the server may reply differently later.
        :raises MessageError: the message needs an extension that the server does not offer.
        :raises MessageRefused: it exceeds the server's SIZE.
        """
        self.content = suited(host, self._given)
        options = mail_options(host, server, self.envelope, self.content)
        self.attempts += 1
        self._server = server
        self.is_pipelined = server.pipelining and host.has_extn("pipelining")
        self._moves = moves
        self._defers = defers
        self._lacks, self._proven = server.lacks, server.proven
        self._is_chunked = (
            server.chunking
            and host.has_extn("chunking")
            and "chunking" not in server.lacks
            and not may_hold_commands(self.content, is_cut=len(self.content) > CHUNK)
        )
        waits = waits or not self.is_pipelined or len(self.content) > AT_ONCE
        # The recipients that were too many before may all be refused again.
        waits = waits or bool(self._parts)
        self._script = deque(
            opening(
                self.envelope,
                options,
                None if waits else self.content,
                reset=reset,
                is_chunked=self._is_chunked,
                is_pipelined=self.is_pipelined,
            )
        )
        self._asked: deque[Command] = deque()
        self._replies: dict[str, Reply] = {}  # to RCPT, by recipient
        self._refusals = 0  # of recipients
        self._refusal: tuple[OSError, str] | None = None  # what makes acceptance impossible
        self.is_left = False  # the server does not process it any more
        self.is_heard = False  # the server went on after 421
        self._is_reset_refused = False
        self.is_doubtful = False  # replies may belong to lines of a refused chunk
        self.is_chunk_refused = False
        self._is_unheard = False  # the server does not know BDAT, so it did not read it
        self._may_send_data = False
        self._content_is_said = False
        self._part: Part | None = None  # the accepted part, if some recipients were too many
        self._is_put_off = False
        self.is_over = self.result is not None
        self._is_certain = False  # all other commands were answered before the content
        self.begins_at = 0
        self.content_ends_at: int | None = None
        self.leaves_open = True

    @property
    def has_said_all(self) -> bool:
        """True if all commands of this message were sent, so that the next one may follow."""
        return self.is_over or self._content_is_said

    @property
    def is_trial(self) -> bool:
        """True if it is sent with BDAT to a server that has not accepted a message that way yet.

        Some offer CHUNKING but do not know BDAT; messages pipelined behind would be UNKNOWN then.
        """
        return self._is_chunked and "chunking" not in self._proven

    @property
    def is_accepted(self) -> bool:
        """True if the server has accepted it, for all recipients or for some."""
        return self._part is not None or (self.result is not None and self.result.error is None)

    def next_commands(self) -> list[Command]:
        """Return the commands to write now, up to the first one whose reply must be awaited."""
        commands: list[Command] = []
        if self._script and not self.is_left and not self._asked:
            while self._script and not (commands and commands[-1].holds):
                commands.append(self._script.popleft())
        self._asked.extend(commands)
        if commands and commands[-1].stage == "accept":
            self._content_is_said = True
            self._is_certain = len(self._asked) == 1
        return commands
