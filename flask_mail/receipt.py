"""Values that every room names: the outcome of a message, and its envelope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, asdict, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    pass


class Outcome(str, Enum):
    """What became of a message: exactly one of these. As text, so that JSON has it."""

    SENT = "sent"
    """Handed over: the peer took responsibility for it."""
    REFUSED = "refused"
    """The peer said no: sending it again will not help."""
    NOT_SENT = "not sent"
    """It was provably not accepted: it is safe to try again."""
    UNKNOWN = "unknown"
    """No valid reply came after the last byte: only a person may retry."""

    __str__ = Enum.__str__  # the same in each version of Python

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)  # Python 3.10 would take the value


class Refusal(NamedTuple):
    """Why a recipient was refused."""

    code: int
    """The reply code (RFC 5321 section 4.2), such as 550."""
    enhanced: str
    """The enhanced status code (RFC 3463), such as ``"5.1.1"``; empty where there is none."""
    text: str


@dataclass(frozen=True)
class Receipt:
    """What became of one message.

    True if the message was sent. Flask's JSON provider and kombu's, which Celery uses, encode its
    fields, the reason in the place of the error.
    """

    message_id: str
    backend: str
    """The name of the backend that took the message or failed."""
    outcome: Outcome
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """The recipients that were refused; the message went to the others when it was sent."""
    response: str = ""
    """The peer's final reply, such as its queue id."""
    attempts: int = 1
    seconds: float = 0.0
    # No field, so that dataclasses.asdict(), by which Flask encodes JSON, does not take it.
    if TYPE_CHECKING:
        error: BaseException | None = field(default=None, compare=False, repr=False)
    else:
        error: InitVar[BaseException | None] = None
    """Why the message was not sent; what :meth:`Mail.send` raises."""
    reason: str = field(init=False, default="", compare=False, repr=False)
    """The error in words, empty if the message was sent. Only its class if it is not one of
    Flask-Mail's, whose text may hold anything."""

    # For type checkers `error` is a field, and no argument here.
    def __post_init__(self, error: BaseException | None) -> None:  # type: ignore[override]
        self.__dict__["error"] = error
        if error is not None:
            is_public = getattr(error, "_is_public", False) is True
            self.__dict__["reason"] = str(error) if is_public else type(error).__name__
        if type(self.refused) is not dict:  # no other mapping is JSON
            self.__dict__["refused"] = dict(self.refused)

    def __bool__(self) -> bool:
        return self.sent

    def __json__(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def sent(self) -> bool:
        """Whether the message was handed over, to all of its recipients or to some."""
        return self.outcome is Outcome.SENT


@dataclass(frozen=True, slots=True)
class Envelope:
    """What MAIL FROM and RCPT TO say (RFC 5321 section 2.3.1); the only place of Bcc recipients."""

    sender: str
    """The reverse-path without brackets; empty for a message that must not bounce."""
    recipients: tuple[str, ...]
    """To, Cc, Bcc, in the order given, without duplicates."""
    mail_options: tuple[str, ...] = ()
    rcpt_options: tuple[str, ...] = ()

    @property
    def needs_smtputf8(self) -> bool:
        """Whether a local part is not ASCII (RFC 6531)."""
        return not (self.sender.isascii() and all(each.isascii() for each in self.recipients))
