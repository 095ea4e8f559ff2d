"""Values that all rooms share: receipt, outcome, envelope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, asdict, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple


class Outcome(str, Enum):
    """Outcome of a message. A string, so that it can be encoded as JSON."""

    SENT = "sent"
    """The peer accepted responsibility for the message."""
    REFUSED = "refused"
    """The peer rejected it permanently: sending it again will not help."""
    NOT_SENT = "not sent"
    """Provably not accepted: it is safe to try again."""
    UNKNOWN = "unknown"
    """No valid reply came after the last byte: only a person may retry."""
    QUEUED = "queued"
    """Stored by a queue, which reports another outcome later. The only one that is not final."""

    __str__ = Enum.__str__  # the same in each version of Python

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)  # Python 3.10 would take the value


class Refusal(NamedTuple):
    """Reason for which a recipient was refused."""

    code: int
    """The reply code (RFC 5321 section 4.2), such as 550."""
    enhanced: str
    """The enhanced status code (RFC 3463), such as ``"5.1.1"``; empty if the reply has none."""
    text: str

    @property
    def temporary(self) -> bool:
        """True for a reply code of 4xx: the recipient may be accepted later."""
        return 400 <= self.code < 500


@dataclass(frozen=True)
class Receipt:
    """Outcome of sending one message. Those of a batch are in the order of the messages.

    True in a boolean context if the message was sent. Of the recipients, it has only those that
    were refused. The JSON providers of Flask and of kombu (Celery) encode its fields, with
    :attr:`reason` in place of ``error``.
    """

    message_id: str
    backend: str
    """The name of the backend that took the message or failed."""
    outcome: Outcome
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """Recipients that were refused. If the message was sent, it went to the others."""
    response: str = ""
    """The peer's final reply, such as its queue id."""
    attempts: int = 1
    seconds: float = 0.0
    # Not a field: dataclasses.asdict(), with which Flask encodes JSON, must skip it.
    if TYPE_CHECKING:
        error: BaseException | None = field(default=None, compare=False, repr=False)
    else:
        error: InitVar[BaseException | None] = None
    """The error that :meth:`Mail.send` raises; ``None`` if the message was sent."""
    reason: str = field(init=False, default="", compare=False)
    """Text of the error, empty if the message was sent. Only the class name for errors that are not
    Flask-Mail's, whose text may contain secrets."""

    mailer: str = ""
    """The mailer that decided the outcome; of a composite, one of its children."""
    earlier: tuple[Receipt, ...] = ()
    """Receipts of the mailers that a composite tried before, in order, each with its error."""

    # Type checkers see a field `error`, which takes no argument here.
    def __post_init__(self, error: BaseException | None) -> None:  # type: ignore[override]
        self.__dict__["error"] = error
        if error is not None:
            is_public = getattr(error, "_is_public", False) is True
            self.__dict__["reason"] = str(error) if is_public else type(error).__name__
        if type(self.refused) is not dict:  # only a dict can be encoded as JSON
            self.__dict__["refused"] = dict(self.refused)

    def __bool__(self) -> bool:
        return self.sent

    def __json__(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def sent(self) -> bool:
        """True if the message was accepted for all recipients or some of them."""
        return self.outcome is Outcome.SENT

    @property
    def taken(self) -> bool:
        """True if the message was sent or queued, so that there is no error."""
        return self.outcome is Outcome.SENT or self.outcome is Outcome.QUEUED


@dataclass(frozen=True, slots=True)
class Envelope:
    """Reverse-path and recipients (RFC 5321 section 2.3.1), including those of Bcc."""

    sender: str
    """The reverse-path without brackets; empty for a message that must not bounce."""
    recipients: tuple[str, ...]
    """To, Cc, Bcc, in the order given, without duplicates."""
    mail_options: tuple[str, ...] = ()
    rcpt_options: tuple[str, ...] = ()

    @property
    def needs_smtputf8(self) -> bool:
        """True if a local part is not ASCII (RFC 6531)."""
        return not "".join((self.sender, *self.recipients)).isascii()
