"""Layout of words, links and images as lines of text. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

_DEEPEST: Final = 24  # characters of indentation; unlimited, nested quotes would fill gigabytes

_SPACES = re.compile("[ \t\n\r\f\xa0\u2007\u202f\u2028\u2029]+")
_LINE_END = re.compile("\r\n|[\r\n\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")
_IN_URLS = re.compile("[\x00-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")
# Mails pad their preheader with runs of zero-width characters. A single one has a meaning.
_FILLING = re.compile("[ \xad\u034f\u180e\u200b-\u200d\u2060]{2,}")
_JOINERS: Final = ("\u200c", "\u200d")

_NO_URLS: Final = ("#", "javascript:", "vbscript:", "data:")
_UNSAID = re.compile(r"(?:https?://)?(?:www\.)?", re.IGNORECASE)  # people omit it from URLs
_NO_DIGITS = re.compile(r"[^0-9]+")


class Line(NamedTuple):
    """A complete line of text."""

    lead: str
    """Indentation and markers before the text."""
    text: str
    apart: bool
    """A blank line comes before it."""
    prefix: str
    """Indentation of further lines of the same element."""


@dataclass(slots=True)
class Link:
    """A link that is being read."""

    url: str
    depth: int
    start: int
    """Index of its first part in the line."""
    lines: int
    """Number of lines before it."""
    pictured: bool = False


class Prose:
    """Collects pieces of text into lines."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.apart = False
        self.prefix = self.marker = ""
        self.pre = False
        self.breaks = False  # keep line ends, collapse spaces
        self.link: Link | None = None
        self._parts: list[str] = []
        self._joint = -1  # number of parts after which a word needs a space

    def add(self, text: str) -> None:
        """Add text to the line."""
        if self.breaks and not self.pre and _LINE_END.search(text):
            first, *others = _LINE_END.split(text)
            self._add(first)
            for each in others:
                self.break_line()
                self._add(each)
        else:
            self._add(text)

    def _add(self, text: str) -> None:
        parts = self._parts
        if not parts and not self.pre and text.isspace():
            return
        if len(parts) == self._joint and text[:1].isalnum():
            parts.append(" ")
        parts.append(text)

    def add_image(self, alt: str) -> None:
        """Add the alternative text of an image to the line, as a separate word."""
        if self.link:
            self.link.pictured = True
        if alt and not alt.isspace():
            parts = self._parts
            if parts and (len(parts) == self._joint or parts[-1][-1:].isalnum()):
                parts.append(" ")
            parts.append(alt)
            self._joint = len(parts)

    def break_line(self) -> None:
        """End the line; two of these make a blank line."""
        if self.pre:
            self._parts.append("\n")
        elif not self.end_line():
            self.apart = True

    def end_line(self, apart: bool = False) -> bool:
        """End the line unless it is empty; return True if a line was added.

        :param apart: insert a blank line before the next.
        """
        written = len(self.lines)
        if self._parts:
            text = "".join(self._parts)
            link = self.link
            begins = link and not _collapse("".join(self._parts[link.start :]))
            self._parts.clear()
            self._joint = -1
            if self.pre:
                self._write_lines(text)
            elif line := _collapse(text):
                self.write(line)
            if link:
                link.start = 0
                if begins and link.lines == written:
                    link.lines = len(self.lines)  # the line that ended precedes the link
        self.apart |= apart
        return len(self.lines) > written

    def write(self, text: str) -> None:
        """Add a line."""
        self.lines.append(Line(self.marker or self.prefix, text, self.apart, self.prefix))
        self.marker = ""
        self.apart = False

    def indent(self, marker: str, rest: str) -> None:
        """Put `marker` before the next line, and `rest` before those that follow."""
        if len(self.prefix) < _DEEPEST:
            self.marker = (self.marker or self.prefix) + marker
            self.prefix += rest
        else:
            self.marker = self.prefix + marker

    def start_link(self, url: str, depth: int) -> None:
        """Begin a link, which ends at the latest with an element at a lower depth."""
        if self.link:
            self.end_link()
        url = "%20".join(_IN_URLS.sub("", url).split())
        if url and not url.lower().startswith(_NO_URLS):
            self.link = Link(url, depth, len(self._parts), len(self.lines))

    def end_link(self) -> None:
        """End the link, if any, and add its URL after its text."""
        link, self.link = self.link, None
        if not link:
            return
        url = _shown(link.url)
        text = "".join(self._parts[link.start :])
        if words := _collapse(text):
            end = text.rstrip()
            named = _names(words, link.url)
            start = text[: len(text) - len(text.lstrip())]
            self._parts[link.start :] = [
                f"{start}{url}" if named else f"{end} ({url})",
                text[len(end) :],
            ]
            self._joint = len(self._parts)
        elif len(self.lines) > link.lines:
            last = self.lines[-1]
            named = _names(last.text, link.url)
            self.lines[-1] = last._replace(text=url if named else f"{last.text} ({url})")
        elif link.pictured:
            self._parts.append(url)
            self._joint = len(self._parts)

    def text(self) -> str:
        """Return the lines as text that ends with a line end."""
        written: list[str] = []
        before = ""
        for lead, text, apart, prefix in self.lines:
            if apart and written:
                written.append(_shared(before, prefix).rstrip())
            written.append(lead + text)
            before = prefix
        return "\n".join([*written, ""])

    def _write_lines(self, text: str) -> None:
        text = _LINE_END.sub("\n", text).replace("\xa0", " ")
        for line in _CONTROLS.sub("", text).split("\n"):
            if kept := line.rstrip():
                self.write(kept)
            else:
                self.apart = True


def _shared(prefix: str, other: str) -> str:
    same = 0
    for one, two in zip(prefix, other, strict=False):
        if one != two:
            break
        same += 1
    return prefix[:same]


def _collapse(text: str) -> str:
    line = " ".join(text.split()) if text.isascii() else _SPACES.sub(" ", text).strip(" ")
    if line.isprintable():
        return line
    return _FILLING.sub(_without_filling, f" {_CONTROLS.sub('', line)} ").strip(" ")


def _without_filling(found: re.Match[str]) -> str:
    # A single joiner at the end of a word changes the shape of its last letter.
    run = found[0]
    if run.startswith(_JOINERS) and not run[1:].strip(" "):
        return f"{run[0]} "
    return " " if " " in run else ""


def _shown(url: str) -> str:
    # Drop "mailto:" unless the URL has a query, such as a subject.
    if url[:7].lower() == "mailto:" and "@" in url and "?" not in url:
        return url[7:]
    return url[4:] if url[:4].lower() == "tel:" else url


def _names(text: str, url: str) -> bool:
    """Return True if a text is the URL, or as much of it as people write."""
    scheme, _, rest = url.partition(":")
    if scheme.lower() == "tel":
        return _NO_DIGITS.sub("", text) == _NO_DIGITS.sub("", rest)
    if scheme.lower() == "mailto":
        return text.lower() in (url.lower(), rest.partition("?")[0].lower())
    return " " not in text and _bare(text) == _bare(url)


def _bare(url: str) -> str:
    return _UNSAID.sub("", url, count=1).rstrip("/").lower()
