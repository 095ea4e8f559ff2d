"""Failures on demand."""

from __future__ import annotations

import copy
import re
import smtplib
from collections import deque
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from ..address.domain import domain_to_ascii
from ..errors import DeliveryError
from ..receipt import Refusal
from ..smtp import failures

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing

_SERVER: Final = "of this test"
_MESSAGE: Final = "The test made this message fail."


class Faults:
    """The failures that the test has requested."""

    def __init__(self) -> None:
        self._next: deque[Exception] = deque()
        self._always: Exception | None = None
        self._refusals: list[tuple[str | re.Pattern[str], Refusal]] = []
        self._by_mailer: dict[str, Faults] = {}

    def of(self, mailer: str | None) -> Faults:
        """Return the failures of one mailer, or these of all mailers for ``None``."""
        return self if mailer is None else self._by_mailer.setdefault(mailer, Faults())

    def mailers(self) -> set[str]:
        """Return the names of the mailers whose messages fail."""
        return set(self._by_mailer)

    def fail(self, error: Exception | type[Exception], times: int | None) -> None:
        """Raise `error` for a number of messages, or for all of them with ``None``."""
        if isinstance(error, type):
            error = error(_MESSAGE)
        if times is None:
            self._always = error
        elif times < 1:
            raise ValueError(f"times must be 1 or more, or None for every message, not {times}.")
        else:
            # Each error carries its own receipt.
            self._next += [error, *(_copy(error) for _ in range(times - 1))]

    def time_out(self, *, after_content: bool, times: int | None) -> None:
        """Time out for a number of messages."""
        stage = "accept" if after_content else "connect"
        self.fail(failures.failure(TimeoutError("timed out"), stage, _SERVER), times)

    def refuse(self, recipient: str | re.Pattern[str], refusal: Refusal) -> None:
        """Refuse matching recipients from now on."""
        if not 400 <= refusal.code < 600:
            raise ValueError(
                f"{refusal.code} is not a refusal: give a reply code from 400 to 499 (temporary) or"
                " from 500 to 599 (permanent)."
            )
        wanted = recipient if isinstance(recipient, re.Pattern) else _as_in_envelopes(recipient)
        self._refusals.append((wanted, refusal))

    def clear(self) -> None:
        """Remove all failures."""
        self._next.clear()
        self._always = None
        self._refusals.clear()
        self._by_mailer.clear()

    def raise_due(self, mailer: str | None) -> None:
        """Raise the error requested for the next message of a mailer, or of any for ``None``."""
        faults = self if mailer is None else self._by_mailer.get(mailer)
        error = None if faults is None else faults._due()  # noqa: SLF001 (its own class)
        if error is not None:
            raise error

    def refused(self, mail: Outgoing, mailers: Sequence[str]) -> dict[str, Refusal]:
        """Return the recipients of a message that are refused.

        :param mailers: the mailer, and the composites that it is a part of, from the outermost. The
            refusals of all of them apply, as do those without a mailer.
        :raises DeliveryError: every recipient is refused.
        """
        own = [self._by_mailer[each] for each in mailers if each in self._by_mailer]
        refused = {
            address: refusal
            for address in mail.envelope.recipients
            for each in (self, *own)
            if (refusal := each._refusal_of(address)) is not None  # noqa: SLF001
        }
        if len(refused) == len(mail.envelope.recipients):
            raise _all_refused(refused)
        return refused

    def _due(self) -> Exception | None:
        try:
            # No check beforehand, since another thread may take the last one.
            return self._next.popleft()
        except IndexError:
            always = self._always
            return None if always is None else _copy(always)

    def _refusal_of(self, address: str) -> Refusal | None:
        for wanted, refusal in self._refusals:
            if isinstance(wanted, re.Pattern):
                matches = wanted.search(address) is not None
            else:
                matches = fnmatchcase(address.lower(), wanted)
            if matches:
                return refusal
        return None


def _as_in_envelopes(recipient: str) -> str:
    """Return a pattern for :mod:`fnmatch`, with the domain in A-labels."""
    local, at, domain = recipient.lower().rpartition("@")
    if at:
        labels = (each if each.isascii() else domain_to_ascii(each) for each in domain.split("."))
        domain = ".".join(labels)
    # For fnmatch, the [ of an address literal would begin a character set.
    return f"{local}{at}{domain}".replace("[", "[[]")


def _all_refused(refused: dict[str, Refusal]) -> DeliveryError:
    # The same classes as with smtp, so that handlers of smtplib errors match.
    replies = {
        address: (each.code, f"{each.enhanced} {each.text}".strip().encode())
        for address, each in refused.items()
    }
    return failures.failure(smtplib.SMTPRecipientsRefused(replies), "recipient", _SERVER)


def _copy(error: Exception) -> Exception:
    return copy.copy(error) if isinstance(error, DeliveryError) else error
