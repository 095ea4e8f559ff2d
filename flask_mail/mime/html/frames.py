"""The open elements of an HTML mail. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from .prose import Prose
from .tables import Table

Close: TypeAlias = "Callable[[Frame], None]"
"""What is done at the end of an element."""


@dataclass(slots=True)
class List:
    """A list that is being read."""

    depth: int
    number: int | None
    """That of the next item, if it has one."""
    item: int = 0
    """The depth of the open item."""


class Frame(NamedTuple):
    """What was so before an element was opened."""

    name: str
    close: Close | None
    lines: int
    state: int
    prefix: str
    marker: str
    pre: bool
    breaks: bool
    counts: dict[str, int]
    items: List | None
    table: Table | None


class Frames:
    """Keeps what each open element changes, until it ends.

    Elements are in a list, and not within each other: no depth is too deep.
    """

    def __init__(self) -> None:
        self.prose = Prose()
        self.frames: list[Frame] = []
        self.state = 0  # how what is read now is hidden
        # The frames of each name. A cell and an item have their own, so that an end tag in them
        # ends nothing outside.
        self.counts: dict[str, int] = {}
        self.items: List | None = None
        self.table: Table | None = None

    def end(self, name: str) -> None:
        """End the innermost element `name` and what is in it, unless it is outside of a cell."""
        if count := self.counts.get(name):
            while self.counts.get(name) == count:
                self.pop()

    def push(self, name: str, close: Close | None = None, *, apart: bool = False) -> int:
        """Keep what an element may change, and return its depth.

        :param apart: end tags in it end nothing outside.
        """
        prose = self.prose
        self.frames.append(
            Frame(
                name,
                close,
                len(prose.lines),
                self.state,
                prose.prefix,
                prose.marker,
                prose.pre,
                prose.breaks,
                self.counts,
                self.items,
                self.table,
            )
        )
        if apart:
            self.counts = {}
        else:
            self.counts[name] = self.counts.get(name, 0) + 1
        return len(self.frames)

    def pop(self) -> None:
        """End the innermost element."""
        frame = self.frames.pop()
        prose = self.prose
        if prose.link and prose.link.depth > len(self.frames):
            prose.end_link()
        if frame.close:
            frame.close(frame)
        if self.counts is frame.counts:
            if self.counts[frame.name] == 1:
                del self.counts[frame.name]
            else:
                self.counts[frame.name] -= 1
        self.state, self.counts = frame.state, frame.counts
        self.items, self.table = frame.items, frame.table
        prose.prefix, prose.pre, prose.breaks = frame.prefix, frame.pre, frame.breaks
        # The mark of an outer item still waits for the first line.
        prose.marker = frame.marker if len(prose.lines) == frame.lines else ""

    def pop_to(self, depth: int) -> None:
        """End all elements that are deeper."""
        while len(self.frames) > depth:
            self.pop()
