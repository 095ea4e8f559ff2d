"""Monotonic clock for timeouts, which tests that freeze time do not stop; times in range."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timezone
from functools import partial
from typing import Final

_FIRST, _LAST = 0.0, 253_370_764_800.0  # 1970, 9999: a local time zone leads to no year beyond
_IDENTITY: Final = getattr(time, "CLOCK_MONOTONIC", None)  # Windows has none

# freezegun replaces time.monotonic in every module that refers to it, also in those imported later;
# a wait by that clock would never end.
monotonic: Final[Callable[[], float]] = (
    partial(time.monotonic) if _IDENTITY is None else partial(time.clock_gettime, _IDENTITY)
)
"""Return seconds since an arbitrary start; never goes back."""

waited: Final[ContextVar[float]] = ContextVar("flask_mail_waited", default=0.0)
"""Seconds that the message in hand has waited for its turn, as a part of its deadline."""


def moment_of(seconds: float) -> datetime:
    """Return a time as a datetime in UTC; one out of range is moved to the nearest in range.

    :param seconds: since the epoch.
    """
    return datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), timezone.utc)
