"""Mail programs that understand the HTML of a message. Pure.

The facts are those of Can I email, in ``programs.json``, which ``tools/mail_programs.py`` writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from .html_features import MOST_LINES, Use, features_in

_CONDITIONAL: Final = "Outlook (Windows)"
"""The only program that reads conditional comments."""
_WORTH: Final = {"y": 2, "a": 1, "n": 0}


@dataclass(frozen=True, slots=True)
class Gap:
    """A feature of the message that a mail program does not support."""

    feature: str
    """Such as ``display:flex``."""
    url: str
    """The page about it, with the details."""
    support: Literal["partly", "no"]
    lines: tuple[int, ...]
    """The first lines of the HTML that use it."""
    has_more: bool
    """True if more lines use it."""

    @property
    def where(self) -> str:
        """The lines, as text."""
        numbers = ", ".join(map(str, self.lines))
        return (
            f"line{'s' if len(self.lines) > 1 else ''} {numbers}{', ...' if self.has_more else ''}"
        )


@dataclass(frozen=True, slots=True)
class Program:
    """A mail program, and how much of a message it supports."""

    name: str
    score: int
    """Percentage of the features that it supports; half of one that it supports partly."""
    gaps: tuple[Gap, ...]
    """The features that it does not support, then those partly, each in the order of the lines."""


@dataclass(frozen=True, slots=True)
class _Feature:
    slug: str
    title: str
    support: str
    """A letter for each program: yes, no, partly (``a``), or unknown (``u``)."""


@dataclass(frozen=True, slots=True)
class _Table:
    date: str
    programs: tuple[str, ...]
    features: dict[str, _Feature]
    """By what is written, as in :mod:`.html_features`."""


def programs_for(html: str) -> list[Program]:
    """Return the mail programs that were tested, with what each supports of some HTML."""
    table = _table()
    used: dict[_Feature, list[Use]] = {}
    for name, use in features_in(html, table.features).items():
        used.setdefault(table.features[name], []).append(use)
    found = sorted(
        ((feature, _merged(uses)) for feature, uses in used.items()),
        key=lambda each: each[1].lines[0],
    )
    return [_program(name, index, found) for index, name in enumerate(table.programs)]


def date_of_facts() -> str:
    """Return the date of the facts, such as ``2026-05-13``."""
    return _table().date


def _program(name: str, index: int, found: list[tuple[_Feature, Use]]) -> Program:
    known = [
        (feature, use)
        for feature, use in found
        if feature.support[index] in _WORTH and not (use.is_conditional and name == _CONDITIONAL)
    ]
    worth = sum(_WORTH[feature.support[index]] for feature, _ in known)
    return Program(
        name,
        worth * 50 // len(known) if known else 100,
        (*_gaps(known, index, "n", "no"), *_gaps(known, index, "a", "partly")),
    )


def _gaps(
    known: list[tuple[_Feature, Use]], index: int, letter: str, support: Literal["partly", "no"]
) -> list[Gap]:
    return [
        Gap(
            feature=feature.title,
            url=f"https://www.caniemail.com/features/{feature.slug}/",
            support=support,
            lines=tuple(use.lines),
            has_more=use.has_more,
        )
        for feature, use in known
        if feature.support[index] == letter
    ]


def _merged(uses: list[Use]) -> Use:
    """Return the use of a feature that may be written in several ways."""
    lines = sorted({line for each in uses for line in each.lines})
    return Use(
        lines[:MOST_LINES],
        len(lines) > MOST_LINES or any(each.has_more for each in uses),
        all(each.is_conditional for each in uses),
    )


@lru_cache(maxsize=1)
def _table() -> _Table:
    written: Any = json.loads(Path(__file__).with_name("programs.json").read_text("utf-8"))
    features = {}
    for slug, title, names, support in written["features"]:
        feature = _Feature(slug, title, support)
        features.update(dict.fromkeys(names, feature))
    return _Table(written["date"], tuple(written["programs"]), features)
