"""State machine of one mail transaction (RFC 5321 section 3.3): commands out, replies in.

Does no I/O. The point at which a transaction ends decides the outcome of the message, which
:meth:`smtplib.SMTP.sendmail` does not report.
"""

from __future__ import annotations

import smtplib
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..mime.content import LARGE
from . import errors, failures
from .commands import Command, body, opening
from .extensions import mail_options, suited
from .replies import Reply, reply_of
from .results import Part, Parts, Result
from .smuggling import may_hold_commands

if TYPE_CHECKING:
    from ..mime.content import Content
    from ..receipt import Envelope, Refusal
    from .deadline import Deadline
    from .session import Server

AT_ONCE = LARGE
"""Octets: larger content waits for the replies to RCPT, which may refuse every recipient."""

_TRIES = 2
"""Maximum number of connections to try for a message that was provably not accepted."""

_CHUNK = 1024 * 1024
"""Octets per BDAT: large, because each chunk costs a round trip; small, because a break before the
last chunk proves that the message was not accepted."""

# Where 250 is expected, any 25z does (RFC 5321 section 4.2.1: the first two digits decide); 354
# answers DATA.
_OK = range(250, 260)
_GO_AHEAD = range(354, 355)

# Replies to BDAT from servers that offer CHUNKING but do not know BDAT, or not at that point.
_NO_BDAT = (500, 502, 503)

_MAYBE_ENOUGH = (errors.SenderDeferred, errors.SenderRefused, errors.RecipientsDeferred)
"""Errors with which servers refuse messages beyond their limit per connection."""

_STAGES = {"reset": "sender", "chunk": "data", "accept": "data"}
"""Stages to report for a connection that broke before the content was complete."""


