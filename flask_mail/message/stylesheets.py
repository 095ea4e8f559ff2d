"""Parser of CSS: rules with their selectors and the positions of their declarations. Pure.

Implements as much of CSS Syntax and Selectors as inlining needs. Unknown constructs are skipped, so
they stay in the style sheet and are not inlined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_TOKEN: Final = re.compile(
    r"/\*.*?(?:\*/|\Z)"
    r"|\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?"
    r"|url\([ \t\r\n\f]*(?![\"' \t\r\n\f])(?:[^)\\]|\\.)*\)?"
    r"|\\.|<!--|-->|[ \t\r\n\f]+|[^/\"'\\<{}()\[\];:,u \t\r\n\f-]+|.",
    re.DOTALL | re.IGNORECASE,
)
_DEEPEST: Final = 20
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
# At-rules that make the rules in them conditional.
_CONDITIONS: Final = frozenset(
    {"@media", "@supports", "@layer", "@container", "@scope", "@starting-style", "@document"}
    | {"@-moz-document"}
)
_NAME: Final = re.compile(r"-{0,2}[A-Za-z_][\w-]*")
_IMPORTANT: Final = re.compile(r"[ \t\r\n\f]*![ \t\r\n\f]*important\Z", re.IGNORECASE)

_IDENTIFIER: Final = r"(?:[\w-]|[^\x00-\x7f]|\\.)+"
_SIMPLE: Final = re.compile(
    r"(?P<combinator>[ \t\r\n\f]*[>+~][ \t\r\n\f]*|[ \t\r\n\f]+)"
    r"|(?P<attribute>\[(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\]\"'])*\])"
    rf"|(?P<pseudo>::?{_IDENTIFIER})"
    rf"|(?P<nesting>&)|(?P<id>\#{_IDENTIFIER})|(?P<class>\.{_IDENTIFIER})|(?P<type>{_IDENTIFIER}|\*)",
    re.DOTALL,
)
# Pseudo-classes that depend on the document alone.
_STRUCTURAL: Final = frozenset(
    {"any-link", "empty", "first-child", "first-of-type", "last-child", "last-of-type", "link"}
    | {"not", "nth-child", "nth-last-child", "nth-last-of-type", "nth-of-type", "only-child"}
    | {"only-of-type", "root"}
)
# Pseudo-classes that depend on the state of an element, or on the program.
_DYNAMIC: Final = frozenset(
    {"active", "checked", "default", "disabled", "enabled", "focus", "focus-visible"}
    | {"focus-within", "has", "hover", "in-range", "indeterminate", "invalid", "is", "lang"}
    | {"optional", "out-of-range", "placeholder-shown", "read-only", "read-write", "required"}
    | {"scope", "target", "valid", "visited", "where", "dir"}
)
_ELEMENTS: Final = frozenset(
    {"after", "before", "first-letter", "first-line", "marker", "placeholder", "selection"}
)

Specificity = tuple[int, int, int]


@dataclass(frozen=True)
class Selector:
    """One selector of a list."""

    text: str
    specificity: Specificity
    is_static: bool
    """True if it depends on the document alone, not on states or pseudo-elements."""
    last: str
    """Its last compound without attributes and states, which matches at least as much."""
    is_of_part: bool
    """True if it ends with a pseudo-element such as ``::before``."""


@dataclass(frozen=True)
class Declaration:
    """A property and its value."""

    name: str
    value: str
    is_important: bool
    end: int
    """Position of its end in the style sheet."""


@dataclass(frozen=True)
class Rule:
    """A rule with its own declarations, without those of nested rules."""

    selectors: tuple[Selector, ...]
    declarations: tuple[Declaration, ...]
    is_conditional: bool
    """True if it is in an at-rule, or has an unknown selector, so that browsers may drop it."""
    is_layered: bool
    """True if it is in a cascade layer, so that any rule outside of one overrides it."""


@lru_cache(maxsize=64)
def rules_of(css: str) -> tuple[Rule, ...]:
    """Return the rules of a style sheet, in order, without those for fonts and animations."""
    return tuple(_rules(_tokens(css), _Place()))


def declarations_of(style: str) -> tuple[Declaration, ...]:
    """Return the declarations of a ``style`` attribute."""
    return _declarations(_tokens(style))[0]


_Tokens = list[tuple[str, int]]
_NAME_OF_AT_RULE: Final = re.compile(r"@[\w-]+")


@dataclass(frozen=True)
class _Place:
    """The context of rules."""

    depth: int = 0
    is_conditional: bool = False
    is_layered: bool = False
    within: Specificity | None = None
    """Specificity of the enclosing rule (CSS Nesting), if any."""


def _rules(tokens: _Tokens, place: _Place) -> Iterator[Rule]:
    start = index = 0
    while index < len(tokens):
        piece = tokens[index][0]
        if start == index and _is_blank(piece):
            start = index = index + 1
        elif piece == "{":
            end = _end_of(tokens, index)
            yield from _block(_text(tokens[start:index]), tokens[index + 1 : end], place)
            start = index = end + 1
        elif piece in ("(", "["):
            index = _end_of(tokens, index) + 1
        else:
            index += 1
            if piece == ";" and (place.within or tokens[start][0][0] == "@"):
                start = index


def _block(prelude: str, block: _Tokens, place: _Place) -> Iterator[Rule]:
    if place.depth > _DEEPEST:
        return
    if name := _NAME_OF_AT_RULE.match(prelude):
        if name[0].lower() in _CONDITIONS:
            is_layer = place.is_layered or name[0].lower() == "@layer"
            inner = _Place(place.depth + 1, True, is_layer, place.within)
            yield from _rules(block, inner)
        return
    selectors, is_known = read_selectors(prelude, place.within)
    declarations, nested = _declarations(block)
    is_conditional = place.is_conditional or not is_known
    yield Rule(selectors, declarations, is_conditional, place.is_layered)
    if nested:
        most = max((each.specificity for each in selectors), default=(0, 0, 0))
        yield from _rules(nested, _Place(place.depth + 1, True, place.is_layered, most))


def _is_blank(piece: str) -> bool:
    return not piece.strip() or piece.startswith("/*") or piece in ("<!--", "-->")


def _end_of(tokens: _Tokens, opening: int) -> int:
    """Return the index of the matching closing bracket, or the end."""
    waiting: list[str] = []
    for index in range(opening, len(tokens)):
        token = tokens[index][0]
        if token in _CLOSING:
            waiting.append(_CLOSING[token])
        elif token == waiting[-1]:
            waiting.pop()
            if not waiting:
                return index
    return len(tokens)


def _tokens(css: str, at: int = 0) -> _Tokens:
    return [(found[0], found.start()) for found in _TOKEN.finditer(css, at)]


def _text(tokens: _Tokens) -> str:
    # Drop comments, keep white space.
    return "".join(piece for piece, _ in tokens if piece.isspace() or not _is_blank(piece)).strip()


def _declarations(block: _Tokens) -> tuple[tuple[Declaration, ...], _Tokens]:
    """Return the declarations of a rule, and the tokens of rules nested in it."""
    found: list[Declaration] = []
    nested: _Tokens = []
    start = index = 0
    while index <= len(block):
        piece = block[index][0] if index < len(block) else ";"
        if piece in ("(", "["):
            index = _end_of(block, index)
        elif piece == "{":
            end = _end_of(block, index) + 1
            nested += block[start:end]
            start = index = end
            continue
        elif piece == ";":
            declaration = _declaration(block[start:index])
            if declaration is not None:
                found.append(declaration)
            start = index + 1
        index += 1
    return tuple(found), nested


def _declaration(tokens: _Tokens) -> Declaration | None:
    while tokens and _is_blank(tokens[-1][0]):
        tokens = tokens[:-1]
    name, colon, value = _text(tokens).partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not value or not _NAME.fullmatch(name) or "revert-layer" in value.lower():
        return None
    plain = _IMPORTANT.sub("", value)
    last, position = tokens[-1]
    name = name if name.startswith("--") else name.lower()
    return Declaration(name, plain, plain != value, position + len(last))


def read_selectors(
    prelude: str, within: Specificity | None = None
) -> tuple[tuple[Selector, ...], bool]:
    """Parse a selector list; return its selectors and True if browsers support all of them.

    :param within: specificity of the enclosing rule, if any.
    """
    found = [_selector(each, within) for each in _split(prelude)]
    return tuple(each for each, _ in found if each), all(is_known for _, is_known in found)


def _split(prelude: str) -> list[str]:
    tokens = _tokens(prelude)
    parts: list[str] = []
    start = index = 0
    while index < len(tokens):
        if tokens[index][0] in ("(", "["):
            index = _end_of(tokens, index)
        elif tokens[index][0] == ",":
            parts.append(_text(tokens[start:index]))
            start = index + 1
        index += 1
    return [*parts, _text(tokens[start:])]


def _selector(text: str, within: Specificity | None) -> tuple[Selector | None, bool]:
    worth = [within or (0, 0, 0)]
    is_static = is_known = bool(text)
    is_of_part = False
    last = ""
    at = 0
    while at < len(text):
        simple = _SIMPLE.match(text, at)
        if simple is None:
            return None, False
        at = simple.end()
        kind, written = simple.lastgroup, simple[0]
        if kind == "pseudo":
            name = written.lstrip(":").lower()
            is_element = written.startswith("::") or name in _ELEMENTS
            is_of_part = is_of_part or is_element
            argument = ""
            if text.startswith("(", at):
                tokens = _tokens(text, at)
                argument = "".join(piece for piece, _ in tokens[1 : _end_of(tokens, 0)])
                at += len(argument) + 2
            is_known = is_known and name in (_ELEMENTS if is_element else _STRUCTURAL | _DYNAMIC)
            is_static = is_static and not is_element and name in _STRUCTURAL
            if name in ("not", "is", "has"):
                those, _ = read_selectors(argument)
                is_static = is_static and all(each.is_static for each in those)
                worth.append(max((each.specificity for each in those), default=(0, 0, 0)))
            elif name != "where":
                worth.append((0, 0, 1) if is_element else (0, 1, 0))
        elif is_of_part:  # only pseudo-classes may follow
            return None, False
        elif kind == "combinator":
            last = ""
        else:
            worth.append(_WORTH[kind] if kind in _WORTH and written != "*" else (0, 0, 0))
            last += written if kind in ("id", "class", "type") else ""
    ids, classes, types = (sum(each) for each in zip(*worth, strict=True))
    return Selector(text, (ids, classes, types), is_static, last or "*", is_of_part), is_known


_WORTH: Final[dict[str | None, Specificity]] = {
    "id": (1, 0, 0),
    "class": (0, 1, 0),
    "attribute": (0, 1, 0),
    "type": (0, 0, 1),
}
