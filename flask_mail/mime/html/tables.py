"""Layout of table rows as lines or paragraphs. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .prose import Prose

_LONGEST_ROW: Final = 100  # longer cells of a layout are paragraphs
_TALLEST_CELL: Final = 3  # lines of a cell of data that still become one


@dataclass(slots=True)
class Table:
    """A table that is being read."""

    depth: int
    layout: bool
    """True if it is declared as a layout table, without data."""
    headed: bool = False
    nesting: bool = False
    """True if a cell of this row contains more than text."""
    cell: int = 0
    """The depth of the open cell."""
    _cells: list[tuple[int, int]] = field(default_factory=list)  # of this row: the lines of each
    _end: int = -1  # where the last row ended, if that was one line

    def end_cell(self, start: int, end: int) -> None:
        """Record the lines of a cell that has ended."""
        self.cell = 0
        self._cells.append((start, end))

    def end_row(self, prose: Prose) -> None:
        """Join the cells of the row in one line if that reads better than paragraphs."""
        if not self._cells:
            return
        cells, self._cells = self._cells, []
        nesting, self.nesting = self.nesting, False
        lines = prose.lines
        filled = [(start, end) for start, end in cells if end > start]
        data = self.headed and not self.layout
        if nesting or not filled or (len(filled) == 1 and not data):
            return
        heights = [end - start for start, end in filled]
        first = filled[0][0]
        # If the sum differs, there is text between the cells.
        if sum(heights) != len(lines) - first or max(heights) > (_TALLEST_CELL if data else 1):
            return
        texts = [" ".join([line.text for line in lines[start:end]]) for start, end in cells]
        if data:
            while not texts[-1]:
                texts.pop()
            text = " | ".join(texts).lstrip()
        else:
            text = " ".join(filter(None, texts))
            if len(text) > _LONGEST_ROW:
                return
        apart = lines[first].apart and self._end != first
        lines[first:] = [lines[first]._replace(text=text, apart=apart)]
        self._end = len(lines)
