"""Links and verification codes in a message."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

from ..mime.html_text import text_of_html
from ..util.text import describe

if TYPE_CHECKING:
    from ..message.message import Message

__unittest = True  # unittest ends tracebacks before this module, as __tracebackhide__ does

_URL: Final = re.compile(r"https?://[^\s<>\"\\^`{|}]+", re.IGNORECASE)
_ABSOLUTE: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PUNCTUATION: Final = ".,;:!?'*"  # no _ or -, with which tokens may end
_BRACKETS: Final = {")": "(", "]": "["}


def find_links(message: Message) -> list[str]:
    """Return the URLs in a message without duplicates, those of the HTML first.

    Of the HTML, only absolute URLs in the ``href`` of links: no ``mailto:``, no images.
    """
    found = _Hrefs.of(message.html or "")
    found += [_trimmed(each[0]) for each in _URL.finditer(message.body or "")]
    return list(dict.fromkeys(found))


def find_code(message: Message, digits: int = 6) -> str:
    """Return the only number with that many digits in the subject and text of a message.

    It may be written in two halves, as ``123 456`` or ``123-456``. URLs are ignored.

    :raises AssertionError: there is not exactly one such number.
    """
    __tracebackhide__ = True
    first, second = digits - digits // 2, digits // 2
    # Not part of a longer number, a phone number, an amount or a colour.
    before, after = r"(?<![\w.,#])(?<!\d[ -])", r"(?!\w|[.,]\d|[ -]\d)"
    wanted = re.compile(f"{before}([0-9]{{{first}}})[ \u00a0-]?([0-9]{{{second}}}){after}")
    texts = [str(message.subject), message.body or "", text_of_html(message.html or "")]
    found = {
        "".join(match.groups()) for text in texts for match in wanted.finditer(_URL.sub(" ", text))
    }
    if len(found) == 1:
        return found.pop()
    what = str(len(found)) if found else "none"
    shown = f": {', '.join(sorted(found))}" if found else ""
    raise AssertionError(
        f"Expected one code of {digits} digits in the message {describe(message.subject)}, but"
        f" found {what}{shown}."
    )


class _Hrefs(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @classmethod
    def of(cls, html: str) -> list[str]:
        parser = cls()
        parser.feed(html)
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            url = (value or "").strip()
            if name == "href" and tag in {"a", "area"} and _ABSOLUTE.match(url):
                self.found.append(url)


def _trimmed(url: str) -> str:
    # A URL may end a sentence; brackets may enclose it or belong to it.
    unopened = {close: url.count(close) - url.count(open_) for close, open_ in _BRACKETS.items()}
    end = len(url)
    while (last := url[end - 1]) in _PUNCTUATION or unopened.get(last, 0) > 0:
        if last in unopened:
            unopened[last] -= 1
        end -= 1
    return url[:end]
