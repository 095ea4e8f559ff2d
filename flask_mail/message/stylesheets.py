"""Parser of CSS: rules with their selectors and the positions of their declarations. Pure.

Implements as much of CSS Syntax as inlining needs. Unknown constructs are skipped, so they stay in
the style sheet and are not inlined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from .css_tokens import DEEPEST, Tokens, end_of_block, is_blank, text_of, tokens_of
from .selectors import Selector, Specificity, read_selectors

# At-rules that make the rules in them conditional.
_CONDITIONS: Final = frozenset(
    {"@media", "@supports", "@layer", "@container", "@scope", "@starting-style", "@document"}
    | {"@-moz-document"}
)
_NAME: Final = re.compile(r"-{0,2}[A-Za-z_][\w-]*")
_NAME_OF_AT_RULE: Final = re.compile(r"@[\w-]+")
_WHITE_SPACE: Final = " \t\r\n\f"


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
    position: int
    """Position of its selectors in the style sheet."""
    is_nested: bool
    """True if it is in another rule."""


@dataclass(frozen=True)
class AtRule:
    """The beginning of an at-rule."""

    name: str
    """Such as ``@media``, in lower case."""
    prelude: str
    """The text between the name and the block."""
    position: int
    """Position in the style sheet."""


@lru_cache(maxsize=64)
def rules_of(css: str) -> tuple[Rule, ...]:
    """Return the rules of a style sheet, in order, without those for fonts and animations."""
    return tuple(each for each in read_sheet(css) if isinstance(each, Rule))


def read_sheet(css: str) -> Iterator[Rule | AtRule]:
    """Yield the rules of a style sheet, and the at-rules before those in them."""
    return _rules(tokens_of(css), _Place())


def declarations_of(style: str) -> tuple[Declaration, ...]:
    """Return the declarations of a ``style`` attribute."""
    return _declarations(tokens_of(style))[0]


@dataclass(frozen=True)
class _Place:
    """The context of rules."""

    depth: int = 0
    is_conditional: bool = False
    is_layered: bool = False
    within: Specificity | None = None
    """Specificity of the enclosing rule (CSS Nesting), if any."""


def _rules(tokens: Tokens, place: _Place) -> Iterator[Rule | AtRule]:
    start = index = 0
    while index < len(tokens):
        piece = tokens[index][0]
        if start == index and is_blank(piece):
            start = index = index + 1
        elif piece == "{":
            end = end_of_block(tokens, index)
            prelude = text_of(tokens[start:index])
            yield from _block(prelude, tokens[start][1], tokens[index + 1 : end], place)
            start = index = end + 1
        elif piece in ("(", "["):
            index = end_of_block(tokens, index) + 1
        else:
            index += 1
            if piece == ";" and (place.within or tokens[start][0][0] == "@"):
                yield from _at_rule(text_of(tokens[start : index - 1]), tokens[start][1])
                start = index


def _at_rule(prelude: str, position: int) -> Iterator[AtRule]:
    if name := _NAME_OF_AT_RULE.match(prelude):
        yield AtRule(name[0].lower(), prelude[name.end() :].strip(), position)


def _block(prelude: str, position: int, block: Tokens, place: _Place) -> Iterator[Rule | AtRule]:
    if place.depth > DEEPEST:
        return
    for at_rule in _at_rule(prelude, position):
        yield at_rule
        if at_rule.name in _CONDITIONS:
            is_layer = place.is_layered or at_rule.name == "@layer"
            yield from _rules(block, _Place(place.depth + 1, True, is_layer, place.within))
        return
    selectors, is_known = read_selectors(prelude, place.within)
    declarations, nested = _declarations(block)
    is_conditional = place.is_conditional or not is_known
    is_nested = place.within is not None
    yield Rule(selectors, declarations, is_conditional, place.is_layered, position, is_nested)
    if nested:
        most = max((each.specificity for each in selectors), default=(0, 0, 0))
        yield from _rules(nested, _Place(place.depth + 1, True, place.is_layered, most))


def _declarations(block: Tokens) -> tuple[tuple[Declaration, ...], Tokens]:
    """Return the declarations of a rule, and the tokens of rules nested in it."""
    found: list[Declaration] = []
    nested: Tokens = []
    start = index = 0
    while index <= len(block):
        piece = block[index][0] if index < len(block) else ";"
        if piece in ("(", "["):
            index = end_of_block(block, index)
        elif piece == "{":
            end = end_of_block(block, index) + 1
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


def _declaration(tokens: Tokens) -> Declaration | None:
    length = len(tokens)
    while length and is_blank(tokens[length - 1][0]):
        length -= 1
    name, colon, value = text_of(tokens[:length]).partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not value or not _NAME.fullmatch(name) or "revert-layer" in value.lower():
        return None
    plain, is_important = _without_important(value)
    last, position = tokens[length - 1]
    name = name if name.startswith("--") else name.lower()
    return Declaration(name, plain, is_important, position + len(last))


def _without_important(value: str) -> tuple[str, bool]:
    # A pattern such as \s*! would take quadratic time on spaces.
    plain, mark, word = value.rpartition("!")
    is_important = bool(mark) and word.strip(_WHITE_SPACE).lower() == "important"
    return (plain.rstrip(_WHITE_SPACE), True) if is_important else (value, False)
