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
    {
        *("blockquote", "caption", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr"),
        *("p", "pre", "table"),
    }
)
_BLOCKS: Final = frozenset(
    {
        *("address", "article", "aside", "center", "dd", "details", "div", "dt"),
        *("fieldset", "figcaption", "footer", "form", "header", "legend", "li", "main", "nav"),
        *("option", "section", "summary", "tr", *_LISTS, *_PARAGRAPHS),
    }
)
_VOID: Final = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})
# Start tags that end an open element, such as a paragraph, unless it is outside of another.
_ENDED_BY: Final[dict[str, tuple[Set[str], Set[str]]]] = {
    **dict.fromkeys(_BLOCKS, ({"p"}, _CELLS)),
    **dict.fromkeys(_CELLS, (_CELLS, {"table"})),
    **dict.fromkeys(("tbody", "tfoot", "thead", "tr"), ({"tr"}, {"table"})),
    "li": ({"li"}, _LISTS | {"table"}),
}
_DEEPEST: Final = 100  # open elements
_WIDEST: Final = 24  # characters of indentation; unlimited, nested quotes would fill gigabytes
_LONGEST_ROW: Final = 100  # longer cells of a layout are paragraphs
_CELL_END: Final = "\v"  # in a row that is not complete

_SPACES = re.compile("[ \t\n\r\f\xa0\u2007\u202f\u2028\u2029]+")
_LINE_END = re.compile("\r\n|[\r\n\f\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")
# Mails pad their preheader with runs of zero-width characters. A single one has a meaning.
_FILLING = re.compile("(?: ?[\xad\u034f\u180e\u200b-\u200d\u2060]){2,} ?")
# People omit these from URLs, or write numbers with them.
_UNSAID = re.compile(r"\A(?:https?://|mailto:|tel:)?(?:www\.)?|[ ()-]|/\Z", re.IGNORECASE)

_HIDING = re.compile(
    r"(?<![\w-])(?:display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0[.0]*\s*(?:[;!]|$))"
)
_FLAT = re.compile(r"(?<!line-)height\s*:\s*0(?!\.?[1-9])")
_CLIPPED = re.compile(r"overflow\s*:\s*hidden")
_HIDDEN_CLASS = re.compile(r"(?:\A|[},;/])\s*\.([\w-]+)\s*\{[^{}]*display\s*:\s*none")
_WHITE_SPACE = re.compile(r"white-space\s*:\s*(pre-line|pre|break|normal|nowrap)")


def text_of_html(html: str) -> str:
    r"""Return the text of an HTML mail, for readers without HTML.

    Links are followed by their URLs, images are replaced by their ``alt`` text, lists and quotes
    keep their marks, the cells of a row share a line, and hidden content is dropped. Lines are not
    wrapped and end with ``\n``. No input raises, and the only control characters in the result are
    line ends and tabs.
    """
    return _Reader().read(html)


@dataclass(slots=True)
class _Element:
    """An open element, and what applies to the text in it."""

    name: str = ""
    names: frozenset[str] = frozenset()  # its own and those of the elements around it
    hidden: bool = False
    space: str = ""
    indent: str = ""
    items: _Element | None = None  # the list
    number: int = 1  # of its next item
    table: _Element | None = None
    headed: bool = False
    row: int = 0  # lines before its current row


