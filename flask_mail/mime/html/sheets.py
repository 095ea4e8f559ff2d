"""Rules of style sheets that hide text or keep its line breaks. Pure.

Only selectors of one element are read, such as ``.preheader``, ``span#top.note`` or
``body .preheader``, which mails use to hide text. Rules for print or small screens are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from .tags import read_attributes

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_STYLE = re.compile(r"<style(?=[ \t\n\r\f/>])|<!--", re.IGNORECASE)
_COMMENT_END = re.compile("--!?>")
_STYLE_END = re.compile(r"</style(?=[ \t\n\r\f/>])", re.IGNORECASE)
_BRACE = re.compile("[{}]")
_SELECTOR = re.compile(r"(\*|[a-z][a-z0-9]*)?((?:[.#][\w-]+)*)")
# These match every element, so they can be dropped.
_IN_ROOT = re.compile(r"(?:html\s+)?body\s+(?=[\w.#*])")
_SIMPLE = re.compile(r"[.#][\w-]+")
_FOR_ALL: Final = frozenset({"", "all", "screen", "only screen"})
_PROPERTIES: Final = frozenset(
    {
        *("display", "font-size", "height", "max-height", "opacity", "overflow", "visibility"),
        "white-space",
    }
)
_DEEPEST: Final = 3
_MOST: Final = 30
"""Rules per class; only mail that is made to take time has more."""


class Rule(NamedTuple):
    """Declarations for the elements that a selector matches."""

    specificity: tuple[int, int, int]
    order: int
    tag: str
    names: frozenset[str]
    """Classes and ids, with their "." or "#"."""
    normal: str
    important: str


class Sheet:
    """The rules of all style sheets of a mail."""

    def __init__(self, css: str) -> None:
        self._rules: dict[str, list[Rule]] = {}
        for order, (selector, declarations) in enumerate(_rules_in(css.lower())):
            normal, important = _relevant(declarations)
            if not normal and not important:
                continue
            for each in selector.split(","):
                selected = each.strip()
                root = _IN_ROOT.match(selected)
                found = _SELECTOR.fullmatch(selected, root.end() if root else 0)
                if found and found[0]:
                    tag = "" if found[1] in (None, "*") else found[1]
                    self._add(tag, _SIMPLE.findall(found[2]), order, normal, important)

    def _add(self, tag: str, names: list[str], order: int, normal: str, important: str) -> None:
        ids = sum(name.startswith("#") for name in names)
        rule = Rule(
            (ids, len(names) - ids, bool(tag)), order, tag, frozenset(names), normal, important
        )
        rules = self._rules.setdefault(names[0] if names else tag, [])
        rules.append(rule)
        del rules[:-_MOST]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def style_of(self, tag: str, attributes: Mapping[str, str]) -> str:
        """Return the declarations for an element, including its own, in rising precedence."""
        names = {f".{each}" for each in attributes.get("class", "").lower().split()}
        if identifier := attributes.get("id", "").strip().lower():
            names.add(f"#{identifier}")
        rules = sorted(
            {
                rule
                for key in (tag, "", *names)
                for rule in self._rules.get(key, ())
                if rule.tag in ("", tag) and rule.names <= names
            }
        )
        own = attributes.get("style", "").lower()
        return ";".join(
            [*(rule.normal for rule in rules), own, *(each.important for each in rules)]
        )


def sheet_of(html: str) -> Sheet:
    """Return the rules of the style sheets in `html`."""
    sheets: list[str] = []
    at = 0
    while start := _STYLE.search(html, at):
        if start[0] == "<!--":  # such as a conditional comment for Outlook
            comment = _COMMENT_END.search(html, start.start() + 2)
            at = comment.end() if comment else len(html)
            continue
        opened = html.find(">", start.end())
        if opened < 0:
            break
        end = _STYLE_END.search(html, opened)
        at = end.start() if end else len(html)
        media = read_attributes(html[start.end() : opened]).get("media", "")
        if media.strip().lower() in _FOR_ALL:
            sheets.append(html[opened + 1 : at])
    return Sheet(_COMMENT.sub("", "\n".join(sheets)))


def _rules_in(css: str) -> Iterator[tuple[str, str]]:
    """Yield selector and declarations of each rule that applies to every screen."""
    open_blocks: list[str] = []
    start = 0
    for brace in _BRACE.finditer(css):
        text = css[start : brace.start()]
        start = brace.end()
        if brace[0] == "{":
            # An @import may precede it.
            open_blocks.append(text.rpartition(";")[2].strip())
        elif open_blocks:
            selector = open_blocks.pop()
            is_flat = len(open_blocks) <= _DEEPEST and all(map(_is_for_all, open_blocks))
            if is_flat and not selector.startswith("@"):
                yield selector, text


def _is_for_all(block: str) -> bool:
    return block.startswith("@media") and block.removeprefix("@media").strip() in _FOR_ALL


def _relevant(declarations: str) -> tuple[str, str]:
    normal: list[str] = []
    important: list[str] = []
    for each in declarations.split(";"):
        name, _, value = each.partition(":")
        if name.strip() in _PROPERTIES:
            value, mark, _ = value.partition("!")
            (important if mark else normal).append(f"{name.strip()}:{value.strip()}")
    return ";".join(normal), ";".join(important)
