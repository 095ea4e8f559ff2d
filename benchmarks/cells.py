"""Groups of cells, of which a benchmark consists. In a cell, all do the same in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .environments import DJANGO, MAILMAN, OLD

SMTP_SOURCE = "smtp-source (C)"
PEERS = (OLD, MAILMAN, DJANGO)
NOWHERE = "nowhere"  # the server of cells that send nothing


@dataclass(frozen=True)
class Plan:
    """Numbers of messages, repeats and seconds."""

    round_trips: tuple[int, ...]  # milliseconds
    budget: float  # seconds that one contestant gets for one turn, where messages are slow
    repeats: int
    most_singles: int
    most_in_loop: int
    batch: int
    sizes: tuple[int, ...]
    recipients: tuple[int, ...]
    memory: int
    making: float  # seconds that one contestant gets for one turn of making messages
    imports: int
    apps: int
    by_path: int  # MiB
    queued: int
    kills: int

    def share(self, milliseconds: int, per_message: float, most: int) -> int:
        """Return how many messages fit into the budget if each takes `per_message` round trips."""
        if not milliseconds:
            return most
        return max(3, min(most, int(self.budget * 1000 / (milliseconds * per_message))))

    @property
    def fewer_repeats(self) -> int:
        """The number of turns of long cells."""
        return max(1, self.repeats - 1)

    def turns(self, milliseconds: int) -> int:
        """Return how often a cell is repeated: once where no target depends on it."""
        return self.repeats if milliseconds in {0, 20} else 1


FULL = Plan(
    round_trips=(0, 5, 20, 80),
    budget=0.7,
    repeats=3,
    most_singles=20,
    most_in_loop=100,
    batch=1000,
    sizes=(100, 1000, 10_000),
    recipients=(1, 10, 100),
    memory=3000,
    making=0.4,
    imports=4,
    apps=300,
    by_path=100,
    queued=150,
    kills=5,
)
QUICK = Plan(
    round_trips=(20,),
    budget=0.6,
    repeats=1,
    most_singles=10,
    most_in_loop=50,
    batch=300,
    sizes=(100, 1000),
    recipients=(1, 20),
    memory=1000,
    making=0.1,
    imports=2,
    apps=50,
    by_path=25,
    queued=60,
    kills=2,
)


@dataclass(frozen=True)
class Entry:
    """One contestant in one cell."""

    label: str
    library: str
    request: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    server: str | None = None
    """Another one than the cell's."""
    needs: str = ""
    """A server that queues need: ``postgresql`` or ``redis``."""


@dataclass(frozen=True)
class Cell:
    """Comparison of several entries."""

    column: str
    server: str
    milliseconds: int
    entries: list[Entry]
    repeats: int
    nominal: int = 0
    """The size of the batch that all are compared at; 0: a message is compared."""


@dataclass(frozen=True)
class Group:
    """Cells that share a table."""

    name: str
    heading: str
    shows: str
    """``time`` of a message, or ``rate`` of messages."""
    text: str
    cells: Callable[[Plan], list[Cell]]
