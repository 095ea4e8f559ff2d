"""Conversion of HTML to plain text, in linear time for any input. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from os.path import commonprefix
from typing import Final
from urllib.parse import urljoin

from .html_tags import RAW, decode_references, read_attributes, split_tags

_CELLS: Final = frozenset({"td", "th"})
_LISTS: Final = frozenset({"menu", "ol", "ul"})
_PARAGRAPHS: Final = frozenset(
    {"blockquote", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "p", "pre", "table"}
)
_BLOCKS: Final = frozenset(
    {
        *("address", "article", "aside", "caption", "center", "dd", "details", "div", "dt"),
        *("figcaption", "figure", "footer", "form", "header", "li", "main", "nav", "section"),
        *("summary", "tr", *_LISTS, *_PARAGRAPHS),
    }
)
_VOID: Final = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})
_DEEPEST: Final = 100  # open elements
_WIDEST: Final = 24  # characters of indentation; unlimited, nested quotes would fill gigabytes

_SPACES = re.compile("[ \t\n\r\f\xa0\u2007\u202f\u2028\u2029]+")
_LINE_END = re.compile("\r\n|[\r\n\f\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")
# People omit these from URLs, or write numbers with them.
_UNSAID = re.compile(r"\A(?:https?://|mailto:|tel:)?(?:www\.)?|[ ()-]|/\Z", re.IGNORECASE)

_HIDING = re.compile(r"(?<![\w-])(?:display\s*:\s*none|visibility\s*:\s*hidden)")
_WHITE_SPACE = re.compile(r"white-space\s*:\s*(pre-line|pre|break|normal|nowrap)")


def text_of_html(html: str) -> str:
    r"""Return the text of an HTML mail, for readers without HTML.

    Links are followed by their URLs, images are replaced by their ``alt`` text, lists and quotes
    keep their marks, the cells of a row share a line, and hidden content is dropped. Lines are not
    wrapped. No input raises, and no control characters but line ends and tabs come through.
    """
    return _Reader().read(html)


@dataclass(slots=True)
class _Element:
    """An open element, and what applies to the text in it."""

    name: str = ""
    hidden: bool = False
    space: str = ""
    indent: str = ""
    items: _Element | None = None  # the list
    number: int = 1  # of its next item


class _Reader:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.parts: list[str] = []  # of the next line
        self.apart = self.headed = False  # next comes a blank line; the table has a header
        self.marker = self.before = ""  # of the next line; indentation of the last one
        self.base = self.url = ""  # of the open link
        self.link = (0, 0)  # lines and parts before it
        self.open = [_Element()]

    def read(self, html: str) -> str:
        for text, tag, attributes in split_tags(html):
            if not self.open[-1].hidden:
                self.add(decode_references(text), self.open[-1].space)
            if tag[:1] == "/" and tag != "/br":  # browsers treat </br> as <br>
                self.end({tag[1:]})
            elif tag and tag != "!":
                self.start(tag.strip("/"), read_attributes(attributes))
        self.close(1)
        self.end_link()
        self.end_line()
        return "\n".join([*self.lines, ""])

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in _CELLS:
            self.end(_CELLS)
        elif tag in ("li", "tr"):
            self.end({tag})
        elif tag in _BLOCKS:
            self.end({"p"})
        style = attributes.get("style", "").lower()
        element = replace(self.open[-1], name=tag)
        element.hidden |= bool(
            tag in RAW | {"template", "xml"} or "hidden" in attributes or _HIDING.search(style)
        )
        own = ["pre"] if tag == "pre" else []
        element.space = [element.space, *own, *_WHITE_SPACE.findall(style)][-1]
        if not element.hidden:
            if tag in _BLOCKS:
                self.end_line(tag in _PARAGRAPHS or (tag in _LISTS and not element.items))
            self.enter(element, attributes)
        if tag not in _VOID and len(self.open) < _DEEPEST:
            self.open.append(element)

    def end(self, names: Set[str]) -> None:
        """End the innermost element of these names, unless it is outside of a table or list."""
        stops = names | ({"table", *_LISTS} if "li" in names else {"table"})
        depths = range(len(self.open) - 1, 0, -1)
        depth = next((each for each in depths if self.open[each].name in stops), 0)
        if self.open[depth].name in names:
            self.close(depth)

    def close(self, depth: int) -> None:
        """Close the elements from this depth on."""
        while len(self.open) > depth:
            element = self.open[-1]
            if not element.hidden:
                self.leave(element)
            self.open.pop()
            if element.indent != self.open[-1].indent:
                self.marker = ""

    def enter(self, element: _Element, attributes: Mapping[str, str]) -> None:
        """Write what precedes the content of an element."""
        tag, items = element.name, element.items
        if tag in _LISTS:
            element.items, element.number = element, 1
        elif tag == "li":
            self.indent(element, f"{items.number}. " if items and items.name == "ol" else "- ")
            if items:
                items.number += 1
        elif tag == "blockquote":
            self.indent(element, "> ")
        elif tag == "table":
            self.headed = False
        elif tag in _CELLS:
            self.headed |= tag == "th"
            self.add(" | " if self.headed and self.parts else " ")
        elif tag == "br":
            self.parts.append("\n")
        elif tag == "hr":
            self.add("---")
            self.end_line(apart=True)
        elif tag == "base":
            url = attributes.get("href", "").strip()
            self.base = self.base or url[:2000]  # each link repeats it
        elif tag == "a":
            self.start_link(attributes.get("href", ""))
        elif tag == "img":
            self.add(f" {attributes.get('alt', '')} ")
        elif tag == "area":
            self.end_line()
            self.start_link(attributes.get("href", ""))
            self.add(attributes.get("alt", ""))
            self.end_link()
            self.end_line()

    def leave(self, element: _Element) -> None:
        """Write what follows the content of an element."""
        tag = element.name
        if tag == "a":
            self.end_link()
        elif tag in _BLOCKS:
            self.end_line(tag in _PARAGRAPHS or (tag in _LISTS and not self.open[-2].items))

    def indent(self, element: _Element, marker: str) -> None:
        """Put a marker before the next line, and indent those that follow."""
        if len(self.marker or element.indent) < _WIDEST:
            self.marker = (self.marker or element.indent) + marker
            element.indent += marker if marker == "> " else " " * len(marker)

    def start_link(self, url: str) -> None:
        self.end_link()
        if self.parts and self.parts[-1].endswith(")"):
            self.parts.append(" ")
        url = "%20".join(_CONTROLS.sub("", re.sub("[\t\r\n]", "", url)).split())
        if url and not url.lower().startswith(("#", "javascript:", "vbscript:", "data:")):
            with suppress(ValueError):  # such as a bracket that is never closed
                url = urljoin(self.base, url)
            self.url, self.link = url, (len(self.lines), len(self.parts))

    def end_link(self) -> None:
        """End the link, if any, and add its URL after its text."""
        url, self.url = self.url, ""
        if not url:
            return
        lines, parts = self.link
        shown = url if "?" in url else re.sub("^(mailto|tel):", "", url, flags=re.IGNORECASE)
        text = "".join(self.parts[parts:])
        if words := text.strip():
            is_url = _UNSAID.sub("", words).lower() == _UNSAID.sub("", url).lower()
            self.parts[parts:] = [text.replace(words, shown if is_url else f"{words} ({shown})")]
        elif len(self.lines) > lines:
            self.lines[-1] += "" if self.lines[-1].endswith(shown) else f" ({shown})"
        else:
            self.add(f" {shown} ")

    def add(self, text: str, space: str = "") -> None:
        """Add text to the line; `space` is how CSS treats white space in it."""
        text = _CONTROLS.sub("", text)
        if space in ("pre", "break"):
            text = _LINE_END.sub("\n", text).replace("\xa0", " ")
        else:
            lines = _LINE_END.split(text) if space == "pre-line" else [text]
            text = re.sub(" ?\n ?", "\n", "\n".join(_SPACES.sub(" ", each) for each in lines))
            text = text if self.parts and not self.parts[-1][-1].isspace() else text.lstrip(" ")
        if text:
            self.parts.append(text)

    def end_line(self, apart: bool = False) -> None:
        """End the line unless it is empty; `apart` puts a blank line before the next."""
        text = "".join(self.parts)
        self.parts.clear()
        self.link = (self.link[0], 0)
        for line in map(str.rstrip, text.removesuffix("\n").split("\n") if text else ()):
            if line:
                indent = self.open[-1].indent
                if self.apart and self.lines:
                    self.lines.append(commonprefix((self.before, indent)).rstrip())  # noqa: RUF071
                self.lines.append((self.marker or indent) + line)
                self.marker, self.before = "", indent
            self.apart = not line
        self.apart |= apart
