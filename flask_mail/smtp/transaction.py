"""One mail transaction (RFC 5321 section 3.3): what to say, and what each reply means.

No octet is read or written here. Where a transaction ends decides what became of the message, which
:meth:`smtplib.SMTP.sendmail` does not tell.
"""

from __future__ import annotations

import smtplib
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..mime.content import LARGE
from . import errors
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
"""Larger content waits until recipients are known to be accepted: it might travel in vain."""

_TRIES = 2
"""On how many connections a message is tried that was provably not accepted."""

_CHUNK = 1024 * 1024
"""Octets: large enough for the wait after each to cost little, and small enough for most breaks to
come before the last one, when it is certain that the message was not accepted."""

# Where 250 is expected, any 25z does (RFC 5321 section 4.2.1: the first two digits decide); 354
# answers DATA.
_OK = range(250, 260)
_GO_AHEAD = range(354, 355)

# Answers to a BDAT that a server offers and does not know, or not at that point.
_NO_BDAT = (500, 502, 503)

_MAYBE_ENOUGH = (errors.SenderDeferred, errors.SenderRefused, errors.RecipientsDeferred)
"""What a server says to each message that comes after as many as it takes on a connection."""

_STAGES = {"reset": "sender", "chunk": "data", "accept": "data"}
"""The stage at which a link broke that broke before the content was complete."""


