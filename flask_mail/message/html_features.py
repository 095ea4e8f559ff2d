"""The features of HTML and CSS that a message uses, with their lines, in linear time. Pure.

A feature is named by what is written, as in the table of mail programs: ``<video>``, ``[dir]`` for
an attribute, ``display:`` and ``display:flex``, ``calc()``, ``1rem`` for a unit, ``value initial``,
``@media (hover)``, ``:hover``, ``selector child``, ``image webp``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..mime.html_tags import decode_references
from .css_tokens import tokens_of
from .start_tags import start_tags
from .stylesheets import AtRule, declarations_of, read_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .selectors import Selector
    from .start_tags import StartTag
    from .stylesheets import Declaration, Rule

MOST_LINES: Final = 5
"""Lines of a feature that are remembered."""

# The lookbehinds let each pattern start only once per word, so a search takes linear time.
_FUNCTION: Final = re.compile(r"(?<![a-z-])([a-z-]+)\(")
_UNIT: Final = re.compile(r"(?<![\w.#-])[+-]?[0-9.]+(%|[a-z]{1,5}(?![\w-]))")
_WORD: Final = re.compile(r"(?<![\w-])[a-z][a-z-]*(?![\w(-])")
_NEGATIVE: Final = re.compile(r"(?<![^\s(,])-[0-9.]")
_IN_BRACKETS: Final = re.compile(r"\(\s*([a-z-]+)")
_SUFFIX: Final = re.compile(r"\.([a-z0-9]{2,5})(?:[?#].*)?\Z", re.DOTALL)
_COMBINATORS: Final = {">": "child", "+": "adjacent", "~": "sibling", "": "descendant"}
_BY_TYPE: Final = {"input": "text", "button": "submit"}
"""Elements of several types, with the default."""
_WITH_PICTURES: Final = frozenset({"body", "img", "table", "td", "th", "tr"})


@dataclass(slots=True)
class Use:
    """Where a feature is used."""

    lines: list[int] = field(default_factory=list)
    """The first lines of the HTML with it."""
    has_more: bool = False
    """True if there are more lines."""
    is_conditional: bool = True
    """True if classic Outlook ignores all that uses it, because of conditional comments."""


def features_in(html: str, known: Container[str]) -> dict[str, Use]:
    """Return those of the known features that HTML uses, in the order of their first lines."""
    reader = _Reader(html, known)
    for tag in start_tags(html):
        reader.read(tag)
    return reader.uses


class _Reader:
    def __init__(self, html: str, known: Container[str]) -> None:
        self._html = html
        self._known = known
        self._line_ends = [each.start() for each in re.finditer("\n", html)]
        self.uses: dict[str, Use] = {}

    def read(self, tag: StartTag) -> None:
        for name in _of_tag(tag):
            self._add(name, tag.name_end, tag)
        style = tag.attributes.get("style")
        if style is not None:
            for declaration in declarations_of(decode_references(tag.get("style"))):
                for name in _of_declaration(declaration):
                    self._add(name, style.start("name"), tag)
        if tag.name == "style":
            self._read_sheet(tag)

    def _read_sheet(self, tag: StartTag) -> None:
        for rule in read_sheet(self._html[tag.end : tag.content_end]):
            position = tag.end + rule.position
            if isinstance(rule, AtRule):
                names: Iterable[str] = _of_at_rule(rule)
            else:
                names = _of_selectors(rule)
                for declaration in rule.declarations:
                    for name in _of_declaration(declaration):
                        self._add(name, tag.end + declaration.end - 1, tag)
            for name in names:
                self._add(name, position, tag)

    def _add(self, name: str, position: int, tag: StartTag) -> None:
        if name not in self._known:
            return
        use = self.uses.setdefault(name, Use())
        use.is_conditional = use.is_conditional and tag.is_conditional
        line = bisect_right(self._line_ends, position - 1) + 1
        if line not in use.lines:
            if len(use.lines) < MOST_LINES:
                use.lines.append(line)
            else:
                use.has_more = True


def _of_tag(tag: StartTag) -> Iterator[str]:
    yield f"<{tag.name}>"
    if tag.name in _BY_TYPE:
        yield f"<{tag.name} type={tag.get('type').lower() or _BY_TYPE[tag.name]}>"
    if tag.name == "meta":
        yield f"<meta name={tag.get('name').lower()}>"
    for attribute in tag.attributes:
        yield f"[{attribute}]"
    if tag.name == "a":
        target = tag.get("href").strip().lower()
        yield f"<a href={'#' if target.startswith('#') else target.partition(':')[0]}>"
    for attribute in ("src", "background"):
        if attribute in tag.attributes and tag.name in _WITH_PICTURES:
            yield _picture(decode_references(tag.get(attribute)).strip())


def _picture(url: str) -> str:
    if url[:5].lower() == "data:":
        return "image base64"
    if url[:4].lower() == "cid:":  # its end is not that of a file
        return ""
    suffix = _SUFFIX.search(url[-2000:].lower())
    return f"image {suffix[1]}" if suffix else ""


def _of_declaration(declaration: Declaration) -> Iterator[str]:
    name = declaration.name
    yield "--*:" if name.startswith("--") else f"{name}:"
    if declaration.is_important:
        yield "!important"
    value, urls = _without_quotes(declaration.value.lower())
    for url in urls:
        yield _picture(url)
    yield f"{name}:{value}"
    if name.startswith("margin") and _NEGATIVE.search(value):
        yield "margin:-"
    for function in _FUNCTION.findall(value):
        yield f"{function}()"
    for unit in _UNIT.findall(value):
        yield f"1{unit}"
    for word in _WORD.findall(value):
        yield f"value {word}"


def _without_quotes(value: str) -> tuple[str, list[str]]:
    """Return a value without strings, in which nothing is a unit or function, and its URLs."""
    pieces: list[str] = []
    urls = []
    for token, _ in tokens_of(value):
        if token.startswith("url("):
            urls.append(token[4:].strip(" \t\r\n\f)"))
        elif token[0] not in "\"'":
            pieces.append(token)
        elif "".join(pieces[-4:]).rstrip().endswith("url("):
            urls.append(token[1:-1])
    return "".join(pieces), urls


def _of_at_rule(rule: AtRule) -> Iterator[str]:
    yield rule.name
    if rule.name == "@media":
        for feature in _IN_BRACKETS.findall(rule.prelude.lower()):
            yield f"@media ({feature})"


def _of_selectors(rule: Rule) -> Iterator[str]:
    if len(rule.selectors) > 1:
        yield "selector grouping"
    if rule.is_nested:
        yield "nesting"
    for selector in rule.selectors:
        yield from _of_selector(selector)


def _of_selector(selector: Selector) -> Iterator[str]:
    before = ""
    for kind, written in selector.parts:
        if kind == "pseudo":
            yield written.lower()
        elif kind == "combinator":
            yield f"selector {_COMBINATORS[written.strip()]}"
        elif kind == before == "class":
            yield "selector chaining"
        yield f"selector {'universal' if written == '*' else kind}"
        before = kind
