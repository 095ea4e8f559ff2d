"""Failures on demand: what a program should meet when its mail is not taken."""

from __future__ import annotations

import copy
import re
import smtplib
from collections import deque
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from ..address.domain import domain_to_ascii
from ..errors import DeliveryError
from ..receipt import Refusal
from ..smtp import errors

if TYPE_CHECKING:
    from ..delivery.outgoing import Outgoing

_SERVER: Final = "of this test"
_TOLD: Final = "The test told the outbox to fail."


class Faults:
    """What was asked for and has not happened yet."""

    def __init__(self) -> None:
        self._next: deque[Exception] = deque()
        self._always: Exception | None = None
        self._refusals: list[tuple[str | re.Pattern[str], Refusal]] = []

    def fail(self, error: Exception | type[Exception], times: int | None) -> None:
        """Raise `error` for so many messages; for all of them with ``None``."""
        if isinstance(error, type):
            error = error(_TOLD)
        if times is None:
            self._always = error
        elif times < 1:
            raise ValueError(f"times must be 1 or more, or None for every message, not {times}.")
        else:
            # One error carries one receipt.
            self._next += [error, *(_copy(error) for _ in range(times - 1))]

    def time_out(self, *, after_content: bool, times: int | None) -> None:
        """Fall silent for so many messages."""
        stage = "accept" if after_content else "connect"
        self.fail(errors.failure(TimeoutError("timed out"), stage, _SERVER), times)

    def refuse(self, recipient: str | re.Pattern[str], refusal: Refusal) -> None:
        """Refuse recipients that match, from now on."""
        if not 400 <= refusal.code < 600:
            raise ValueError(
                f"{refusal.code} refuses nobody: give a reply code from 400 to 499 (for now) or"
                " from 500 to 599 (for good)."
            )
        wanted = recipient if isinstance(recipient, re.Pattern) else _as_in_envelopes(recipient)
        self._refusals.append((wanted, refusal))

    def clear(self) -> None:
        """Forget all of them."""
        self._next.clear()
        self._always = None
        self._refusals.clear()

    def judge(self, mail: Outgoing) -> dict[str, Refusal]:
        """Return the recipients of a message that are refused, or raise what was asked for.

        :raises DeliveryError: every recipient is refused.
        """
        error = self._due()
        if error is not None:
            raise error
        refused = {
            address: refusal
            for address in mail.envelope.recipients
            if (refusal := self._refusal_of(address)) is not None
        }
        if len(refused) == len(mail.envelope.recipients):
            raise _all_refused(refused)
        return refused

    def _due(self) -> Exception | None:
        try:
            # Not looked at first: another thread may take the last one meanwhile.
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
    """Return a pattern as :mod:`fnmatch` takes it, with the domain as envelopes have it."""
    local, at, domain = recipient.lower().rpartition("@")
    if at:
        labels = (each if each.isascii() else domain_to_ascii(each) for each in domain.split("."))
        domain = ".".join(labels)
    # To fnmatch, the [ of an address literal begins a set of characters.
    return f"{local}{at}{domain}".replace("[", "[[]")


def _all_refused(refused: dict[str, Refusal]) -> DeliveryError:
    # As smtp does it, so that what programs catch of smtplib's matches too.
    replies = {
        address: (each.code, f"{each.enhanced} {each.text}".strip().encode())
        for address, each in refused.items()
    }
    return errors.failure(smtplib.SMTPRecipientsRefused(replies), "recipient", _SERVER)


def _copy(error: Exception) -> Exception:
    return copy.copy(error) if isinstance(error, DeliveryError) else error
