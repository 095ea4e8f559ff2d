"""What became of one message, which may have taken several transactions.

A server takes only so many recipients in one (RFC 5321 section 4.5.3.1.10); those that are too many
go in another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import DeliveryUnknown
from .replies import Reply, reply_of

if TYPE_CHECKING:
    from ..receipt import Refusal


@dataclass(frozen=True)
class Result:
    """What became of one message."""

    reply: Reply | None = None
    """The final one, where the message was accepted."""
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    error: Exception | None = None
    attempts: int = 1


@dataclass(frozen=True)
class Part:
    """A transaction that was accepted, while other recipients were too many for it."""

    reply: Reply
    refused: Mapping[str, Refusal]
    attempts: int


class Parts:
    """The transactions of a message that were accepted, while others of its recipients wait."""

    def __init__(self) -> None:
        self._replies: list[Reply] = []
        self._accepted = 0
        self._refused: dict[str, Refusal] = {}
        self._waiting: dict[str, Refusal] = {}
        self._attempts = 1

    def __bool__(self) -> bool:
        return bool(self._replies)

    def add(self, part: Part, accepted: int, waiting: Mapping[str, Refusal]) -> None:
        """Add a transaction that was accepted.

        :param accepted: for how many recipients.
        :param waiting: the recipients that were too many.
        """
        self._replies.append(part.reply)
        self._accepted += accepted
        self._refused.update(part.refused)
        self._waiting = dict(waiting)
        self._attempts = max(self._attempts, part.attempts)

    def with_last(self, last: Result) -> Result:
        """Return what became of the message, given what became of those that waited."""
        if not self:
            return last
        attempts = max(self._attempts, last.attempts)
        refused = {**self._refused, **last.refused}
        if isinstance(last.error, DeliveryUnknown):
            # Not sent to some and refused by others: a program would send it to them again.
            last.error.args = (
                f"The server took the message for {self._accepted} recipients ({self._reply()})."
                f" For the other {len(self._waiting)}: {last.error}",
            )
            last.error.refused = refused
            last.error.attempts = attempts
            return replace(last, refused=refused, attempts=attempts)
        if last.error is None:
            return Result(self._reply(last.reply), refused, attempts=attempts)
        for each, why in self._waiting.items():
            refused.setdefault(each, _refusal(last.error, why))
        return Result(self._reply(), refused, attempts=attempts)

    def _reply(self, last: Reply | None = None) -> Reply:
        first = self._replies[0]
        others = [*self._replies[1:]] if last is None else [*self._replies[1:], last]
        return first._replace(text="; ".join([first.text, *(str(each) for each in others)]))


def _refusal(error: Exception, before: Refusal) -> Refusal:
    """Return why a recipient did not get the message that others have got.

    :param before: why it was put off.
    """
    code = getattr(error, "smtp_code", -1)
    if 400 <= code < 600:
        return reply_of((code, getattr(error, "smtp_error", b""))).refusal
    return before._replace(text=f"{before.text} ({error})")
