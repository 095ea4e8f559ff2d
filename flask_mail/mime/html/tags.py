"""Tokenizer of HTML: tags and the text between them, in linear time for any input. Pure.

:mod:`html.parser` takes quadratic time in many supported releases of Python: a mail of 100 kB such
as ``"<!--" * 25000`` stops a process for minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from html.entities import html5
from typing import Final

# Text and a well-formed tag. It stops at the next "<" and matches in one way only, so failures are
# cheap.
_PLAIN = re.compile(
    r"[^<]*<(/?[a-zA-Z][^ \t\n\r\f/<>\"']*)"
    r"((?:[ \t\n\r\f/][^<>\"']*(?:\"[^\"<>]*\"[^<>\"']*)*)?)>"
)
# Only tried if a ">" follows, so it matches wherever a name begins.
_TAG = re.compile(r"<(/?[a-zA-Z][^ \t\n\r\f/>]*)([^>]*)>")
_COMMENT_END = re.compile("--!?>")
_END_OR_QUOTE = re.compile(r">|=[ \t\n\r\f]*[\"']?")
_ATTRIBUTE = re.compile(
    r"([^ \t\n\r\f/>=]+)"
    r"(?:[ \t\n\r\f]*=[ \t\n\r\f]*(?:\"([^\"]*)\"|'([^']*)'|[\"']?([^ \t\n\r\f>]+)))?"
)
# Elements without tags in them, whose text is not rendered.
_RAW: Final = frozenset({"script", "style", "title", "iframe", "noembed", "noframes"})

# In an attribute, "&copy=1" is literal, for URLs (HTML, named character references).
_REFERENCE = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[a-zA-Z][a-zA-Z0-9]{1,31}(?![\w=]);?)")
# Long numbers are converted in quadratic time, or refused; only leading zeros may make one valid.
_LONG_NUMBER = re.compile("&#([xX][0-9a-fA-F]{8,}|[0-9]{8,});?")


def split_tags(html: str) -> Iterator[tuple[str, str, str]]:
    """Yield text, name and attributes for each tag and the text before it; the last name is empty.

    Names are in lower case, with a slash for end tags and ``!`` for comments, declarations and the
    like. Texts and attributes are not decoded. Malformed tags are text. The content of scripts,
    styles and titles is left out.
    """
    plain = _PLAIN.match
    last = html.rfind(">")
    quotes = True
    start = look = 0  # of the text; of the search for the next tag
    while True:
        if tag := plain(html, look):
            name, attributes = tag.groups()
            opening, end = tag.start(1) - 1, tag.end()
        else:
            opening = html.find("<", look)
            if not 0 <= opening < last:
                break
            if html.startswith("<!--", opening):
                yield html[start:opening], "!", ""
                # "<!-->" and "<!--->" are comments too.
                comment = _COMMENT_END.search(html, opening + 2)
                start = look = comment.end() if comment else len(html)
                continue
            if html.startswith(("<!", "<?", "</>"), opening):
                yield html[start:opening], "!", ""
                start = look = html.find(">", opening) + 1
                continue
            tag = _TAG.match(html, opening)
            if not tag:
                look = opening + 1
                continue
            name, attributes = tag.groups()
            end = tag.end()
            # With an odd number of quotation marks, that ">" may be in an attribute.
            if quotes and (attributes.count('"') & 1 or attributes.count("'") & 1):
                if closed := _end_of_tag(html, tag.end(1)):
                    end = closed
                    attributes = html[tag.end(1) : end - 1]
                else:
                    quotes = False  # repeated searches would take quadratic time
        name = name.lower()
        yield html[start:opening], name, attributes
        start = look = end
        if name in _RAW:
            raw_end = re.compile(rf"</{name}(?=[ \t\n\r\f/>])", re.IGNORECASE)
            closing = raw_end.search(html, end, last + 1)
            start = look = closing.start() if closing else len(html)
    # No ">" is left, so an open comment hides the rest.
    comment_start = html.find("<!--", look)
    yield html[start : comment_start if comment_start >= 0 else len(html)], "", ""


def read_attributes(attributes: str) -> dict[str, str]:
    """Return the attributes by lower-case name; the first of duplicates wins."""
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(attributes):
        value = double or single or bare
        if "&" in value:
            value = _REFERENCE.sub(_decode_reference, value)
        found.setdefault(name.lower(), value)
    return found


def decode_references(text: str) -> str:
    """Decode the character references in a text, once."""
    return unescape(_LONG_NUMBER.sub(_shorten, text) if "&#" in text else text)


def _decode_reference(found: re.Match[str]) -> str:
    name = found[1]
    return decode_references(found[0]) if name[0] == "#" else html5.get(name, found[0])


def _shorten(found: re.Match[str]) -> str:
    number = found[1]
    base, digits = ("x", number[1:]) if number[0] in "xX" else ("", number)
    return f"&#{base}{digits.lstrip('0')[:8] or '0'};"


def _end_of_tag(html: str, position: int) -> int:
    """Return the end of the tag whose name ends at `position`, or 0 if it is unclosed."""
    while found := _END_OR_QUOTE.search(html, position):
        position = found.end()
        if found[0] == ">":
            return position
        if (quote := found[0][-1]) in "\"'":
            position = html.find(quote, position) + 1
            if not position:
                break
    return 0
