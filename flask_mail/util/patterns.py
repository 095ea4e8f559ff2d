"""Regular expressions that are compiled when they are used first."""

from __future__ import annotations

import re
from typing import Any, AnyStr


def lazy_pattern(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return ``re.compile(source, flags)``, compiled on first use.

    Compiling all patterns of the package takes as long as importing Flask-Mail 0.10.
    """
    return _LazyPattern(source, flags)  # type: ignore[return-value]


class _LazyPattern:
    def __init__(self, source: Any, flags: int) -> None:
        self.pattern = source
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        # Stored, so that the next use costs no call.
        found = getattr(re.compile(self.pattern, self._flags), name)
        setattr(self, name, found)
        return found
