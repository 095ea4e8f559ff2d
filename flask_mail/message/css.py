"""CSS inlining, for mail programs that ignore style sheets.

It only adds ``style`` attributes, and ``!important`` to rules that would lose against them. Style
sheets, comments and everything else stay unchanged, so a program that reads style sheets renders
the same as before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ..errors import ConfigurationError
from ..mime.html_tags import decode_references
from .cascade import Entry, cascade
from .start_tags import StartTag, start_tags
from .stylesheets import declarations_of, rules_of

EXTRA = 'pip install "path/to/flask-mail[css]"'

_NUMBER: Final = "data-flask-mail-number"
_HIDDEN_AS: Final = "data-flask-mail-"
# The library fails on invalid styles, and skips elements with data-css-inline="ignore".
_HIDDEN: Final = frozenset({"style", "data-css-inline"})
_STYLE_ATTRIBUTE: Final = re.compile(r"\[\s*style(?=[\s~|^$*=\]])", re.IGNORECASE)
_PROPERTY: Final = "--flask-mail-rule-"
_RULE: Final = re.compile(rf"{_PROPERTY}([0-9]+)")
# A start tag as the library serializes it.
_WRITTEN: Final = re.compile(r'<[^\s>]+((?: [^\s=>"]+="[^"]*")+)', re.ASCII)
_NUMBERED: Final = re.compile(rf' {_NUMBER}="([0-9]+)"')

# Elements that are not rendered.
_UNSEEN: Final = frozenset(
    {"base", "head", "link", "meta", "noscript", "param", "script", "source", "style", "template"}
    | {"title", "track"}
)

_EVERYWHERE: Final = frozenset({"", "all", "screen"})


def inline_css(html: str, wanted: bool | None) -> str:
    """Return HTML with its ``<style>`` sheets inlined.

    Conditional rules are not inlined: media other than screen, at-rules, and states such as
    ``:hover``; neither are elements marked ``data-css-inline="ignore"``. Nothing is loaded.

    :param wanted: ``None`` inlines if the library is installed.
    :raises ConfigurationError: inlining is wanted, and the library is missing.
    """
    if wanted is False or "<style" not in html.lower():
        return html
    try:
        import css_inline  # the extra "css"
    except ImportError:
        if wanted:
            raise ConfigurationError(f"MAIL_INLINE_CSS requires css-inline: {EXTRA}") from None
        return html
    tags = list(start_tags(html))
    entries = list(_entries(html, tags))
    _find(html, tags, entries, css_inline)
    own = {n: declarations_of(decode_references(tag.get("style"))) for n, tag in enumerate(tags)}
    left = {n for n, tag in enumerate(tags) if _is_left(tag)}
    styles, raised = cascade(entries, own, left)
    return _edited(
        html,
        [
            *(_styled(tags[number], css) for number, css in styles.items()),
            *((position, 0, " !important") for position in raised),
        ],
    )


def _entries(html: str, tags: list[StartTag]) -> Iterator[Entry]:
    order = 0
    for tag in tags:
        if tag.name != "style" or tag.get("type").lower() not in ("", "text/css"):
            continue
        media = {each.strip().lower() for each in tag.get("media").split(",")}
        is_left = _is_left(tag) or tag.is_conditional or not media & _EVERYWHERE
        for rule in rules_of(html[tag.end : tag.content_end]):
            order += 1
            for selector in rule.selectors:
                is_kept = is_left or rule.is_conditional or not selector.is_static
                yield Entry(selector, rule, order, tag.end, is_kept)


def _find(html: str, tags: list[StartTag], entries: list[Entry], css_inline: Any) -> None:
    """Set the elements of each entry by letting the library match the selectors."""
    selectors = list(dict.fromkeys(each for entry in entries for each in entry.candidates))
    css = "".join(
        f"{_STYLE_ATTRIBUTE.sub(f'[{_HIDDEN_AS}style', each)}{{{_PROPERTY}{n}:1}}"
        for n, each in enumerate(selectors)
    )
    edits = [(tag.name_end, 0, f' {_NUMBER}="{n}"') for n, tag in enumerate(tags)]
    edits += [
        (each.start("name"), len(each["name"]), f"{_HIDDEN_AS}{each['name']}")
        for tag in tags
        for each in (*tag.attributes.values(), *tag.repeated)
        if each["name"].lower() in _HIDDEN
    ]
    numbered = _edited(html, edits)
    inliner = css_inline.CSSInliner(
        inline_style_tags=False, load_remote_stylesheets=False, extra_css=css
    )
    matches: dict[str, set[int]] = {each: set() for each in selectors}
    for attributes in _WRITTEN.findall(inliner.inline(numbered)):
        number = _NUMBERED.search(attributes)
        if number and tags[int(number[1])].name not in _UNSEEN:
            for found in _RULE.findall(attributes):
                matches[selectors[int(found)]].add(int(number[1]))
    for entry in entries:
        entry.choose(matches)


def _is_left(tag: StartTag) -> bool:
    """Return True if a tag is marked ``data-css-inline="ignore"``."""
    return tag.get("data-css-inline").lower() == "ignore"


def _styled(tag: StartTag, css: str) -> tuple[int, int, str]:
    """Return the edit that inserts declarations before a tag's own."""
    found = tag.attributes.get("style")
    css = css.replace("&", "&amp;")
    quoted = css.replace('"', "&quot;")
    if found is None:
        return tag.name_end, 0, f' style="{quoted}"'
    if found["double"] is not None:
        return found.start("double"), 0, f"{quoted} "
    if found["single"] is not None:
        return found.start("single"), 0, f"{css.replace(chr(39), '&#39;')} "
    if found["bare"] is not None:
        bare = found["bare"].replace('"', "&quot;")
        return found.start("bare"), len(found["bare"]), f'"{quoted} {bare}"'
    return found.end(), 0, f'"{quoted}"' if found[0].endswith("=") else f'="{quoted}"'


def _edited(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """Apply edits (position, length to replace, replacement) to a text."""
    pieces = []
    at = 0
    for start, length, words in sorted(edits):
        pieces += [text[at:start], words]
        at = start + length
    return "".join((*pieces, text[at:]))
