"""HTML source with colours, for reading."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup, escape

LARGEST: Final = 64 * 1024
"""Characters: a longer source would make a browser slow."""

# Each alternative takes linear time: a comment without an end goes to the end of the source, and a
# tag ends where the next one begins.
_TOKEN: Final = re.compile(
    r"(?P<comment><!--.*?(?:-->|\Z)|<![^<>]*>)|(?P<tag></?[A-Za-z][^<>]*>)", re.DOTALL
)
_NAME: Final = re.compile(r"</?[^\s/>]+")
_ATTRIBUTE: Final = re.compile(r"""(?<![\w:-])([\w:-]{1,60}=)("[^"]*"|'[^']*'|[^\s>]*)""")


def highlighted(source: str) -> Markup:
    """Return HTML source, escaped, with the kind of each token as the class of an element.

    Each line is an element with its number as ``id``, such as ``L3``.
    """
    pieces: list[Markup] = []
    end = 0
    for found in _TOKEN.finditer(source):
        pieces.append(escape(source[end : found.start()]))
        pieces.append(_span("c", found[0]) if found["comment"] else _tag(found[0]))
        end = found.end()
    lines = Markup().join([*pieces, escape(source[end:])]).split("\n")
    return Markup("\n").join(
        Markup('<span class="line" id="L{}">{}</span>').format(number, line)
        for number, line in enumerate(lines, 1)
    )


def _tag(tag: str) -> Markup:
    name: str = _NAME.match(tag)[0]  # type: ignore[index]  # each tag has one
    pieces = [_span("t", name)]
    end = len(name)
    for found in _ATTRIBUTE.finditer(tag, end):
        pieces += [escape(tag[end : found.start()]), _span("a", found[1]), _span("v", found[2])]
        end = found.end()
    rest = tag[end:]
    return Markup().join([*pieces, escape(rest[:-1]), _span("t", rest[-1:])])


def _span(kind: str, text: str) -> Markup:
    # No element contains the end of a line.
    return Markup("\n").join(
        Markup('<span class="{}">{}</span>').format(kind, line) for line in text.split("\n")
    )
