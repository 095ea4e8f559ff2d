"""Random times, so that workers and messages do not come all at the same moment."""

from __future__ import annotations

import random


def spread(seconds: float, low: float = 0.8, high: float = 1.2) -> float:
    """Return a time between `low` and `high` times `seconds`."""
    return seconds * random.uniform(low, high)  # noqa: S311 (not a secret)