class Transaction:
    """One message, on one connection after the other until it has a result.

    :param deadline: when all of it must be over.
    :ivar attempts: how often it was begun, for the recipients that it is for now.
    :ivar was_moved: whether it goes on over a new connection, of which the server may not have had
        enough yet.
    """

    def __init__(self, envelope: Envelope, content: bytes | Content, deadline: Deadline) -> None:
        self.envelope = envelope
        self.content = self._given = content
        self.deadline = deadline
        self.attempts = 0
        self._strikes = 0  # how often a connection broke at this message
        self.was_moved = False
        self.result: Result | None = None
        """The result of the message, once that is known."""
        self._parts = Parts()
        self._reason: tuple[OSError, str] | None = None  # why it was not accepted, and where

    def end_with(self, result: Result) -> None:
        """Set the result, together with what became of earlier parts of the recipients."""
        self.result = self._parts.with_last(result)

    def begin(
        self,
        host: smtplib.SMTP,
        server: Server,
        *,
        reset: bool,
        waits: bool,
        moves: Callable[[Reply], bool],
    ) -> None:
        """Start over, on the connection of `host`.

        :param reset: whether another transaction may be open there.
        :param waits: whether content waits until recipients are accepted, as large content does.
        :param moves: whether a server that gives this reply may say something else on another
            connection.
        :raises MessageError: the message needs what the server does not offer.
        :raises MessageRefused: it is larger than the server takes.
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
        # For those that were too many, it may travel in vain too.
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
        self._replies: dict[str, Reply] = {}  # of the recipients
        self._refusals = 0  # of recipients
        self._refusal: tuple[OSError, str] | None = None  # what makes acceptance impossible
        self.is_left = False  # the server has no ear for it any more
        self.is_heard = False  # although the server had said 421
        self._is_reset_refused = False
        self.is_doubtful = False  # each reply may be the one to a line of a refused chunk
        self.is_chunk_refused = False
        self._is_unheard = False  # the content, by a server that does not know BDAT
        self._may_send_data = False
        self._content_is_said = False
        self._part: Part | None = None  # what was accepted, if some recipients were too many
        self._is_put_off = False
        self._is_certain = False  # each reply before the final one was taken when it was due
        self._begins_at = 0
        self._content_ends_at: int | None = None
        self.leaves_open = True

    @property
    def has_said_all(self) -> bool:
        """Whether the next message may follow: nothing of this one is left to be said."""
        return self.is_over or self._content_is_said

    @property
    def is_trial(self) -> bool:
        """Whether it goes by BDAT to a server that has accepted none like that yet. Some do not
        know BDAT though they offer it, and what is under way behind is unknown then."""
        return self._is_chunked and "chunking" not in self._proven

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is under way here any more, though it may go on elsewhere."""
        return self.result is not None or self._part is not None or self._is_put_off

    @property
    def is_accepted(self) -> bool:
        """Whether the server has accepted it, for all recipients or for some."""
        return self._part is not None or (self.result is not None and self.result.error is None)

    @property
    def awaits_verdict(self) -> bool:
        """Whether the next reply is that to the content."""
        return bool(self._asked) and self._asked[0].stage == "accept"

    @property
    def awaits_reset(self) -> bool:
        """Whether the next reply is that to RSET."""
        return bool(self._asked) and self._asked[0].stage == "reset"

    def next_commands(self) -> list[Command]:
        """Return what to write now, up to the first command whose reply decides what follows."""
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
        """Remember how many octets went before it on this connection."""
        self._begins_at = position

    def content_ends_at(self, position: int) -> None:
        """Remember after how many octets on this connection the content is complete."""
        self._content_ends_at = position

    def answered(self, reply: Reply, *, server_left: bool, is_early: bool) -> None:
        """Take the reply to the oldest command that is not answered.

        :param server_left: whether the server said 421 before: it refuses all that follows then.
        :param is_early: whether it comes before that command has left, with its content.
        :raises smtplib.SMTPResponseException: none like it may follow that command.
        """
        command = self._asked[0]
        if not reply.refuses and reply.code not in _expected(command):
            raise smtplib.SMTPResponseException(*reply.answer)
        self._asked.popleft()
        if self._is_reset_refused and not reply.refuses:
            # A line that nothing asked for was taken for the reply to RSET.
            raise smtplib.SMTPResponseException(*reply.answer)
        is_chunk = self._is_chunked and command.stage in ("chunk", "accept")
        self.is_chunk_refused = self.is_chunk_refused or (is_chunk and reply.refuses)
        if is_chunk:
            self._check_bdat(reply, server_left)
        # Exim goes on to say yes to RSET alone.
        self.is_heard = server_left and not reply.refuses and command.stage != "reset"
        # A server that refuses RSET has had enough: Exim does that before it closes.
        self._is_reset_refused = self._is_reset_refused or (
            command.stage == "reset" and reply.refuses
        )
        if command.stage == "accept" or reply.refuses:
            is_farewell = command.stage != "accept" and (
                reply.code == 421 or self._is_reset_refused
            )
            self.is_left = self.is_left or server_left or is_farewell
        match command.stage:
            case "sender" if reply.refuses:
                refused = smtplib.SMTPSenderRefused(*reply.answer, self.envelope.sender)
                self._refuse(refused, "sender")
            case "recipient":
                self._replies[self.envelope.recipients[len(self._replies)]] = reply
                self._refusals += reply.refuses
                if self._refusals == len(self.envelope.recipients):
                    self._refuse(self._nobody(), "recipient")
            case "data" if not reply.refuses:
                self._may_send_data = True
            case "data" | "chunk" if reply.refuses:
                self._refuse(smtplib.SMTPDataError(*reply.answer), "data")
            case "accept":
                self._finish(reply, is_early=is_early)
        if not self.is_over and not self.is_left and not self._asked:
            self._go_on()

    @property
    def is_unwelcome(self) -> bool:
        """Whether it was refused in a way that may be its connection's, which is not one for
        others then."""
        error = self.result and self.result.error
        return self._is_put_off or isinstance(error, _MAYBE_ENOUGH)

    def goes_on(self) -> bool:
        """Prepare for being begun again, now that it is over here; return whether it has to be."""
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
        """Take it that the connection is gone; return whether the message may be sent again.

        :param octets_sent: how many the operating system took on that connection.
        :param server_left: whether the server said 421 and closed: what followed was not read.
        :param is_first: whether no other message was under way before this one.
        :param said_yes: whether there is a positive reply that no command was left for.
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
                self._replies.clear()  # each may be the answer to another command
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
        """Take it that a message which was lost is not sent again."""
        if self._reason is not None:
            self._fail(*self._reason)

    def leave_to_parent(self) -> None:
        """Take it that this process is a child of the one that sends the message."""
        error = errors.AcceptanceUnknown(
            "This process was forked while the message was being sent, and its parent goes on with"
            " that: look there for what becomes of it. Begin a batch of its own in a child.",
            stage="accept",
            attempts=max(1, self.attempts),
        )
        self.end_with(Result(error=error, attempts=error.attempts))

    def doubt(self, unread: bytes) -> None:
        """Take it that the server has said more than it was asked, so that each reply may belong
        to another command than it was taken for."""
        if self._refusals == len(self.envelope.recipients):
            return  # for nobody: whatever the server makes of the content, it does not accept it
        # Were the last reply another command's, a yes to the content would be among the unread.
        is_good = unread.startswith(b"2" if self.is_accepted else (b"4", b"5"))
        if self._content_is_said and not self._is_certain and not is_good:
            self._replies.clear()
            self._fail(smtplib.SMTPResponseException(-1, b"more replies than commands"), "accept")

    def _go_on(self) -> None:
        """Decide what follows, now that all that was said is answered."""
        if self._refusal is None:
            if not self._script:
                how = {"is_chunked": self._is_chunked, "is_pipelined": self.is_pipelined}
                self._script.extend(body(self.content, _CHUNK, **how))
            return
        self._script.clear()
        if self._may_send_data:
            # 354 although it is for nobody: an empty message ends it (RFC 2920 section 3.1).
            self._may_send_data = False
            self._script.append(Command("accept", b"."))
        else:
            self._end_refused(*self._refusal)

    def _check_bdat(self, reply: Reply, server_left: bool) -> None:
        """Raise if the server does not know BDAT, also if it offers it: DATA is next."""
        is_judged = self._refusal is not None or server_left
        if reply.code in _NO_BDAT and not is_judged:
            self._lacks.add("chunking")
            self._is_unheard = True
            raise smtplib.SMTPResponseException(*reply.answer)

    def _finish(self, reply: Reply, *, is_early: bool) -> None:
        self.leaves_open = self._is_chunked and reply.refuses
        # One of the replies belongs to another command, and which one nobody knows.
        is_contradiction = (
            not reply.may_accept_content if self._refusal is None else self._is_chunked
        )
        if is_contradiction and not reply.refuses:
            self._refusal = None
            raise smtplib.SMTPResponseException(*reply.answer)
        if reply.code == 421 and not (is_early or self.is_left or self._refusal):
            # It may come unasked (RFC 5321 section 3.8), when a relay behind has the message.
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
            rest = self._too_many()
            refused = {each: why for each, why in self._refused().items() if each not in rest}
            if rest:
                self._part = Part(reply, refused, self.attempts)
            else:
                self.end_with(Result(reply, refused, attempts=self.attempts))
        elif not self.is_left:  # else it was not judged
            self._end_refused(*self._refusal)

    def _refuse(self, error: OSError, stage: str) -> None:
        self._refusal = self._refusal or (error, stage)  # the others only follow from the first

    def _fail(self, error: OSError, stage: str) -> None:
        made = errors.failure(error, stage, self._server)
        # Its frames would keep the content alive for as long as the receipt is.
        made.__cause__ = error.with_traceback(None)
        made.attempts = max(1, self.attempts)
        if stage != "sender":  # else the recipients were refused because the sender was
            made.refused = made.refused or self._refused()
        self.end_with(Result(None, made.refused, made, made.attempts))

    def _end_refused(self, error: OSError, stage: str) -> None:
        """End with the refusal, unless the server has had enough of the connection alone."""
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
            self._is_put_off = self.was_moved = True
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


def _expected(command: Command) -> range:
    return _GO_AHEAD if command.stage == "data" else _OK


def is_break(error: OSError) -> bool:
    """Whether the link went, rather than that the server fell silent or made no sense."""
    cause = errors.hidden_cause(error) or error
    return not isinstance(cause, (TimeoutError, smtplib.SMTPResponseException))
