"""The open elements of an HTML mail. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from .prose import Prose
from .tables import Table

Close: TypeAlias = "Callable[[Frame], None]"
"""Called at the end of an element."""


@dataclass(slots=True)
class List:
    """A list that is being read."""

    depth: int
    number: int | None
    """Number of the next item in an ordered list."""
    item: int = 0
    """The depth of the open item."""


class Frame(NamedTuple):
    """The state before an element was opened, to restore at its end."""

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
    """The stack of open elements, each with the state to restore at its end.

    It is a list and not recursive, so any depth is allowed.
    """

    def __init__(self) -> None:
        self.prose = Prose()
        self.frames: list[Frame] = []
        self.state = 0  # how the current text is hidden
        # Open frames by name. Cells and items have their own table, so that an end tag in them does
        # not end elements outside.
        self.counts: dict[str, int] = {}
        self.items: List | None = None
        self.table: Table | None = None

    def end(self, name: str) -> None:
        """End the innermost element `name` and what is in it, unless it is outside of a cell."""
        if count := self.counts.get(name):
            while self.counts.get(name) == count:
                self.pop()

    def push(self, name: str, close: Close | None = None, *, apart: bool = False) -> int:
        """Save the state before an element, and return its depth.

        :param apart: end tags in it do not end elements outside.
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
        # The marker of an outer item still precedes the first line.
        prose.marker = frame.marker if len(prose.lines) == frame.lines else ""

    def pop_to(self, depth: int) -> None:
        """End all elements that are deeper."""
        while len(self.frames) > depth:
            self.pop()
