"""Entries of the list of messages, and the criteria of a search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..mime.html_text import text_of_html
from .rendered import Letter

if TYPE_CHECKING:
    from datetime import datetime

    from ..backends.values import StoredMessage
    from .sources import Entry

_MOST_TEXT: Final = 20_000
"""Characters of a message's text that a search looks at."""
_MOST_SNIPPED: Final = 5_000
"""Characters from which the snippet is made."""
_SNIPPET: Final = 140
_LEAST: Final = 1000
_MOST_NAMES: Final = 300
# Characters without width, with which HTML fills the preview line of mail programs.
_INVISIBLE: Final = re.compile("[\u00ad\u034f\u061c\u115f\u200b-\u200f\u2060-\u2064\ufeff]")
_RULE: Final = re.compile(r"[-=_*#~]{3,}")
_MAILBOX: Final = re.compile(r"([^<>,]*)<([^<>]*)>")


@dataclass(frozen=True, slots=True)
class Summary:
    """Entry of a message in the list."""

    id: str
    moment: datetime
    sender: str
    to: str
    subject: str
    size: int
    attachments: int
    recipients: tuple[str, ...]
    """The recipients of the envelope; empty if it is unknown."""
    text: str
    snippet: str
    """The beginning of the text, on one line."""
    error: str
    backend: str
    mailer: str
    """Empty if it is unknown."""
    outcome: str
    reason: str
    """The reason if it was not sent."""

    @classmethod
    def of(cls, entry: Entry, stored: StoredMessage) -> Summary:
        letter = Letter.of(stored.content)
        return cls(
            entry.id,
            entry.kept.date,
            letter.header("from"),
            ", ".join(filter(None, (letter.header("to"), letter.header("cc")))),
            letter.subject,
            stored.size,
            len(letter.attachments),
            stored.envelope.recipients if stored.envelope else (),
            f"{letter.text or ''}\n{letter.html or ''}"[:_MOST_TEXT].casefold(),
            snippet_of(letter),
            stored.error or letter.error,
            entry.backend,
            stored.mailer or entry.mailer,
            entry.outcome,
            entry.reason,
        )

    @property
    def length(self) -> int:
        """About the number of characters that it needs in memory."""
        return _LEAST + sum(map(len, (self.text, self.to, self.subject, *self.recipients)))

    @property
    def from_name(self) -> str:
        """The name of the sender, else the address."""
        return names_in(self.sender)

    @property
    def to_names(self) -> str:
        """The names of the recipients, each else its address."""
        return names_in(self.to or ", ".join(self.recipients))


@dataclass(frozen=True, slots=True)
class Query:
    """Search criteria; a message must match all of them."""

    words: str = ""
    """In the addresses, the subject, the text or the mailer; each of the words."""
    to: str = ""
    """In the address of a recipient, blind copies too."""
    subject: str = ""
    since: datetime | None = None

    def matches(self, summary: Summary) -> bool:
        """Return True if a message matches, ignoring case."""
        recipients = " ".join((summary.to, *summary.recipients)).casefold()
        subject = summary.subject.casefold()
        others = (summary.sender.casefold(), summary.mailer.casefold(), summary.text)
        return (
            (self.since is None or summary.moment > self.since)
            and self.to.casefold() in recipients
            and self.subject.casefold() in subject
            and all(
                any(word in text for text in (recipients, subject, *others))
                for word in self.words.casefold().split()
            )
        )


def snippet_of(letter: Letter) -> str:
    """Return the beginning of the text of a message, else of its HTML, on one line."""
    text = (letter.text or "")[:_MOST_SNIPPED]
    if not text.strip():
        text = text_of_html((letter.html or "")[:_MOST_SNIPPED])
    words = _RULE.sub(" ", _INVISIBLE.sub("", text)).split()
    line = " ".join(words[:_SNIPPET])
    return line if len(line) <= _SNIPPET else f"{line[:_SNIPPET].rstrip()}…"


def names_in(mailboxes: str) -> str:
    """Return the value of an address header with only the names of mailboxes that have one."""
    return _MAILBOX.sub(_name, mailboxes[:_MOST_NAMES]).strip()


def _name(mailbox: re.Match[str]) -> str:
    before, address = mailbox.groups()
    name = before.strip().strip('"').strip()
    return f"{before[: len(before) - len(before.lstrip())]}{name or address}"
