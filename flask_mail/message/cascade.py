"""The CSS cascade: the inline styles of each element, from its style sheets. Pure.

Inline styles override style sheets regardless of selectors (CSS Cascading and Inheritance, section
6). Rules that stay in a sheet, such as those for phones, must still override what they did before:
they become ``!important`` if that changes nothing else, or what they override is not inlined.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final, NamedTuple

from .selectors import Selector, Specificity
from .stylesheets import Declaration, Rule

_VENDOR: Final = re.compile(r"\A-(?:webkit|moz|ms|o)-")

Rank = tuple[bool, Specificity, int]


@dataclass(eq=False)
class Entry:
    """A selector of a rule, with the numbers of the elements that it matches."""

    selector: Selector
    rule: Rule
    order: int
    """Position of its rule among all rules."""
    offset: int
    """Position of its style sheet in the source."""
    is_kept: bool
    """True if it is not inlined: it applies conditionally, or its style sheet is left alone."""
    numbers: frozenset[int] = frozenset()
    """The elements that it matches; for a kept one, those that it may match at some time."""

    @property
    def candidates(self) -> tuple[str, str]:
        """The selectors to look up in the document."""
        return self.selector.text, self.selector.last

    @property
    def rank(self) -> Rank:
        return not self.rule.is_layered, self.selector.specificity, self.order

    def choose(self, matches: Mapping[str, Iterable[int]]) -> None:
        """Set the elements from those found for each selector."""
        exact = frozenset(matches[self.selector.text]) if self.selector.is_static else frozenset()
        if exact:
            self.numbers = exact
            return
        self.is_kept = True
        if not self.selector.is_of_part:
            # A mail program embeds the document into its own, where the selector may match.
            self.numbers = frozenset(matches[self.selector.last])


class _Style(NamedTuple):
    """A declaration to inline into an element."""

    is_important: bool
    rank: Rank
    place: int
    declaration: Declaration


@dataclass(eq=False)
class _Wish:
    """A declaration that stays in its sheet."""

    declaration: Declaration
    position: int
    entries: list[Entry]
    numbers: set[int]
    """Elements that it may apply to."""
    beaten: list[tuple[int, str]] = field(default_factory=list)
    """Inlined declarations that it must override, as element and property."""
    is_bound: bool = False
    """True if ``!important`` would make it override more than that."""


def cascade(
    entries: list[Entry], own: Mapping[int, Iterable[Declaration]], left: set[int]
) -> tuple[dict[int, str], set[int]]:
    """Return the inline style of each element, and the positions where to insert ``!important``.

    :param own: existing inline declarations of elements.
    :param left: elements to leave alone.
    """
    styles = _styles(entries)
    wishes = list(_wishes(entries))
    for each in wishes:
        _compare(each, styles, own)
        each.beaten = [(number, name) for number, name in each.beaten if number not in left]
    raised: set[int] = set()
    dropped: dict[int, set[str]] = {}
    for group in _groups(wishes):
        if not any(each.beaten for each in group):
            continue
        normal = [each for each in group if not each.declaration.is_important]
        can_rise = not any(each.is_bound for each in normal) and not any(
            _would_beat(one, other)
            for one in normal
            for other in group
            if other.declaration.is_important
        )
        if can_rise:
            raised.update(each.position for each in normal)
        for each in group:
            if each.declaration.is_important or not can_rise:
                for number, name in each.beaten:
                    dropped.setdefault(number, set()).add(name)
    texts = {
        number: _text(style, dropped.get(number, set()))
        for number, style in styles.items()
        if number not in left
    }
    return {number: text for number, text in texts.items() if text}, raised


def _styles(entries: list[Entry]) -> dict[int, list[_Style]]:
    """Return the declarations of unconditional rules for each element, the strongest last."""
    rules: dict[int, dict[int, Entry]] = {}
    for entry in entries:
        for number in () if entry.is_kept else entry.numbers:
            matching = rules.setdefault(number, {})
            other = matching.get(entry.order)
            if other is None or other.rank < entry.rank:
                matching[entry.order] = entry
    return {number: _strongest(matching.values()) for number, matching in rules.items()}


def _strongest(entries: Iterable[Entry]) -> list[_Style]:
    given = sorted(
        _Style(declaration.is_important, entry.rank, index, declaration)
        for entry in entries
        for index, declaration in enumerate(entry.rule.declarations)
    )
    kept: dict[str, list[_Style]] = {}
    for each in given:
        those = kept.setdefault(each.declaration.name, [])
        # One rule may repeat a property: the first is for programs that do not know the second.
        if those and those[0][:2] != each[:2]:
            those.clear()
        those.append(each)
    return sorted(each for those in kept.values() for each in those)


def _wishes(entries: list[Entry]) -> Iterator[_Wish]:
    rules: dict[int, list[Entry]] = {}
    for entry in entries:
        rules.setdefault(entry.order, []).append(entry)
    for those in rules.values():
        numbers = {number for each in those if each.is_kept for number in each.numbers}
        for declaration in those[0].rule.declarations if numbers else ():
            yield _Wish(declaration, those[0].offset + declaration.end, those, numbers)


def _compare(
    wish: _Wish, styles: Mapping[int, list[_Style]], own: Mapping[int, Iterable[Declaration]]
) -> None:
    name, is_important = wish.declaration.name, wish.declaration.is_important
    for entry in wish.entries:
        # For important declarations, the order of layers is reversed.
        is_layered = entry.rule.is_layered
        wish.is_bound = wish.is_bound or is_layered or entry.selector.is_of_part
        for number in entry.numbers:
            for style in styles.get(number, ()):
                is_same = style.rank[-1] == entry.order
                if is_same or not overlap(name, style.declaration.name):
                    continue
                is_stronger = entry.rank > style.rank
                if style.is_important is is_important:
                    if not is_stronger and not (is_layered and is_important):
                        wish.is_bound = True
                    elif entry.is_kept:
                        wish.beaten.append((number, style.declaration.name))
                elif style.is_important and is_stronger:
                    wish.is_bound = True
            wish.is_bound = wish.is_bound or any(
                overlap(name, each.name) and not each.is_important for each in own.get(number, ())
            )


def _would_beat(one: _Wish, other: _Wish) -> bool:
    """Return True if `one`, made important, would override the important `other`."""
    return overlap(one.declaration.name, other.declaration.name) and any(
        (this.rank, one.position) > (that.rank, other.position) and this.numbers & that.numbers
        for this in one.entries
        for that in other.entries
    )


def _groups(wishes: list[_Wish]) -> Iterator[list[_Wish]]:
    """Yield groups of overlapping declarations that must all become important, or none."""
    leaders: dict[_Wish, _Wish] = {each: each for each in wishes}

    def leader(wish: _Wish) -> _Wish:
        while leaders[wish] is not wish:
            leaders[wish] = wish = leaders[leaders[wish]]
        return wish

    families: dict[str, list[_Wish]] = {}
    for each in wishes:
        families.setdefault(_family(each.declaration.name), []).append(each)
    everything = families.get("all", [])
    for family in families.values():
        for one, other in combinations([*family, *everything], 2):
            if one.numbers & other.numbers and overlap(
                one.declaration.name, other.declaration.name
            ):
                leaders[leader(one)] = leader(other)
    groups: dict[_Wish, list[_Wish]] = {}
    for each in wishes:
        groups.setdefault(leader(each), []).append(each)
    yield from groups.values()


def _text(styles: list[_Style], dropped: set[str]) -> str:
    names = set(dropped)
    before = -1
    while len(names) != before:  # drop overlapping shorthands together
        before = len(names)
        names.update(
            each.declaration.name
            for each in styles
            if any(overlap(each.declaration.name, name) for name in names)
        )
    return " ".join(
        f"{each.declaration.name}: {' '.join(each.declaration.value.split())}"
        f"{' !important' if each.is_important else ''};"
        for each in styles
        if each.declaration.name not in names
    )


def overlap(one: str, other: str) -> bool:
    """Return True if two properties may set the same thing, such as a shorthand and its parts."""
    if one == other or "all" in (one, other):
        return True
    one, other = _stem(one), _stem(other)
    family = _family(one)
    return family == _family(other) and (
        one == other
        or one.startswith(f"{other}-")
        or other.startswith(f"{one}-")
        or family in ("border", "radius")
        or {one, other} == {"font", "line-height"}
    )


def _family(name: str) -> str:
    """Return a key that overlapping properties share."""
    stem = _stem(name)
    if stem.startswith("--") or stem in ("border-collapse", "border-spacing"):
        return stem
    if stem.endswith("-radius"):
        return "radius"
    return "font" if stem == "line-height" else stem.partition("-")[0]


def _stem(name: str) -> str:
    return _VENDOR.sub("", name)
