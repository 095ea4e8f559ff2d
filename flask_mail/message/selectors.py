"""Parser of CSS selectors. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .css_tokens import DEEPEST, brackets_in, end_of_block, text_of, tokens_of

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
    parts: tuple[tuple[str, str], ...]
    """Kind and text of its simple selectors and combinators, without arguments."""


def read_selectors(
    prelude: str, within: Specificity | None = None, depth: int = 0
) -> tuple[tuple[Selector, ...], bool]:
    """Parse a selector list; return its selectors and True if browsers support all of them.

    :param within: specificity of the enclosing rule, if any.
    :param depth: the number of selectors in whose arguments it is.
    """
    if depth > DEEPEST:
        return (), False
    found = [_selector(each, within, depth) for each in _split(prelude)]
    return tuple(each for each, _ in found if each), all(is_known for _, is_known in found)


def _split(prelude: str) -> list[str]:
    tokens = tokens_of(prelude)
    parts: list[str] = []
    start = index = 0
    while index < len(tokens):
        if tokens[index][0] in ("(", "["):
            index = end_of_block(tokens, index)
        elif tokens[index][0] == ",":
            parts.append(text_of(tokens[start:index]))
            start = index + 1
        index += 1
    return [*parts, text_of(tokens[start:])]


def _selector(text: str, within: Specificity | None, depth: int) -> tuple[Selector | None, bool]:
    worth = [within or (0, 0, 0)]
    is_static = is_known = bool(text)
    is_of_part = False
    last = ""
    parts: list[tuple[str, str]] = []
    brackets = brackets_in(text) if "(" in text else {}
    at = 0
    while at < len(text):
        simple = _SIMPLE.match(text, at)
        if simple is None:
            return None, False
        at = simple.end()
        kind, written = str(simple.lastgroup), simple[0]
        parts.append((kind, written))
        if kind == "pseudo":
            name = written.lstrip(":").lower()
            is_element = written.startswith("::") or name in _ELEMENTS
            is_of_part = is_of_part or is_element
            argument = ""
            if text.startswith("(", at):
                end = brackets.get(at, len(text))
                argument = text[at + 1 : end]
                at = end + 1
            is_known = is_known and name in (_ELEMENTS if is_element else _STRUCTURAL | _DYNAMIC)
            is_static = is_static and not is_element and name in _STRUCTURAL
            if name in ("not", "is", "has"):
                those, _ = read_selectors(argument, depth=depth + 1)
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
    specificity = ids, classes, types
    return Selector(text, specificity, is_static, last or "*", is_of_part, tuple(parts)), is_known


_WORTH: Final[dict[str, Specificity]] = {
    "id": (1, 0, 0),
    "class": (0, 1, 0),
    "attribute": (0, 1, 0),
    "type": (0, 0, 1),
}
