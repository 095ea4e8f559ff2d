"""Detection of hidden elements in HTML mail. Pure."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Final

TINY: Final = 1
"""Its text has the size 0; its images are visible."""
UNSEEN: Final = 2
"""It is invisible; elements in it may be visible."""
GONE: Final = 4
"""It is not rendered, nor is anything in it."""

VOID: Final = frozenset(
    {
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    }
)
"""Elements without content and end tag."""

_NOT_DISPLAYED = re.compile(r"display\s*:\s*none")
_NO_SIZE = re.compile(r"font-size\s*:\s*\.?0")
_DECLARATION = re.compile(
    r"(?:^|;)\s*(display|font-size|height|max-height|opacity|overflow|visibility)"
    r"\s*:\s*([^;!\s]*)"
)
_WHITE_SPACE = re.compile(r"(?:^|;)\s*white-space\s*:\s*([^;!\s]+)")
_UNITS: Final = string.ascii_lowercase + "%"
# Start tags that end an element with an optional end tag (HTML, optional tags).
_PARTS_OF_TABLES: Final = frozenset({"tr", "tbody", "tfoot", "thead"})
_ENDED_BY: Final = {
    "li": frozenset({"li"}),
    "dt": frozenset({"dt", "dd"}),
    "dd": frozenset({"dt", "dd"}),
    "tr": _PARTS_OF_TABLES,
    "td": _PARTS_OF_TABLES | {"td", "th"},
    "th": _PARTS_OF_TABLES | {"td", "th"},
    "p": frozenset(
        {
            "address",
            "article",
            "aside",
            "blockquote",
            "center",
            "details",
            "div",
            "dl",
            "fieldset",
            "figure",
            "footer",
            "form",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "header",
            "hr",
            "main",
            "menu",
            "nav",
            "ol",
            "p",
            "pre",
            "section",
            "table",
            "ul",
        }
    ),
}


def may_hide(text: str) -> bool:
    """Return True if text in lower case may contain an attribute that hides something; fast."""
    return (
        "hidden" in text
        or "opacity" in text
        or ("none" in text and _NOT_DISPLAYED.search(text) is not None)
        or ("font-size" in text and _NO_SIZE.search(text) is not None)
    )


def hiding(attributes: Mapping[str, str], inherited: int) -> int:
    """Return how an element with these attributes is hidden, in an element hidden as `inherited`.

    ``mso-hide:all`` is ignored, as it hides elements in Outlook alone.
    """
    if "hidden" in attributes:
        return GONE
    style = dict(_DECLARATION.findall(attributes.get("style", "").lower()))
    clipped = style.get("overflow") in ("hidden", "clip")
    if (
        style.get("display") == "none"
        or _is_zero(style.get("opacity", ""))
        # Without overflow:hidden, an element of height 0 is visible: some layouts overlap this way.
        or (clipped and any(_is_zero(style.get(each, "")) for each in ("max-height", "height")))
    ):
        return GONE
    if visibility := style.get("visibility"):
        inherited &= ~UNSEEN
        if visibility in ("hidden", "collapse"):
            inherited |= UNSEEN
    if size := style.get("font-size"):
        if _is_zero(size):
            inherited |= TINY
        elif size.endswith("rem") or not size.endswith(("em", "%", "inherit")):
            inherited &= ~TINY
    return inherited


def white_space(style: str) -> str | None:
    """Return the ``white-space`` of an element, or ``None``."""
    found = _WHITE_SPACE.findall(style.lower()) if "white-space" in style.lower() else []
    return found[-1] if found and found[-1] != "inherit" else None


def _is_zero(value: str) -> bool:
    number = value.rstrip(_UNITS)
    return number != "" and not number.strip("0.")


def ends(tag: str, name: str) -> bool:
    """Return True if the start tag `tag` ends an open element `name`."""
    return name in _ENDED_BY and tag in _ENDED_BY[name]


class Hidden:
    """A hidden element, and the search for its end."""

    def __init__(self, name: str) -> None:
        self.end_tag = f"/{name}"
        self._name = name
        self._inside = {name: 1}

    def ended_by(self, tag: str) -> bool:
        """Process the next tag; return True if it ends the element.

        That is its end tag, the end tag of an enclosing element, or a start tag that it cannot
        contain.
        """
        inside = self._inside
        name = tag.removeprefix("/")
        if tag == name:
            nested = inside.get("table") or inside.get("ul") or inside.get("ol")
            if not nested and ends(tag, self._name):
                return True
            inside[name] = inside.get(name, 0) + 1
        elif inside.get(name):
            inside[name] -= 1
            return not inside[self._name]
        else:
            return name not in VOID
        return False
