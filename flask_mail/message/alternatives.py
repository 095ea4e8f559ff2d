"""Alternatives of a message, in the order that mail programs expect. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_RISING = ("plain", "watch-html", "x-amp-html", "html", "calendar")


class Alternatives(dict[str, str]):
    """A dict of alternatives by subtype that keeps them in the order that readers expect.

    Readers show the last one that they support (RFC 2046 section 5.1.4). So a calendar follows the
    HTML, or Outlook and Gmail show no invitation; AMP precedes it, as its specification requires.

    ``"text/html"`` is another way to write ``"html"``.
    """

    def __init__(self, given: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        super().__init__({_subtype(name): content for name, content in dict(given).items()})

    def update(self, *given: Any, **others: str) -> None:
        """Add the items of ``dict(*given, **others)``."""
        for name, content in dict(*given, **others).items():
            self[name] = content

    def __setitem__(self, subtype: str, content: str) -> None:
        subtype = _subtype(subtype)
        later = []
        if subtype not in self and (rank := _rank(subtype)) is not None:
            names = list(self)
            ranks = [_rank(each) for each in names]
            first = next((at for at, each in enumerate(ranks) if each and each > rank), len(names))
            later = [(each, self.pop(each)) for each in names[first:]]
        super().__setitem__(subtype, content)
        super().update(later)

    def __reduce__(self) -> tuple[type[Alternatives], tuple[dict[str, str]]]:
        return Alternatives, (dict(self),)  # in this order


def _subtype(name: Any) -> Any:
    if not isinstance(name, str) or name[:5].lower() != "text/":
        return name
    subtype, mark, parameters = name[5:].partition(";")
    return f"{subtype.lower()}{mark}{parameters}"


def _rank(subtype: object) -> int | None:
    name = str(subtype).partition(";")[0].strip().lower()
    return _RISING.index(name) if name in _RISING else None