class Transaction:
    """Delivery of one message, over several connections if necessary, until it has a result.

    :param deadline: limit for the whole delivery.
    :ivar attempts: how often it was started for its current recipients.
    :ivar was_moved: True if it continues on a new connection because the server may limit the
        messages per connection.
    """

    def __init__(self, envelope: Envelope, content: bytes | Content, deadline: Deadline) -> None:
        self.envelope = envelope
        self.content = self._given = content
        self.deadline = deadline
        self.attempts = 0
        self._strikes = 0  # how many connections broke at this message
        self.was_moved = False
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
    ) -> None:
        """Start the transaction, or start it again, on the connection of `host`.

        :param reset: send RSET first, because another transaction may be open.
        :param waits: send the content only after recipients are accepted, as large content.
        :param moves: returns True if the server may reply differently on another connection.
        :raises MessageError: the message needs an extension that the server does not offer.
        :raises MessageRefused: it exceeds the server's SIZE.
        """
        self.content = suited(host, self._given)
        options = mail_options(host, server, self.envelope, self.content)
        self.attempts += 1
        self._server = str(server)
        self.is_pipelined = server.pipelining and host.has_extn("pipelining")
        self._moves = moves
        self._lacks, self._proven = server.lacks, server.proven
        self._is_chunked = (
            server.chunking
            and host.has_extn("chunking")
            and "chunking" not in server.lacks
            and not may_hold_commands(self.content, is_cut=len(self.content) > _CHUNK)
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
        self._begins_at = 0
        self._content_ends_at: int | None = None
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

    @property
    def next_reply(self) -> str:
        """The stage of the command that the next reply belongs to; empty without one."""
        return self._asked[0].stage if self._asked else ""

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

    def begins_at(self, position: int) -> None:
        """Record how many octets were written to this connection before it."""
        self._begins_at = position

    def content_ends_at(self, position: int) -> None:
        """Record after how many octets on this connection the content is complete."""
        self._content_ends_at = position

    def answered(self, reply: Reply, *, server_left: bool, is_early: bool) -> None:
        """Process the reply to the oldest unanswered command.

        :param server_left: True if the server sent 421 before, after which it refuses everything.
        :param is_early: True if it came before the command and its content were sent.
        :raises smtplib.SMTPResponseException: the reply is not valid for that command.
        """
        command = self._asked[0]
        refuses = reply.refuses
        if not refuses and reply.code not in (_GO_AHEAD if command.stage == "data" else _OK):
            raise smtplib.SMTPResponseException(*reply.answer)
        self._asked.popleft()
        if self._is_reset_refused and not refuses:
            # An unsolicited line was taken for the reply to RSET.
            raise smtplib.SMTPResponseException(*reply.answer)
        is_chunk = self._is_chunked and command.stage in ("chunk", "accept")
        self.is_chunk_refused = self.is_chunk_refused or (is_chunk and refuses)
        if is_chunk:
            self._check_bdat(reply, server_left)
        # After 421, Exim still accepts RSET, but nothing else.
        self.is_heard = server_left and not refuses and command.stage != "reset"
        # Exim refuses RSET before it closes the connection.
        self._is_reset_refused = self._is_reset_refused or (command.stage == "reset" and refuses)
        if command.stage == "accept" or refuses:
            is_farewell = command.stage != "accept" and (
                reply.code == 421 or self._is_reset_refused
            )
            self.is_left = self.is_left or server_left or is_farewell
        match command.stage:
            case "sender" if refuses:
                refused = smtplib.SMTPSenderRefused(*reply.answer, self.envelope.sender)
                self._refuse(refused, "sender")
            case "recipient":
                self._replies[self.envelope.recipients[len(self._replies)]] = reply
                self._refusals += refuses
                if self._refusals == len(self.envelope.recipients):
                    self._refuse(self._nobody(), "recipient")
            case "data" if not refuses:
                self._may_send_data = True
            case "data" | "chunk" if refuses:
                self._refuse(smtplib.SMTPDataError(*reply.answer), "data")
            case "accept":
                self._finish(reply, is_early=is_early)
        if not self.is_over and not self.is_left and not self._asked:
            self._go_on()

    @property
    def is_unwelcome(self) -> bool:
        """True if the refusal may concern the connection, which should carry no more messages."""
        error = self.result and self.result.error
        return self._is_put_off or isinstance(error, _MAYBE_ENOUGH)

    def goes_on(self) -> bool:
        """Prepare to be started again; return False if the message has its result."""
        if self.result is not None:
            return False
        if self._part is not None:
            rest = self._too_many()
            self._parts.add(self._part, len(self._replies) - self._refusals, rest)
            self.envelope = replace(self.envelope, recipients=tuple(rest))
            self.attempts = self._strikes = 0
        return True

    def lost(
        self,
        error: OSError,
        octets_sent: int,
        *,
        server_left: bool,
        is_first: bool,
        said_yes: bool = False,
    ) -> bool:
        """Handle a lost connection; return True if the message may be retried.

        :param octets_sent: octets that the operating system took on that connection.
        :param server_left: True if the server sent 421 and closed, without reading what followed.
        :param is_first: True if no other message was in flight before this one.
        :param said_yes: True if a positive reply is left without a command for it.
        """
        ends_at = self._content_ends_at
        is_complete = ends_at is not None and octets_sent >= ends_at and not server_left
        if self._is_unheard and (self._is_certain or not said_yes):
            is_complete = False
        if self._refusal is not None and not self.is_left:
            self._end_refused(*self._refusal)
            return self._is_put_off
        if is_complete and (self._refusal is None or self.is_doubtful):
            if self.is_doubtful or isinstance(error, smtplib.SMTPResponseException):
                self._replies.clear()  # each may belong to another command
            self._fail(error, "accept")
            return False
        stage = self._asked[0].stage if self._asked else "sender"
        self._reason = self._refusal or (error, _STAGES.get(stage, stage))
        if self.is_left and self._refusal is None and self._no():
            self._reason = (self._nobody(), "recipient")
        self._strikes += is_first
        is_untouched = octets_sent <= self._begins_at
        is_at_fault = server_left or self.is_left or self._is_unheard
        may_be_tried = is_at_fault or is_untouched or is_break(error)
        if is_first and not (may_be_tried and self._strikes < _TRIES):
            self.give_up()
            return False
        return True

    def give_up(self) -> None:
        """End a message whose connection was lost and which is not retried."""
        if self._reason is not None:
            self._fail(*self._reason)

    def leave_to_parent(self) -> None:
        """End the message in a forked child, because its parent continues to send it."""
        error = errors.AcceptanceUnknown(
            "This process was forked while the message was being sent. The parent continues to"
            " send it: look for the outcome there, and start a new batch in the child.",
            stage="accept",
            attempts=max(1, self.attempts),
        )
        self.end_with(Result(error=error, attempts=error.attempts))

    def doubt(self, unread: bytes) -> None:
        """Record that the server sent more replies than commands: some may be misattributed."""
        if self._refusals == len(self.envelope.recipients):
            return  # the content cannot be accepted without a recipient
        # If the last reply belongs to another command, that to the content is still unread.
        is_good = unread.startswith(b"2" if self.is_accepted else (b"4", b"5"))
        if self._content_is_said and not self._is_certain and not is_good:
            self._replies.clear()
            self._fail(smtplib.SMTPResponseException(-1, b"more replies than commands"), "accept")

    def _go_on(self) -> None:
        """Choose the next commands, once all that were sent are answered."""
        if self._refusal is None:
            if not self._script:
                how = {"is_chunked": self._is_chunked, "is_pipelined": self.is_pipelined}
                self._script.extend(body(self.content, _CHUNK, **how))
            return
        self._script.clear()
        if self._may_send_data:
            # 354 although it was refused: an empty message ends DATA (RFC 2920 section 3.1).
            self._may_send_data = False
            self._script.append(Command("accept", b"."))
        else:
            self._end_refused(*self._refusal)

    def _check_bdat(self, reply: Reply, server_left: bool) -> None:
        """Raise if the server does not know BDAT although it offers it; DATA is tried next."""
        is_judged = self._refusal is not None or server_left
        if reply.code in _NO_BDAT and not is_judged:
            self._lacks.add("chunking")
            self._is_unheard = True
            raise smtplib.SMTPResponseException(*reply.answer)

    def _finish(self, reply: Reply, *, is_early: bool) -> None:
        self.leaves_open = self._is_chunked and reply.refuses
        # One of the replies belongs to another command, and there is no way to find out which.
        is_contradiction = (
            not reply.may_accept_content if self._refusal is None else self._is_chunked
        )
        if is_contradiction and not reply.refuses:
            self._refusal = None
            raise smtplib.SMTPResponseException(*reply.answer)
        if reply.code == 421 and not (is_early or self.is_left or self._refusal):
            # It may come unasked (RFC 5321 section 3.8), when the next relay has the message.
            self._fail(smtplib.SMTPDataError(*reply.answer), "accept")
            return
        if reply.refuses:
            self._refuse(
                smtplib.SMTPDataError(*reply.answer),
                "data" if reply.code == 421 else "accept",
            )
        if self._refusal is None:
            if self._is_chunked:
                self._proven.add("chunking")
            rest = self._too_many() if self._refusals else {}
            refused = self._refused() if self._refusals else {}
            if rest:
                refused = {each: why for each, why in refused.items() if each not in rest}
                self._part = Part(reply, refused, self.attempts)
                self.is_over = True
            else:
                self.end_with(Result(reply, refused, attempts=self.attempts))
        elif not self.is_left:  # else it was not judged
            self._end_refused(*self._refusal)

    def _refuse(self, error: OSError, stage: str) -> None:
        self._refusal = self._refusal or (error, stage)  # the others only follow from the first

    def _fail(self, error: OSError, stage: str) -> None:
        made = failures.failure(error, stage, self._server)
        # Its frames would keep the content alive for as long as the receipt lives.
        made.__cause__ = error.with_traceback(None)
        made.attempts = max(1, self.attempts)
        if stage != "sender":  # else the recipients were refused because the sender was
            made.refused = made.refused or self._refused()
        self.end_with(Result(None, made.refused, made, made.attempts))

    def _end_refused(self, error: OSError, stage: str) -> None:
        """End with the refusal, unless it may concern this connection alone."""
        if stage == "recipient":
            replies = list(self._no().values())
            has_had_enough = all(
                (each.is_too_many or each.is_enough) and self._moves(each) for each in replies
            )
        elif isinstance(error, smtplib.SMTPSenderRefused):
            reply = reply_of((error.smtp_code, error.smtp_error))
            has_had_enough = (reply.code < 500 or reply.is_enough) and self._moves(reply)
        else:
            has_had_enough = False
        if has_had_enough:
            self._is_put_off = self.was_moved = self.is_over = True
        else:
            self._fail(error, stage)

    def _too_many(self) -> dict[str, Refusal]:
        return {each: reply.refusal for each, reply in self._no().items() if reply.is_too_many}

    def _no(self) -> dict[str, Reply]:
        return {each: reply for each, reply in self._replies.items() if reply.refuses}

    def _nobody(self) -> OSError:
        return smtplib.SMTPRecipientsRefused(
            {each: reply.answer for each, reply in self._no().items()}
        )

    def _refused(self) -> dict[str, Refusal]:
        return {each: reply.refusal for each, reply in self._no().items()}


def is_break(error: OSError) -> bool:
    """Return True if the connection broke, and not if the peer was silent or malformed."""
    cause = failures.hidden_cause(error) or error
    return not isinstance(cause, (TimeoutError, smtplib.SMTPResponseException))
