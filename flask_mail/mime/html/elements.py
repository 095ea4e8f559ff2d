"""Handlers for the elements of HTML. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias
from urllib.parse import urljoin

from .frames import Frame, Frames, List
from .sheets import Sheet, sheet_of
from .styles import GONE, UNSEEN, VOID, Hidden, ends, hiding, may_hide, white_space
from .tables import Table
from .tags import decode_references, read_attributes, split_tags

_NUMBER = re.compile(r"[ \t\n\r\f]*(-?[0-9]{1,9})")

_PRE: Final = frozenset({"pre", "pre-wrap", "break-spaces"})
_INLINE: Final = frozenset({"a", "button", "q"})
_ROOT: Final = frozenset({"html", "body"})  # if hidden, a script is meant to show them

_Action: TypeAlias = "Callable[[Reader, str, str], None]"


class Reader(Frames):
    """Converter of one HTML mail to text."""

    hidden: Hidden | None = None
    sheet: Sheet | None = None
    base = ""
    """Base URL of relative links."""

    def read(self, html: str) -> str:
        """Return the text of `html`."""
        prose = self.prose
        action_of = _ACTIONS.get
        lowered = html.lower()
        self.sheet = sheet_of(html) if "<style" in lowered else None
        careful = bool(self.sheet) or may_hide(lowered) or "white-space" in lowered
        for text, tag, attributes in split_tags(html):
            if self.hidden:
                if self.hides(self.hidden, tag):
                    continue
            elif text and not self.state:
                prose.add(decode_references(text) if "&" in text else text)
            if tag[:1] == "/":
                if action := action_of(tag):
                    action(self, tag, attributes)
                if self.counts:
                    self.end(tag[1:])
                continue
            if self.counts and ends(tag, "p"):
                self.end("p")
            state, space = self.state, None
            if careful:
                state, space = self.look_of(tag, attributes)
            if state == GONE:
                self.conceal(tag, attributes)
            elif state != self.state or space or tag in self.counts:
                self.start(tag, attributes, state, space)
            elif action := action_of(tag):
                action(self, tag, attributes)
        self.pop_to(0)
        prose.end_link()
        prose.end_line()
        return prose.text()

    def hides(self, hidden: Hidden, tag: str) -> bool:
        """Return True if a tag belongs to a hidden element."""
        if not hidden.ended_by(tag):
            return True
        self.hidden = None
        return tag == hidden.end_tag

    def look_of(self, tag: str, attributes: str) -> tuple[int, str | None]:
        """Return how an element is hidden, and its ``white-space`` if it has one."""
        if tag in _ROOT or not (attributes or self.sheet):
            return self.state, None
        found = read_attributes(attributes) if attributes else {}
        if self.sheet:
            found["style"] = self.sheet.style_of(tag, found)
        state = hiding(found, self.state)
        if tag in VOID:
            # Mails set the text size 0 around images to avoid gaps; the images are visible.
            return GONE if state & (GONE | UNSEEN) else self.state, None
        return state, white_space(found.get("style", ""))

    def start(self, tag: str, attributes: str, state: int, space: str | None) -> None:
        """Start an element that differs from its parent, or is nested in one of its name."""
        changed = state != self.state
        above = self.frames[-1] if self.frames else None
        if action := _ACTIONS.get(tag):
            action(self, tag, attributes)
        if self.hidden:
            return
        if not self.frames or self.frames[-1] is above or self.frames[-1].name != tag:
            self.push(tag)
        if changed:
            self.state = state
        if space:
            # In inline elements, spaces still collapse.
            self.prose.pre = space in _PRE and f"/{tag}" in _ACTIONS and tag not in _INLINE
            self.prose.breaks = space in _PRE or space == "pre-line"

    def conceal(self, tag: str, _attributes: str) -> None:
        if tag not in VOID:
            self.hidden = Hidden(tag)

    def line(self, _tag: str, _attributes: str) -> None:
        self.prose.end_line()

    def paragraph(self, _tag: str, _attributes: str) -> None:
        self.prose.end_line(apart=True)

    def line_break(self, _tag: str, _attributes: str) -> None:
        self.prose.break_line()

    def rule(self, _tag: str, _attributes: str) -> None:
        self.set_off()
        self.prose.write("---")
        self.prose.end_line(apart=True)

    def quote(self, tag: str, _attributes: str) -> None:
        self.set_off()
        self.push(tag, self.close_paragraph)
        self.prose.indent("> ", "> ")

    def preformatted(self, tag: str, _attributes: str) -> None:
        self.set_off()
        self.push(tag, self.close_paragraph)
        self.prose.pre = True

    def quotation_mark(self, _tag: str, _attributes: str) -> None:
        self.prose.add('"')

    def image(self, _tag: str, attributes: str) -> None:
        self.prose.add_image(read_attributes(attributes).get("alt", ""))

    def link(self, _tag: str, attributes: str) -> None:
        self.prose.start_link(self.url_in(read_attributes(attributes)), len(self.frames))

    def area(self, _tag: str, attributes: str) -> None:
        """Add the link of an image map."""
        found = read_attributes(attributes)
        self.prose.end_line()
        self.prose.start_link(self.url_in(found), len(self.frames))
        self.prose.add_image(found.get("alt", ""))
        self.prose.end_link()
        self.prose.end_line()

    def base_url(self, _tag: str, attributes: str) -> None:
        self.base = self.base or read_attributes(attributes).get("href", "").strip()

    def url_in(self, attributes: Mapping[str, str]) -> str:
        url = attributes.get("href", "")
        if not self.base or url.strip()[:1] in ("", "#"):
            return url
        try:
            return urljoin(self.base, url.strip())
        except ValueError:  # such as a bracket that is never closed
            return url

    def end_link(self, _tag: str, _attributes: str) -> None:
        self.prose.end_link()

    def start_list(self, tag: str, attributes: str) -> None:
        self.set_off(apart=self.items is None)
        start = read_attributes(attributes).get("start", "") if tag == "ol" else ""
        depth = self.push(tag, self.close_list, apart=True)
        self.items = List(depth, _number(start, 1) if tag == "ol" else None)

    def end_list(self, _tag: str, _attributes: str) -> None:
        self.prose.end_line()
        if self.items:
            self.pop_to(self.items.depth - 1)

    def item(self, tag: str, attributes: str) -> None:
        self.end_item(tag, attributes)
        marker = "- "
        if items := self.items:
            if items.number is not None:
                items.number = _number(read_attributes(attributes).get("value", ""), items.number)
                marker = f"{items.number}. "
                items.number += 1
            items.item = self.push(tag, partial(self.close_item, items), apart=True)
            self.prose.indent(marker, " " * len(marker))
        else:
            self.prose.marker = self.prose.prefix + marker

    def end_item(self, _tag: str, _attributes: str) -> None:
        self.prose.end_line()
        if self.items and self.items.item:
            self.pop_to(self.items.item - 1)

    def start_table(self, tag: str, attributes: str) -> None:
        self.set_off()
        table = Table(len(self.frames) + 1, layout="presentation" in attributes.lower())
        self.push(tag, partial(self.close_table, table), apart=True)
        self.items = None
        self.table = table

    def end_table(self, _tag: str, _attributes: str) -> None:
        self.prose.end_line(apart=True)
        if self.table:
            self.pop_to(self.table.depth - 1)

    def row(self, tag: str, attributes: str) -> None:
        self.end_cell(tag, attributes)
        if self.table:
            self.table.end_row(self.prose)

    def cell(self, tag: str, attributes: str) -> None:
        self.end_cell(tag, attributes)
        if table := self.table:
            table.headed |= tag == "th"
            table.cell = self.push(tag, partial(self.close_cell, table), apart=True)
            self.items = None

    def end_cell(self, _tag: str, _attributes: str) -> None:
        if self.table and self.table.cell:
            self.pop_to(self.table.cell - 1)
        else:
            self.prose.end_line(apart=True)

    def close_paragraph(self, _frame: Frame) -> None:
        self.prose.end_line(apart=True)

    def close_list(self, frame: Frame) -> None:
        self.prose.end_line(apart=frame.items is None)

    def close_item(self, items: List, _frame: Frame) -> None:
        self.prose.end_line()
        items.item = 0

    def close_table(self, table: Table, _frame: Frame) -> None:
        self.prose.end_line(apart=True)
        table.end_row(self.prose)

    def close_cell(self, table: Table, frame: Frame) -> None:
        self.prose.end_line(apart=True)
        table.end_cell(frame.lines, len(self.prose.lines))

    def set_off(self, *, apart: bool = True) -> None:
        """End the line before a block, which makes its table cell more than text."""
        self.prose.end_line(apart)
        if self.table:
            self.table.nesting = True


def _number(text: str, default: int) -> int:
    found = _NUMBER.match(text)
    return int(found[1]) if found else default


_BOTH: Final[dict[str, _Action]] = {
    "address article aside body button center dd details dialog div dt fieldset figcaption footer"
    " form header html legend main nav option search section summary": Reader.line,
    "caption dl figure h1 h2 h3 h4 h5 h6 p": Reader.paragraph,
    "tr": Reader.row,
    "q": Reader.quotation_mark,
}
_START: Final[dict[str, _Action]] = {
    "br /br": Reader.line_break,  # browsers treat </br> as <br>
    "hr": Reader.rule,
    "blockquote": Reader.quote,
    "pre listing xmp": Reader.preformatted,
    "img": Reader.image,
    "area": Reader.area,
    "base": Reader.base_url,
    "a": Reader.link,
    "ul ol menu dir": Reader.start_list,
    "li": Reader.item,
    "table": Reader.start_table,
    "td th": Reader.cell,
    "datalist template xml": Reader.conceal,
}
_END: Final[dict[str, _Action]] = {
    "a": Reader.end_link,
    "ul ol menu dir": Reader.end_list,
    "li": Reader.end_item,
    "table": Reader.end_table,
    "td th": Reader.end_cell,
}
_ACTIONS: Final[dict[str, _Action]] = {
    f"{slash}{name}": action
    for slash, table in (("", _BOTH | _START), ("/", _BOTH | _END))
    for names, action in table.items()
    for name in names.split()
}
