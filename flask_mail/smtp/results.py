"""Result of one message, which may have taken several transactions.

Servers limit the recipients of a transaction (RFC 5321 section 4.5.3.1.10); the rest go in another.
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
    """Result of one message."""

    reply: Reply | None = None
    """The final reply, if the message was accepted."""
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    error: Exception | None = None
    attempts: int = 1


@dataclass(frozen=True)
class Part:
    """An accepted transaction of a message with too many recipients for it."""

    reply: Reply
    refused: Mapping[str, Refusal]
    attempts: int


class Parts:
    """Accepted transactions of a message, while other recipients wait."""

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

        :param accepted: number of recipients that were accepted.
        :param waiting: the recipients that were too many.
        """
        self._replies.append(part.reply)
        self._accepted += accepted
        self._refused.update(part.refused)
        self._waiting = dict(waiting)
        self._attempts = max(self._attempts, part.attempts)

    def with_last(self, last: Result) -> Result:
        """Return the result of the whole message, given that for the recipients that waited."""
        if not self:
            return last
        attempts = max(self._attempts, last.attempts)
        refused = {**self._refused, **last.refused}
        if isinstance(last.error, DeliveryUnknown):
            # UNKNOWN as a whole: a program would send it again to recipients listed as refused.
            last.error.args = (
                f"The server accepted the message for {self._accepted} recipients"
                f" ({self._reply()}). For the other {len(self._waiting)}: {last.error}",
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
    """Return the refusal of a recipient who did not get a message that others got.

    :param before: the refusal for which it was put off.
    """
    code = getattr(error, "smtp_code", -1)
    if 400 <= code < 600:
        return reply_of((code, getattr(error, "smtp_error", b""))).refusal
    return before._replace(text=f"{before.text} ({error})")
