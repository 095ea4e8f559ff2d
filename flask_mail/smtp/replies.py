"""Server replies (RFC 5321 section 4.2)."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..receipt import Refusal
from ..util.patterns import lazy_pattern

# Codes of RFC 4954 section 6 and RFC 5248 that belong to AUTH, whatever command they answer;
# 503 is "bad sequence of commands", such as "need EHLO and AUTH first".
_WANTS_LOGIN = (523, 530, 534, 535, 538)
_LOGIN_FIRST = lazy_pattern(r"\bauth", re.IGNORECASE)
_TLS_FIRST = lazy_pattern(r"(?<![\w/.])(?:(START)?TLS\b|SSL\b|encrypt)", re.IGNORECASE)

_TOO_MANY = lazy_pattern(r"too many (?:recipients|rcpts?)\b", re.IGNORECASE)

_ENOUGH = lazy_pattern(
    r"\btoo many (?:e-?mails|mails|messages|transactions)\b"
    r"|\b(?:per|this) (?:connection|session)\b",
    re.IGNORECASE,
)

# Amazon SES, Microsoft 365, Postfix, Gmail. A quota of a day does not recover within a batch.
_BUSY = lazy_pattern(
    r"\bthrottl|\brate\b|\bslow down\b|\btoo (?:fast|much mail)\b"
    r"|\btoo many (?:\w+ )*(?:connections|sessions|logins)\b"
    r"|\bconcurrent (?:\w+ )*connections?\b|\bthread limit\b",
    re.IGNORECASE,
)
_OF_A_DAY = lazy_pattern(r"\bdaily\b|\bday\b|\b24[ -]?h", re.IGNORECASE)

_ENHANCED = lazy_pattern(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


class Reply(NamedTuple):
    """A server's reply."""

    code: int
    """-1 if the line is not a valid reply."""
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()

    @property
    def answer(self) -> tuple[int, bytes]:
        """The reply as smtplib's errors take it."""
        return self.code, self.text.encode()

    @property
    def refuses(self) -> bool:
        """True if it is a refusal, temporary (4xx) or permanent (5xx)."""
        return 400 <= self.code < 600

    @property
    def is_too_many(self) -> bool:
        """True if there were too many recipients before, so that another transaction may succeed
        (RFC 5321 section 4.5.3.1.10; X.5.3 in RFC 3463)."""
        enhanced = self.refusal.enhanced
        # Without an enhanced code, 452 and 552 mean that; 4.2.2 is a full mailbox.
        is_meant = enhanced[1:] == ".5.3" if enhanced else self.code in (452, 552)
        return is_meant or _TOO_MANY.search(self.text) is not None

    @property
    def is_enough(self) -> bool:
        """True if the text refers to a limit of messages on this connection."""
        return _ENOUGH.search(self.text) is not None

    @property
    def is_busy(self) -> bool:
        """True if the text asks for fewer connections, or fewer messages in a time."""
        return (
            400 <= self.code < 500
            and (self.code == 432 or _BUSY.search(self.text) is not None)
            and _OF_A_DAY.search(self.text) is None
        )

    @property
    def may_accept_content(self) -> bool:
        """True if a positive reply can be one to content: its enhanced code must not concern an
        address (RFC 3463 section 3.2) or a failure."""
        enhanced = _ENHANCED.match(self.text)
        return enhanced is None or (enhanced[1][0] == "2" and not enhanced[1].startswith("2.1."))

    @property
    def advice(self) -> str:
        """Advice if the settings are the reason, and not the message; else empty.

        Options stand in place of their settings, as in ``{use_tls}``.
        """
        wants_login = self.code in _WANTS_LOGIN or (
            # Microsoft's "Client not authenticated to send mail".
            500 <= self.code < 600 and self.refusal.enhanced == "5.7.57"
        )
        if not wants_login and not (self.code == 503 and _LOGIN_FIRST.search(self.text)):
            return ""
        if self.code in (523, 538) or (self.code == 530 and _TLS_FIRST.search(self.text)):
            return "The server takes mail only over TLS: set {use_tls} or {use_ssl}."
        return (
            "The server takes mail only after login: set {username}, and {password} or"
            " {oauth2_token}."
        )

    @property
    def refusal(self) -> Refusal:
        """The reply with its enhanced status code parsed (RFC 3463)."""
        enhanced = _ENHANCED.match(self.text)
        if enhanced:
            return Refusal(self.code, enhanced[1], self.text[enhanced.end() :])
        return Refusal(self.code, "", self.text)


def reply_of(answer: tuple[int, str | bytes]) -> Reply:
    """Return a :class:`Reply` of what smtplib read, made :func:`printable`."""
    code, words = answer
    text = words if isinstance(words, str) else words.decode("utf-8", "replace")
    return Reply(code, printable(text))


def printable(text: str) -> str:
    """Return `text` on one line, with control characters made visible."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
