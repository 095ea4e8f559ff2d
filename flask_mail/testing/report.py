"""Messages of failing assertions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ..delivery.policy import DEFAULT

if TYPE_CHECKING:
    from ..message.message import Message
    from .matching import Criteria
    from .sent import Sent

_MOST_ROWS: Final = 50
_LONGEST_ITEM: Final = 60
_HEADING: Final = ("#", "to", "subject", "from", "mailer", "parts")
_MAILER: Final = _HEADING.index("mailer")


def counted(number: int) -> str:
    """Return "1 message was" or "2 messages were"."""
    return "1 message was" if number == 1 else f"{number} messages were"


def failure(criteria: Criteria, sent: Sequence[Sent], found: int, count: int | None) -> str:
    """Return the expectations, and the nearest message if none matches.

    :param found: the number of matching messages, which is not `count`.
    """
    if count is None:
        head = "No message was sent with"
    elif count == 0:
        head = f"{counted(found)} sent, but none was expected, with"
    else:
        head = f"{counted(found)} sent, but {count} expected, with"
    expected = "\n".join(_lines(criteria.lines())) or "  (anything)"
    if found or not sent:
        return f"{head}\n{expected}"
    misses = [(criteria.misses(each), -number) for number, each in enumerate(sent, 1)]
    nearest, number = min(misses, key=lambda each: (len(each[0]), each[1]))
    lines = [head, expected, "", f"The nearest is message {-number}, which has", *_lines(nearest)]
    return "\n".join(lines)


def table(sent: Sequence[Sent]) -> str:
    """Return a table of the sent messages."""
    if not sent:
        return "Nothing was sent."
    rows: list[tuple[str, ...]] = [_HEADING]
    for number, each in enumerate(sent[:_MOST_ROWS], 1):
        message = each.message
        sender = listed([str(message.sender)])
        rows.append(
            (
                str(number),
                listed(each.envelope.recipients),
                plain(repr(str(message.subject)), 60),
                sender,
                each.receipt.mailer,
                _parts(message),
            )
        )
    if {row[_MAILER] for row in rows[1:]} <= {"", DEFAULT}:
        rows = [row[:_MAILER] + row[_MAILER + 1 :] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if len(sent) > _MOST_ROWS:
        lines.append(f"... and {len(sent) - _MOST_ROWS} more")
    return "\n".join([f"{counted(len(sent))} sent:", *(f"  {line}" for line in lines)])


def remarks(failed: Sequence[Message], notes: Iterable[str]) -> str:
    """Return possible reasons: messages that failed on demand, and notes."""
    lines = list(notes)
    if failed:
        subjects = listed([str(each.subject) for each in failed])
        lines.insert(0, f"{counted(len(failed))} not sent, as the test requested: {subjects}")
    return "\n".join(lines)


def listed(items: Iterable[str], most: int = 3) -> str:
    """Return the first few items on one line, and the number of the others."""
    shown = list(items)
    more = f", and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(plain(each, _LONGEST_ITEM) for each in shown[:most]) + more


def plain(text: str, longest: int) -> str:
    """Return `text` on one line, shortened, with unprintable characters escaped."""
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:longest])
    return shown if len(text) <= longest else f"{shown}..."


def _parts(message: Message) -> str:
    found = ["text"] if message.body else []
    found += sorted(message.alts)
    found += (
        str(each.filename or f"{each.content_type} without a name") for each in message.attachments
    )
    return listed(found, most=5)


def _lines(fields: Iterable[tuple[str, str]]) -> Iterator[str]:
    rows = list(fields)
    width = max((len(name) for name, _ in rows), default=0)
    for name, shown in rows:
        yield f"  {name:<{width}}  {shown}"
