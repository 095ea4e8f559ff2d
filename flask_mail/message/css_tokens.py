"""Tokens of CSS, in linear time for any input. Pure."""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(
    r"/\*.*?(?:\*/|\Z)"
    r"|\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?"
    r"|url\([ \t\r\n\f]*(?![\"' \t\r\n\f])(?:[^)\\]|\\.)*\)?"
    r"|\\.|<!--|-->|[ \t\r\n\f]+|[^/\"'\\<{}()\[\];:,u \t\r\n\f-]+|.",
    re.DOTALL | re.IGNORECASE,
)
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}

Tokens = list[tuple[str, int]]
"""Tokens with their positions."""

DEEPEST: Final = 20
"""Maximum depth of nested rules, and of nested selectors."""


def tokens_of(css: str) -> Tokens:
    """Return the tokens: comments, strings, URLs, white space, punctuation and other text."""
    return [(found[0], found.start()) for found in _TOKEN.finditer(css)]


def end_of_block(tokens: Tokens, opening: int) -> int:
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


def brackets_in(text: str) -> dict[int, int]:
    """Return the position of the closing bracket for that of each opening one that is closed."""
    ends: dict[int, int] = {}
    waiting: list[tuple[str, int]] = []
    for token, position in tokens_of(text):
        if token in _CLOSING:
            waiting.append((_CLOSING[token], position))
        elif waiting and token == waiting[-1][0]:
            ends[waiting.pop()[1]] = position
    return ends


def is_blank(token: str) -> bool:
    """Return True if a token is white space or a comment."""
    return not token.strip() or token.startswith("/*") or token in ("<!--", "-->")


def text_of(tokens: Tokens) -> str:
    """Return tokens as text without comments."""
    return "".join(token for token, _ in tokens if token.isspace() or not is_blank(token)).strip()
