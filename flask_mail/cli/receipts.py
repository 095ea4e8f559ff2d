"""The outcome of ``flask mail send``, for people and as JSON."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from flask import current_app

from ..config.converters import is_on
from ..delivery.envelope import envelope_of
from ..delivery.policy import DEFAULT
from ..errors import ConfigurationError, MailError, MessageError
from ..receipt import Outcome
from .context import choice_of
from .output import name_of, say

if TYPE_CHECKING:
    from ..extension.state import _Mail
    from ..message.message import Message
    from ..receipt import Receipt

_VERDICTS: Final = {
    Outcome.SENT: "Sent, but something failed after that",
    Outcome.QUEUED: "Queued, but something failed after that",
    Outcome.REFUSED: "Refused",
    Outcome.NOT_SENT: "Not sent",
    Outcome.UNKNOWN: "The message may have been sent",
}


@dataclass(frozen=True)
class Result:
    """The outcome of one message, with secrets masked."""

    outcome: Outcome = Outcome.NOT_SENT
    backend: str | None = None
    """``None`` if no backend could be asked."""
    mailer: str | None = None
    message_id: str | None = None
    recipients: tuple[str, ...] = ()
    """Those who were not refused."""
    redirected: tuple[str, ...] = ()
    """Those who do not get it, because ``MAIL_REDIRECT_TO`` does."""
    refused: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    response: str | None = None
    seconds: float = 0.0
    note: str | None = None
    error: str | None = None
    trace: tuple[str, ...] = ()
    """In debug, the traceback of an error that is not one of Flask-Mail."""

    @classmethod
    def of_error(cls, problem: BaseException | None, redact: Callable[[str], str]) -> Result:
        """Return the result of an error without a receipt."""
        if problem is None:
            return cls()
        text, trace = described(problem, redact)
        return cls(error=text, trace=trace)

    def with_receipt(
        self,
        receipt: Receipt,
        message: Message,
        state: _Mail,
        redact: Callable[[str], str],
        *,
        backend: str | None,
        mailer: str,
    ) -> Result:
        """Return it with what a receipt says.

        :param backend: the backend that was asked for, instead of that of `mailer`.
        """
        recipients, redirected = _destinations(state, message, receipt)
        has_mailer = receipt.mailer not in ("", DEFAULT, receipt.backend)
        return replace(
            self,
            outcome=receipt.outcome,
            backend=receipt.backend,
            mailer=receipt.mailer if has_mailer else None,
            message_id=receipt.message_id or None,
            recipients=tuple(recipients),
            redirected=tuple(redirected),
            refused={
                address: {**refusal._asdict(), "text": redact(refusal.text)}
                for address, refusal in receipt.refused.items()
            },
            response=redact(receipt.response) or None,
            seconds=round(receipt.seconds, 3),
            note=_note(state, backend, mailer) if receipt.taken else None,
        )

    @property
    def taken(self) -> bool:
        """True if the message was sent or queued."""
        return self.outcome in (Outcome.SENT, Outcome.QUEUED)

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON object."""
        fields = {name: value for name, value in vars(self).items() if name != "trace"}
        return {"sent": self.outcome is Outcome.SENT, **fields, "outcome": self.outcome.value}

    def say(self) -> None:
        """Print the outcome; an error goes to standard error."""
        for label, value in self._rows() if self.backend is not None else ():
            say(f"{label:<12}{value}")
        if self.error is not None:
            say(f"{_VERDICTS[self.outcome]}: {self.error}", err=True, status="failed")
        for line in self.trace:
            say(line, err=True)

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "outcome", self.outcome.value
        yield "backend", self.backend
        if self.mailer:
            yield "mailer", self.mailer
        if self.message_id:
            yield "message id", self.message_id
        for address in self.recipients:
            yield "recipient", address
        for address in self.redirected:
            yield "redirected", address
        for address, refusal in self.refused.items():
            yield (
                "refused",
                f"{address}: {' '.join(str(each) for each in refusal.values() if each)}",
            )
        if self.response:
            yield "response", self.response
        yield "seconds", f"{self.seconds:.3f}"
        if self.note:
            yield "note", self.note


def described(problem: BaseException, redact: Callable[[str], str]) -> tuple[str, tuple[str, ...]]:
    """Return the text of an error, and in debug the traceback of one that is not Flask-Mail's."""
    if isinstance(problem, MailError):
        return redact(str(problem)), ()
    lines: list[str] = []
    if is_on(current_app.debug):  # a bug in a backend, a signal receiver or a preview
        lines = "".join(traceback.format_exception(problem)).splitlines()
    return redact(f"{type(problem).__name__}: {problem}"), tuple(map(redact, lines))


def _destinations(state: _Mail, message: Message, receipt: Receipt) -> tuple[list[str], list[str]]:
    """Return those who get the message, and those for whom others get it."""
    # Its addresses may be what is wrong with it, or the settings that say whom it may reach.
    with suppress(MessageError, ConfigurationError):
        recipients = envelope_of(message).recipients
        guard = state.selection.guard()
        reached = guard.destinations(recipients) if guard else recipients
        return (
            [each for each in reached if each not in receipt.refused],
            [
                each
                for each in recipients
                if guard and not guard.allows(each) and each not in receipt.refused
            ],
        )
    return [], []


def _note(state: _Mail, name: str | None, mailer: str) -> str | None:
    """Return a sentence if no mail has left this machine."""
    chosen: Any = name
    if name is None:
        choice = choice_of(state, mailer)
        chosen = choice.delivering
        if choice.is_replaced:
            return (
                f"Nothing left this machine: {choice.reason} replaces {name_of(choice.wanted)} with"
                f" {name_of(choice.selected)}."
            )
    backend = state.selection.backend_class(chosen)
    if backend.external:
        return None
    return f"Nothing left this machine: {backend.name} is a local backend."
