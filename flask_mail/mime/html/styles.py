"""Which elements of an HTML mail its reader does not see. Pure."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Final

TINY: Final = 1
"""Its text has the size 0; its images are seen."""
UNSEEN: Final = 2
"""It is invisible; what it holds may be visible again."""
GONE: Final = 4
"""It is not shown, nor is anything that it holds."""

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
"""The elements that hold nothing and have no end tag."""

_NOT_DISPLAYED = re.compile(r"display\s*:\s*none")
_NO_SIZE = re.compile(r"font-size\s*:\s*\.?0")
_DECLARATION = re.compile(
    r"(?:^|;)\s*(display|font-size|height|max-height|opacity|overflow|visibility)"
    r"\s*:\s*([^;!\s]*)"
)
_WHITE_SPACE = re.compile(r"(?:^|;)\s*white-space\s*:\s*([^;!\s]+)")
_UNITS: Final = string.ascii_lowercase + "%"
# The tags that end an element whose own end tag may be left out (HTML, optional tags).
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
    """Tell, quickly, whether text in lower case may hold an attribute that hides something."""
    return (
        "hidden" in text
        or "opacity" in text
        or ("none" in text and _NOT_DISPLAYED.search(text) is not None)
        or ("font-size" in text and _NO_SIZE.search(text) is not None)
    )


def hiding(attributes: Mapping[str, str], inherited: int) -> int:
    """Return how an element with these attributes is hidden, in an element hidden as `inherited`.

    ``mso-hide:all`` says nothing: it hides from Outlook alone what all others see.
    """
    if "hidden" in attributes:
        return GONE
    style = dict(_DECLARATION.findall(attributes.get("style", "").lower()))
    clipped = style.get("overflow") in ("hidden", "clip")
    if (
        style.get("display") == "none"
        or _is_zero(style.get("opacity", ""))
        # Without overflow:hidden, what is no pixel high is seen: some layouts overlap so.
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
    """Return the ``white-space`` of an element; ``None`` where it says nothing of it."""
    found = _WHITE_SPACE.findall(style.lower()) if "white-space" in style.lower() else []
    return found[-1] if found and found[-1] != "inherit" else None


def _is_zero(value: str) -> bool:
    number = value.rstrip(_UNITS)
    return number != "" and not number.strip("0.")


def ends(tag: str, name: str) -> bool:
    """Tell whether the start tag `tag` ends an element `name` that has no end tag."""
    return name in _ENDED_BY and tag in _ENDED_BY[name]


class Hidden:
    """An element that is not shown, and how far it reaches."""

    def __init__(self, name: str) -> None:
        self.end_tag = f"/{name}"
        self._name = name
        self._inside = {name: 1}

    def ended_by(self, tag: str) -> bool:
        """Take the next tag; tell whether the element ends there.

        That may be its end tag; one that ends what holds it; or a start tag that it cannot hold.
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
