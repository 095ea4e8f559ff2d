"""Whom mail may reach: what keeps the mail of a staging server with those who test it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import replace
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any

from ..address.parser import parse_addresses
from ..errors import MessageRefused
from ..mime.content import Content
from ..mime.fields import unstructured
from ..receipt import Refusal
from ..util.text import describe
from .outgoing import Outgoing

if TYPE_CHECKING:
    from ..message.message import Message

_log = logging.getLogger("flask_mail")

ALLOWED = "MAIL_ALLOWED_RECIPIENTS"
REDIRECT = "MAIL_REDIRECT_TO"

_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)  # no other letter becomes one of these
_HEADER = "X-Original-To"


class Guard:
    """Keeps envelopes to the recipients that are allowed.

    :param allowed: patterns, one of which an address has to match as a whole; with ``None``, none
        is allowed but those of `redirect_to`.
    :param redirect_to: addresses that get what was for others. Without any, those others are
        refused.
    """

    def __init__(
        self, allowed: Iterable[re.Pattern[str]] | None, redirect_to: Iterable[str] = ()
    ) -> None:
        self._allowed = tuple(allowed or ())
        self._redirect_to = tuple(redirect_to)

    def allows(self, address: str) -> bool:
        """Whether mail may go to an address of an envelope."""
        return address in self._redirect_to or any(
            pattern.fullmatch(address) for pattern in self._allowed
        )

    def destinations(self, recipients: Iterable[str]) -> tuple[str, ...]:
        """Return who gets what is for `recipients`: in order, each once."""
        allowed = {each: self.allows(each) for each in recipients}
        # Who is among the recipients anyway gets no second copy for another spelling.
        there = {each.translate(_LOWER) for each, is_allowed in allowed.items() if is_allowed}
        others = [each for each in self._redirect_to if each.translate(_LOWER) not in there]
        found: dict[str, None] = {}
        for each, is_allowed in allowed.items():
            found.update(dict.fromkeys((each,) if is_allowed else others))
        return tuple(found)

    def guarded(self, mail: Outgoing) -> Outgoing:
        """Return `mail` with an envelope of recipients that are allowed, and no others.

        :raises MessageRefused: there is none.
        """
        recipients = mail.envelope.recipients
        outside = [each for each in recipients if not self.allows(each)]
        if not outside:
            return mail
        if self._redirect_to:
            return self._redirected(mail, outside)
        refusal = Refusal(550, "5.7.1", f"not allowed by {ALLOWED}; nobody was asked")
        refused = dict.fromkeys(outside, refusal)
        if len(outside) == len(recipients):
            raise MessageRefused(
                f"Nothing was sent: {ALLOWED} allows none of the recipients, such as"
                f" {describe(outside[0])}. Add them there, or set {REDIRECT}.",
                refused=refused,
                attempts=0,
            )
        _log.warning(
            "%s: not sent to %d of %d recipients, which %s does not allow",
            *(mail.message_id, len(outside), len(recipients), ALLOWED),
        )
        envelope = replace(mail.envelope, recipients=self.destinations(recipients))
        octets: Any = mail.octets
        return Outgoing(envelope, octets, mail.message_id, mail.message, refused)

    def _redirected(self, mail: Outgoing, outside: list[str]) -> Outgoing:
        _log.info(
            "%s: redirected from %d recipients by %s", mail.message_id, len(outside), REDIRECT
        )
        envelope = replace(mail.envelope, recipients=self.destinations(mail.envelope.recipients))
        if not set(envelope.recipients) <= set(self._redirect_to):
            # It has other readers, who must not learn of blind copies.
            shown = _shown_recipients(mail.message)
            outside = [each for each in outside if each in shown]
        header = "".join(f"{unstructured(_HEADER, each)}\r\n" for each in outside).encode()
        octets: Any = mail.octets
        whole = isinstance(octets, bytes)
        octets = header + octets if whole else Content((header, *octets.pieces))
        return Outgoing(envelope, octets, mail.message_id, mail.message)


def _shown_recipients(message: Message) -> set[str]:
    return {
        each.addr_spec
        for field in (message.recipients, message.cc)
        for each in parse_addresses(field, "recipient")
    }