class _Reader:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.parts: list[str] = []  # of the next line
        self.apart = self.joined = False  # next comes a blank line; a word, which needs a space
        self.marker = self.before = ""  # of the next line; indentation of the last one
        self.base = self.url = ""  # of the open link
        self.link = (0, 0)  # lines and parts before it
        self.pictured = False  # it contains an image
        self.media = ""  # of the current style sheet
        self.hidden_classes: set[str] = set()
        self.open = [_Element()]

    def read(self, html: str) -> str:
        for text, tag, attributes in split_tags(html):
            if not self.open[-1].hidden:
                self.add(decode_references(text), self.open[-1].space)
            if tag == "/style" and self.media in ("", "all", "screen"):
                for_all = text.lower().partition("@media")[0]
                self.hidden_classes.update(_HIDDEN_CLASS.findall(for_all))
            if tag[:1] == "/" and tag != "/br":  # browsers treat </br> as <br>
                _, within = _ENDED_BY.get(tag[1:], ((), _CELLS))
                self.end({tag[1:]}, {"table"} if tag == "/table" else within)
            elif tag and tag != "!":
                self.start(tag.strip("/"), read_attributes(attributes))
        self.close(1)
        self.end_link()
        self.end_line()
        return "\n".join([*self.lines, ""])

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in _ENDED_BY:
            self.end(*_ENDED_BY[tag])
        style = attributes.get("style", "").lower()
        element = replace(self.open[-1], name=tag, names=self.open[-1].names | {tag})
        element.hidden |= bool(
            tag in RAW | {"template", "xml"}
            or "hidden" in attributes
            or _HIDING.search(style)
            or (_FLAT.search(style) and _CLIPPED.search(style))
            or self.hidden_classes.intersection(attributes.get("class", "").lower().split())
        )
        own = ["pre"] if tag == "pre" else []
        element.space = [element.space, *own, *_WHITE_SPACE.findall(style)][-1]
        if tag == "style":
            self.media = attributes.get("media", "").lower()
        if not element.hidden:
            if tag in _BLOCKS:
                self.end_line(tag in _PARAGRAPHS or (tag in _LISTS and not element.items))
            self.enter(element, attributes)
        if tag not in _VOID and len(self.open) < _DEEPEST:
            self.open.append(element)

    def end(self, names: Set[str], within: Set[str]) -> None:
        """End the innermost element of these names, unless it is outside of one of `within`."""
        for depth in range(len(self.open) - 1, 0, -1) if names & self.open[-1].names else ():
            name = self.open[depth].name
            if name in names:
                self.close(depth)
            if name in names or name in within:
                break

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
        tag, items, table = element.name, element.items, element.table
        if tag in _LISTS:
            start = re.match(r"\s*(-?[0-9]{1,9})", attributes.get("start", ""))
            element.items, element.number = element, int(start[1]) if start else 1
        elif tag == "li":
            self.indent(element, f"{items.number}. " if items and items.name == "ol" else "- ")
            if items:
                items.number += 1
        elif tag == "blockquote":
            self.indent(element, "> ")
        elif tag == "table":
            element.items, element.table, element.headed = None, element, False
            element.row = len(self.lines)
        elif tag == "tr" and table:
            table.row = len(self.lines)
        elif tag in _CELLS and table:
            table.headed |= tag == "th"
            self.joined = bool(self.parts)  # text before it, which is not in a cell
        else:
            self.add_inline(tag, attributes)

    def add_inline(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "br":
            self.parts.append("\n")
        elif tag == "hr":
            self.add("---")
            self.end_line(apart=True)
        elif tag == "q":
            self.add('"')
        elif tag == "base":
            url = attributes.get("href", "").strip()
            self.base = self.base or url[:2000]  # each link repeats it
        if tag == "area":
            self.end_line()
        if tag in ("a", "area"):
            self.start_link(attributes.get("href", ""))
        if tag in ("area", "img"):
            self.pictured = True
            self.add_word(attributes.get("alt", ""))
        if tag == "area":
            self.end_link()
            self.end_line()

    def leave(self, element: _Element) -> None:
        """Write what follows the content of an element."""
        tag, table = element.name, element.table
        if tag == "a":
            self.end_link()
        elif tag == "q":
            self.add('"')
        elif tag in _CELLS and table and table.row == len(self.lines):
            self.parts.append(_CELL_END)
        elif tag in _CELLS:
            self.end_line(apart=True)
        elif tag in _BLOCKS:
            self.end_line(tag in _PARAGRAPHS or (tag in _LISTS and not self.open[-2].items))

    def indent(self, element: _Element, marker: str) -> None:
        """Put a marker before the next line, and indent those that follow."""
        if len(self.marker or element.indent) < _WIDEST:
            self.marker = (self.marker or element.indent) + marker
            element.indent += marker if marker == "> " else " " * len(marker)

    def start_link(self, url: str) -> None:
        self.end_link()
        url = "%20".join(_CONTROLS.sub("", re.sub("[\t\r\n]", "", url)).split())
        if url and not url.lower().startswith(("#", "javascript:", "vbscript:", "data:")):
            with suppress(ValueError):  # such as a bracket that is never closed
                url = urljoin(self.base, url)
            self.url, self.link, self.pictured = url, (len(self.lines), len(self.parts)), False

    def end_link(self) -> None:
        """End the link, if any, and add its URL after its text."""
        url, self.url = self.url, ""
        if not url:
            return
        lines, parts = self.link
        shown = url if "?" in url else re.sub("^(mailto|tel):", "", url, flags=re.IGNORECASE)
        text = "".join(self.parts[parts:])
        if words := text.strip():
            start, _, end = text.partition(words)
            is_url = _UNSAID.sub("", words).lower() == _UNSAID.sub("", url).lower()
            self.parts[parts:] = [start + (shown if is_url else f"{words} ({shown})") + end]
            self.joined = not end
        elif len(self.lines) > lines:
            self.lines[-1] += "" if self.lines[-1].endswith(shown) else f" ({shown})"
        elif self.pictured:
            self.add_word(shown)

    def add(self, text: str, space: str = "") -> None:
        """Add text to the line; `space` is how CSS treats white space in it."""
        text = _CONTROLS.sub("", text)
        if space in ("pre", "break"):
            text = _LINE_END.sub("\n", text).replace("\xa0", " ")
        else:
            lines = _LINE_END.split(text) if space == "pre-line" else [text]
            lines = [_FILLING.sub(" ", _SPACES.sub(" ", each)) for each in lines]
            text = re.sub(" ?\n ?", "\n", "\n".join(lines))
            text = text if self.parts and not self.parts[-1][-1].isspace() else text.lstrip(" ")
        if text:
            self.parts.append(f" {text}" if self.joined and text[0].isalnum() else text)
            self.joined = False

    def add_word(self, text: str) -> None:
        """Add text that spaces separate from other words."""
        if text and not text.isspace():
            if self.joined or "".join(self.parts[-1:])[-1:].isalnum():
                self.parts.append(" ")
            self.joined = False
            self.add(text)
            self.joined = True

    def end_line(self, apart: bool = False) -> None:
        """End the line unless it is empty; `apart` puts a blank line before the next."""
        text = "".join(self.parts)
        self.parts.clear()
        self.joined, self.link = False, (self.link[0], 0)
        if _CELL_END in text:
            cells = [each.strip() for each in text.rstrip(f" {_CELL_END}").split(_CELL_END)]
            filled = list(filter(None, cells))
            table = self.open[-1].table
            if table and table.headed:
                text = " | ".join([" ".join(each.split()) for each in cells]).lstrip()
            elif len(filled) > 1 and len(text) <= _LONGEST_ROW and "\n" not in "".join(filled):
                text = " ".join(filled)
            else:
                text = "\n\n".join(filled)
                self.apart = apart = True
        for line in text.removesuffix("\n").split("\n") if text else ():
            self.write(line.rstrip())
        self.apart |= apart

    def write(self, line: str) -> None:
        if line:
            indent = self.open[-1].indent
            if self.apart and self.lines:
                self.lines.append(commonprefix((self.before, indent)).rstrip())  # noqa: RUF071
            self.lines.append((self.marker or indent) + line)
            self.marker, self.before = "", indent
        self.apart = not line
