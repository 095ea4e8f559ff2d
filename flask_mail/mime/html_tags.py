"""Tokenizer of HTML: tags and the text between them, in linear time for any input. Pure.

:mod:`html.parser` takes minutes for ``"<!--" * 25000`` in many supported releases of Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

# Elements without tags in them, whose text is not rendered.
RAW: Final = frozenset({"iframe", "noembed", "noframes", "script", "style", "title"})

# A ">" in quotes belongs to the value if "=" precedes the quotes. The lookahead matches in one way
# only; otherwise, failures would take exponential time.
_TAG = re.compile(r"<(/?[a-zA-Z][^\s/>]*)([^>=]*(?:(?=(=\s*(?:\"[^\"]*\"|'[^']*')?))\3[^>=]*)*)>")
_TAG_WITHOUT_QUOTES = re.compile(r"<(/?[a-zA-Z][^\s/>]*)([^>]*)>")
_COMMENT_END = re.compile("--!?>")
_ATTRIBUTE = re.compile(r"([^\s/>=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|[\"']?([^\s>]+)))?")
# In an attribute, "&copy=1" is literal, for URLs (HTML, named character references).
_LITERAL = re.compile("&(?=[a-zA-Z][a-zA-Z0-9]*(?![a-zA-Z0-9;]))")
# No character has so many digits. They are converted in quadratic time, or refused.
_LONG_NUMBER = re.compile("&#(?:[xX][0-9a-fA-F]{8,}|[0-9]{8,});?")


def split_tags(html: str) -> Iterator[tuple[str, str, str]]:
    """Yield text, name and attributes for each tag and the text before it; the last name is empty.

    Names are in lower case, with a slash for end tags, and ``!`` for comments and declarations.
    Neither texts nor attributes are decoded. Malformed tags and the content of `RAW` are text.
    """
    last = html.rfind(">")
    quotes = True
    start = look = 0  # of the text; of the search for the next tag
    while 0 <= (opening := html.find("<", look)) < last:
        name, attributes = "!", ""
        if html.startswith("<!--", opening):
            comment = _COMMENT_END.search(html, opening + 2)  # "<!-->" is a comment too
            end = comment.end() if comment else len(html)
        elif html.startswith(("<!", "<?", "</>"), opening):
            end = html.find(">", opening) + 1
        elif tag := (
            (quotes and _TAG.match(html, opening)) or _TAG_WITHOUT_QUOTES.match(html, opening)
        ):
            quotes = tag.re is _TAG  # repeated failures would take quadratic time
            name, attributes = tag[1].lower(), tag[2]
            end = tag.end()
        else:
            look = opening + 1
            continue
        yield html[start:opening], name, attributes
        start = look = end
        if name in RAW:
            raw_end = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(html, end, last + 1)
            start = look = raw_end.start() if raw_end else len(html)
            yield html[end:start], f"/{name}", ""
    # No ">" is left, so an open comment hides the rest.
    comment_start = html.find("<!--", look)
    yield html[start : comment_start if comment_start >= 0 else len(html)], "", ""


def read_attributes(attributes: str) -> dict[str, str]:
    """Return the attributes by lower-case name; the first of duplicates wins."""
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(attributes):
        value = double or single or bare
        found.setdefault(name.lower(), decode_references(_LITERAL.sub("&amp;", value)))
    return found


def decode_references(text: str) -> str:
    """Decode the character references in a text, once."""
    return unescape(_LONG_NUMBER.sub("\ufffd", text)) if "&" in text else text
