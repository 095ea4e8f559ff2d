"""Recipient allow-list and redirection for staging servers."""

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

if TYPE_CHECKING:
    from ..message.message import Message
    from .outgoing import Outgoing

_log = logging.getLogger("flask_mail")

ALLOWED = "MAIL_ALLOWED_RECIPIENTS"
REDIRECT = "MAIL_REDIRECT_TO"

_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)  # no other letter becomes one of these
_HEADER = "X-Original-To"


class Guard:
    """Restrict envelopes to allowed recipients.

    :param allowed: patterns, one of which must match the whole address; with ``None``, only
        `redirect_to` is allowed.
    :param redirect_to: addresses that get the mail of other recipients. If empty, other recipients
        are refused.
    """

    def __init__(
        self, allowed: Iterable[re.Pattern[str]] | None, redirect_to: Iterable[str] = ()
    ) -> None:
        self._allowed = tuple(allowed or ())
        self._redirect_to = tuple(redirect_to)

    def allows(self, address: str) -> bool:
        """Return True if mail may go to this envelope address."""
        return address in self._redirect_to or any(
            pattern.fullmatch(address) for pattern in self._allowed
        )

    def destinations(self, recipients: Iterable[str]) -> tuple[str, ...]:
        """Return the envelope recipients of mail to `recipients`, in order, without duplicates."""
        allowed = {each: self.allows(each) for each in recipients}
        # A recipient who gets the mail anyway gets one copy, even if spelled differently.
        there = {each.translate(_LOWER) for each, is_allowed in allowed.items() if is_allowed}
        others = [each for each in self._redirect_to if each.translate(_LOWER) not in there]
        found: dict[str, None] = {}
        for each, is_allowed in allowed.items():
            found.update(dict.fromkeys((each,) if is_allowed else others))
        return tuple(found)

    def guarded(self, mail: Outgoing) -> Outgoing:
        """Return `mail` with an envelope of allowed recipients only.

        :raises MessageRefused: no recipient is allowed.
        """
        recipients = mail.envelope.recipients
        outside = [each for each in recipients if not self.allows(each)]
        if not outside:
            return mail
        if self._redirect_to:
            return self._redirected(mail, outside)
        refusal = Refusal(550, "5.7.1", f"not allowed by {ALLOWED}; no server was asked")
        refused = dict.fromkeys(outside, refusal)
        if len(outside) == len(recipients):
            raise MessageRefused(
                f"Nothing was sent: {ALLOWED} does not allow any of the recipients (for example"
                f" {describe(outside[0])}). Add them there, or set {REDIRECT}.",
                refused=refused,
                attempts=0,
            )
        _log.warning(
            "%s: not sent to %d of %d recipients, which %s does not allow",
            *(mail.message_id, len(outside), len(recipients), ALLOWED),
        )
        envelope = replace(mail.envelope, recipients=self.destinations(recipients))
        return mail.with_envelope(envelope, withheld=refused)

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
        return mail.with_envelope(envelope).with_octets(octets)


def _shown_recipients(message: Message) -> set[str]:
    return {
        each.addr_spec
        for field in (message.recipients, message.cc)
        for each in parse_addresses(field, "recipient")
    }
