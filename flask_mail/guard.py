"""Whom mail may reach: what keeps the mail of a staging server with those who test it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import replace
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any

from .addresses import parse_address, parse_addresses
from .content import Content
from .errors import MessageError, MessageRefused
from .headers import unstructured
from .idn import domain_to_ascii
from .outgoing import Outgoing, Refusal
from .texts import describe

if TYPE_CHECKING:
    from .message import Message

_log = logging.getLogger("flask_mail")

ALLOWED = "MAIL_ALLOWED_RECIPIENTS"
REDIRECT = "MAIL_REDIRECT_TO"

_LONGEST = 1000  # characters of a pattern
# In the environment. A comma within /.../ belongs to it.
_ITEM = re.compile(r"\s*/.+?/(?=\s*(?:,|\Z))|[^,]+", re.DOTALL)
# To Unicode, "\u017f" is an "s" in another case, and the mailbox is another all the same.
_ANY_CASE = re.IGNORECASE | re.ASCII
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)  # no other letter becomes one of these
_HEADER = "X-Original-To"
_KINDS = (
    'a list of addresses, patterns such as "*@example.com", and regular expressions, compiled or as'
    ' "/.../"'
)


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


def to_patterns(value: object) -> tuple[re.Pattern[str], ...]:
    """Read the addresses, patterns and regular expressions that an address may match.

    An empty string is an empty list, as is one of blanks and commas: nobody is allowed.
    """
    return tuple(_pattern(each) for each in _listed(value))


def to_addresses(value: object) -> tuple[str, ...]:
    """Read one address or several; none would let mail out to everybody."""
    try:
        addresses = parse_addresses(_listed(value), "recipient")
    except (MessageError, ValueError):
        addresses = ()
    if not addresses:
        raise ValueError("an address, or a list of them")
    return tuple(each.addr_spec for each in addresses)


def _listed(value: object) -> list[Any]:
    if isinstance(value, str):
        return [each.strip() for each in _ITEM.findall(value) if each.strip()]
    if isinstance(value, re.Pattern):
        return [value]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    raise ValueError(_KINDS)


def _is_expression(text: str) -> bool:
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def _pattern(value: object) -> re.Pattern[str]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        return value
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError(_KINDS)
    try:
        if _is_expression(value):
            return re.compile(value[1:-1], _ANY_CASE)
        local, at, domain = value.strip().rpartition("@")
        if "*" not in value:
            address = parse_address(value, "address")
            local, domain = address.local, address.domain
        elif not (local and at and domain) or "@" in local:
            raise ValueError  # caught below
        else:
            domain = _domain(domain)
    except (MessageError, ValueError, re.error, RecursionError, OverflowError):
        raise ValueError(f"{_KINDS}; {describe(value)} is none of these") from None
    # No part of a domain holds an @, so that what stands for the local part ends at the last one.
    written = f"{_wildcard(local, '.*', 'l')}@{_wildcard(domain, '[^@]*', 'd')}"
    return re.compile(written, _ANY_CASE | re.DOTALL)


def _domain(domain: str) -> str:
    if "*" not in domain:
        return domain_to_ascii(domain)
    if domain.startswith("["):  # an address literal, which has no labels
        return domain
    return ".".join(map(_label, domain.split(".")))


def _label(label: str) -> str:
    if "*" not in label:
        return domain_to_ascii(label)
    # A part of a label that is not ASCII has no ASCII form; of one that is, a star leaves a label.
    domain_to_ascii(label.replace("*", "x") if label.isascii() else label)
    return label


def _wildcard(text: str, anything: str, name: str) -> str:
    first, *others = map(re.escape, re.split(r"\*+", text))
    if not others:
        return first
    # What stands between two stars is taken where it is found first. To try all the other places
    # too would find nothing more, and take a time that grows with the power of the stars.
    between = (
        f"(?=(?P<{name}{number}>{anything}?{each}))(?P={name}{number})"
        for number, each in enumerate(others[:-1])
    )
    return f"{first}{''.join(between)}{anything}{others[-1]}"


def _shown_recipients(message: Message) -> set[str]:
    return {
        each.addr_spec
        for field in (message.recipients, message.cc)
        for each in parse_addresses(field, "recipient")
    }
