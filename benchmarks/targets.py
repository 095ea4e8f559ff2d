"""What was to be reached, and by how much it was, or was not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .cells import PIPELINING
from .environments import OURS


@dataclass(frozen=True)
class Target:
    """A figure of one entry of one cell, and what it should be."""

    text: str
    group: str
    column: str
    label: str
    figure: str
    """``round_trips``, which should be at most the limit, or ``times``, at least."""
    limit: float

    def value(self, results: dict[str, Any]) -> float | None:
        """Return what was measured, or None."""
        for group in results["groups"]:
            if group["name"] != self.group:
                continue
            for cell in group["cells"]:
                for entry in cell["entries"]:
                    if cell["column"] == self.column and entry["label"] == self.label:
                        value: float | None = entry.get(self.figure)
                        return value
        return None

    def verdict(self, value: float | None) -> str:
        """Say whether it was reached, and by how much."""
        if value is None:
            return "not measured"
        if self.figure == "round_trips":
            spare = (self.limit - value) / self.limit
        else:
            spare = (value - self.limit) / self.limit
        if spare >= 0:
            return f"reached, {spare:.0%} to spare"
        return f"**missed by {-spare:.0%}**"

    def shown(self, value: float | None) -> str:
        """Return the value as it is written."""
        if value is None:
            return "-"
        if self.figure == "round_trips":
            return f"{value:.2f} round trips"
        return f"{value:.1f} times"

    def wanted(self) -> str:
        """Return the limit as it is written."""
        if self.figure == "round_trips":
            return f"at most {self.limit} round trips"
        return f"at least {self.limit:g} times"


TARGETS = (
    Target("20 ms to Postfix: a warm `mail.send`", "single", "20 ms", OURS, "round_trips", 1.3),
    Target("20 ms: `conn.send`, CHUNKING", "loop", "20 ms", OURS, "round_trips", 1.3),
    Target("20 ms: `conn.send`, PIPELINING only", "loop", "20 ms", PIPELINING, "round_trips", 2.3),
    Target("20 ms: `send_many` against Flask-Mail 0.10", "batch", "20 ms", OURS, "times", 40),
    Target("smtp-sink on loopback: `send_many` again", "sink", "batch", OURS, "times", 3),
)
