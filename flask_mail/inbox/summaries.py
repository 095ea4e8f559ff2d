"""Entries of the list of messages, and the criteria of a search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..mime.html_tags import decode_references, read_attributes
from ..mime.html_text import text_of_html
from .rendered import ParsedContent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ..backends.values import StoredMessage
    from .sources import Entry

MOST_SEARCHED: Final = 20_000
"""Characters of a message's text that a search looks at."""
_MOST_MARKUP: Final = 10 * MOST_SEARCHED
"""Characters of HTML from which they are taken."""
_MOST_SNIPPED: Final = 5_000
"""Characters from which the snippet is made."""
_SNIPPET: Final = 140
_LEAST: Final = 1000
_MOST_NAMES: Final = 300
# Characters without width, with which HTML fills the preview line of mail programs.
_INVISIBLE: Final = re.compile("[\u00ad\u034f\u061c\u115f\u200b-\u200f\u2060-\u2064\ufeff]")
_RULE: Final = re.compile(r"[-=_*#~]{3,}")
# In linear time: what has no end goes to the end of the HTML, and a tag ends before the next one.
_MARKUP: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(style|script)\b.*?(?:</\1[^<>]*>?|\Z)|</?[a-z!?][^<>]*>?",
    re.DOTALL | re.IGNORECASE,
)
_LINKS_AND_IMAGES: Final = re.compile(r"<(?:a|area|img)\s([^<>]*)", re.IGNORECASE)
_SHOWN: Final = frozenset({"alt", "href", "title"})
"""Attributes that readers see or copy."""
_ESCAPED: Final = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Summary:
    """Entry of a message in the list."""

    id: str
    moment: datetime
    sender: str
    from_name: str
    """The name of the sender, else the address."""
    to: str
    to_names: str
    """The names of the recipients, each else its address; shortened."""
    subject: str
    size: int
    attachments: int
    recipients: tuple[str, ...]
    """The recipients of the envelope; empty if it is unknown."""
    searched: str
    """The text for searches, ignoring case."""
    is_cut: bool
    """True if its text is longer than what a search looks at."""
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
        parsed = ParsedContent.of(stored.content)
        sender, subject = parsed.header("from"), parsed.subject
        to = ", ".join(filter(None, (parsed.header("to"), parsed.header("cc"))))
        recipients = stored.envelope.recipients if stored.envelope else ()
        mailer = stored.mailer or entry.mailer
        text, html = parsed.text or "", parsed.html or ""
        names = (part.name for part in parsed.attachments)
        texts = "\n".join((*names, text, *parsed.others.values(), words_of(html[:_MOST_MARKUP])))
        others = "\n".join((subject, sender, to, mailer, *recipients))
        return cls(
            entry.id,
            entry.kept.date,
            sender,
            names_of(parsed.mailboxes("from")),
            to,
            names_of(parsed.mailboxes("to", "cc") or recipients),
            subject,
            stored.size,
            len(parsed.attachments),
            recipients,
            f"{others}\n{texts[:MOST_SEARCHED]}".casefold(),
            len(texts) > MOST_SEARCHED or len(html) > _MOST_MARKUP,
            snippet_of(parsed),
            stored.error or parsed.error,
            entry.backend,
            mailer,
            entry.outcome,
            entry.reason,
        )

    @property
    def length(self) -> int:
        """About the number of characters that it needs in memory."""
        return (
            _LEAST + len(self.searched) + sum(map(len, (self.to, self.subject, *self.recipients)))
        )


@dataclass(frozen=True, slots=True)
class Query:
    """Search criteria; a message must match all of them."""

    words: str = ""
    """In the addresses, subject, text, mailer or names of attachments; each of the words."""
    to: str = ""
    """In the address of a recipient, blind copies too."""
    subject: str = ""
    since: datetime | None = None
    """Only messages after this moment."""

    def matches(self, summary: Summary) -> bool:
        """Return True if a message matches, ignoring case; :attr:`since` is left to the caller."""
        return (
            all(word in summary.searched for word in self.words.casefold().split())
            and self.subject.casefold() in summary.subject.casefold()
            and self.to.casefold() in " ".join((summary.to, *summary.recipients)).casefold()
        )


def words_of(html: str) -> str:
    """Return the text of HTML for a search: without tags, but with links and alternative texts."""
    text = decode_references(_MARKUP.sub("", html))
    given = (read_attributes(each).items() for each in _LINKS_AND_IMAGES.findall(html))
    values = (value for attributes in given for name, value in attributes if name in _SHOWN)
    return "\n".join((text if text.isascii() else _INVISIBLE.sub("", text), *values))


def snippet_of(parsed: ParsedContent) -> str:
    """Return the beginning of the text of a message, else of its HTML, on one line."""
    text = (parsed.text or "")[:_MOST_SNIPPED]
    if not text.strip():
        text = text_of_html((parsed.html or "")[:_MOST_SNIPPED])
    words = _RULE.sub(" ", _INVISIBLE.sub("", text)).split()
    line = " ".join(words[:_SNIPPET])
    return line if len(line) <= _SNIPPET else f"{line[:_SNIPPET].rstrip()}…"


def names_of(mailboxes: Iterable[str]) -> str:
    """Return the names of mailboxes, each else its address, up to about 300 characters."""
    names: list[str] = []
    length = 0
    for each in mailboxes:
        names.append(_name(each))
        length += len(names[-1])
        if length > _MOST_NAMES:
            break
    return ", ".join(names)[:_MOST_NAMES]


def _name(mailbox: str) -> str:
    name, _, address = mailbox.rpartition("<")
    name = name.strip()
    if name.startswith('"') and name.endswith('"'):
        name = _ESCAPED.sub(r"\1", name[1:-1]).strip()
    return name or address.rstrip("> ")
