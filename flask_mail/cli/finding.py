"""Findings of ``flask mail check``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """A problem, or a likely one."""

    level: Level
    code: str
    """Stable identifier, the same in every version."""
    keys: tuple[str, ...]
    advice: str
    """The problem and its solution."""
