"""A finding of lint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is likely to be wrong."""

    code: str
    """A stable identifier, for programs."""
    part: str
    """``message``, ``subject``, ``text``, ``html``, ``headers`` or ``recipients``."""
    text: str
    """The mistake, and how to fix it."""

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"
