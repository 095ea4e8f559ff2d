"""A finding of lint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is likely to be wrong."""

    code: str
    """A stable identifier, for programs."""
    part: str
    """``message``, ``subject``, ``text``, ``html``, ``headers`` or ``recipients``; several if they
    have the same mistake, as in ``text, html``."""
    text: str
    """The mistake, and how to fix it."""

    def __str__(self) -> str:
        return f"{self.code} ({self.part}): {self.text}"


class Mistake(NamedTuple):
    """A likely mistake at one place of a message."""

    code: str
    part: str
    text: str
    key: str = ""
    """Equal for the same mistake at other places; default: `text`."""
