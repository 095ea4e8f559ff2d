"""State machine of one mail transaction (RFC 5321 section 3.3): commands out, replies in.

Does no I/O. The point at which a transaction ends decides the outcome of the message, which
:meth:`smtplib.SMTP.sendmail` does not report.
"""

from __future__ import annotations

import smtplib
from dataclasses import replace
from typing import TYPE_CHECKING

from . import attempt, errors, failures
from .commands import Command, body
from .replies import Reply, reply_of
from .results import Part, Result

if TYPE_CHECKING:
    from ..receipt import Refusal

_TRIES = 2
"""Maximum number of connections to try for a message that was provably not accepted."""

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


class Transaction(attempt.Attempt):
    """Delivery of one message, over several connections if necessary, until it has a result."""

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
        ends_at = self.content_ends_at
        is_complete = ends_at is not None and octets_sent >= ends_at and not server_left
        if self._is_unheard and (self._is_certain or not said_yes):
            is_complete = False
        if self._refusal is not None and not self.is_left:
            self._end_refused(*self._refusal)
            return self.result is None
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
        is_untouched = octets_sent <= self.begins_at
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
                self._script.extend(body(self.content, attempt.CHUNK, **how))
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
        made = self._server.failure(error, stage)
        # Its frames would keep the content alive for as long as the receipt lives.
        made.__cause__ = error.with_traceback(None)
        made.attempts = max(1, self.attempts)
        if stage != "sender":  # else the recipients were refused because the sender was
            made.refused = made.refused or self._refused()
        self.end_with(Result(None, made.refused, made, made.attempts))

    def _end_refused(self, error: OSError, stage: str) -> None:
        """End with the refusal, unless it may concern this connection or moment alone."""
        answer = getattr(error, "smtp_code", -1), getattr(error, "smtp_error", "")
        replies = list(self._no().values()) if stage == "recipient" else [reply_of(answer)]
        if not self.is_deferred and all(map(self._defers, replies)):
            self._reason = (error, stage)
            self.is_deferred = self.is_over = True
        elif stage in ("sender", "recipient") and all(
            self._is_for_connection(each, stage) for each in replies
        ):
            self._is_put_off = self.was_moved = self.is_over = True
        else:
            self._fail(error, stage)

    def _is_for_connection(self, reply: Reply, stage: str) -> bool:
        if stage == "sender":
            return (reply.code < 500 or reply.is_enough) and self._moves(reply)
        return (reply.is_too_many or reply.is_enough) and self._moves(reply)

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
