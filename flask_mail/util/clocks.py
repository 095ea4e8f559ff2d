"""Monotonic clock for timeouts, which tests that freeze time do not stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

_IDENTITY: Final = getattr(time, "CLOCK_MONOTONIC", None)  # Windows has none

# freezegun replaces time.monotonic in every module that refers to it, also in those imported later;
# a wait by that clock would never end.
monotonic: Final[Callable[[], float]] = (
    partial(time.monotonic) if _IDENTITY is None else partial(time.clock_gettime, _IDENTITY)
)
"""Return seconds since an arbitrary start; never goes back."""
