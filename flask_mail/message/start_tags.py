"""The start tags of HTML with their positions, as browsers parse them, in linear time. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_START: Final = re.compile(r"<([A-Za-z][^ \t\r\n\f/>]*)")
_ATTRIBUTE: Final = re.compile(
    r"[ \t\r\n\f/]*(?P<name>=?[^ \t\r\n\f/>=]+)"
    r"(?:[ \t\r\n\f]*=[ \t\r\n\f]*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'"
    r"|(?P<bare>[^ \t\r\n\f>\"'][^ \t\r\n\f>]*)|(?=>)))?"
)
_CONDITION: Final = re.compile(r"\[(if|endif)\b", re.IGNORECASE)
_COMMENT_END: Final = re.compile("--!?>")
_RAW: Final = frozenset(
    {"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"}
)


class StartTag(NamedTuple):
    """A start tag of the source."""

    name: str
    """In lower case."""
    name_end: int
    end: int
    attributes: dict[str, re.Match[str]]
    """By name in lower case; the first of duplicates. Values are not decoded."""
    repeated: list[re.Match[str]]
    """The others of duplicates."""
    is_conditional: bool
    """True after ``<![if !mso]>`` or the like, which hides it from some mail programs."""
    content_end: int
    """The end of its text if it has no tags, as that of a style sheet; else, of the tag."""

    def get(self, name: str) -> str:
        """Return the value of an attribute, or an empty string."""
        found = self.attributes.get(name)
        return "" if found is None else found["double"] or found["single"] or found["bare"] or ""


def start_tags(html: str) -> Iterator[StartTag]:
    """Yield the start tags of HTML."""
    at = 0
    is_conditional = False
    while (at := html.find("<", at)) >= 0:
        if html.startswith(("<!", "<?", "</"), at):
            start_at = at
            if html.startswith("<!--", at):
                comment = _COMMENT_END.search(html, at + 2)
                at = comment.end() if comment else len(html)
            else:
                at = html.find(">", at) + 1 or len(html)
            # A comment for Outlook alone contains both "if" and "endif": the last one decides.
            if (condition := _CONDITION.findall(html, start_at, at)) and html[start_at + 1] == "!":
                is_conditional = condition[-1].lower() == "if"
        elif start := _START.match(html, at):
            tag = _read_tag(html, start, is_conditional)
            if tag is None:  # an unclosed tag swallows the rest
                return
            yield tag
            at = tag.content_end
        else:
            at += 1


def _read_tag(html: str, start: re.Match[str], is_conditional: bool) -> StartTag | None:
    attributes: dict[str, re.Match[str]] = {}
    repeated = []
    at = start.end()
    while found := _ATTRIBUTE.match(html, at):
        if attributes.setdefault(found["name"].lower(), found) is not found:
            repeated.append(found)
        at = found.end()
    end = html.find(">", at) + 1
    if not end or html.startswith("=", at):  # a quotation mark is never closed
        return None
    name = start[1].lower()
    content_end = _end_of_text(html, name, end) if name in _RAW else end
    return StartTag(name, start.end(), end, attributes, repeated, is_conditional, content_end)


def _end_of_text(html: str, name: str, start: int) -> int:
    closing = re.compile(rf"</{name}(?=[ \t\r\n\f/>])", re.IGNORECASE).search(html, start)
    return closing.start() if closing else len(html)
