"""The clock by which this package waits: it goes on while a test stops the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

_IDENTITY: Final = getattr(time, "CLOCK_MONOTONIC", None)  # Windows has none

# freezegun replaces time.monotonic wherever a module refers to it, also one that is imported
# meanwhile; a wait by that clock never ends.
monotonic: Final[Callable[[], float]] = (
    partial(time.monotonic) if _IDENTITY is None else partial(time.clock_gettime, _IDENTITY)
)
"""Return seconds since some moment; never set back."""
