"""Sizes, moments and the texts of strangers, as people are shown them."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_FIRST, _LAST = 0.0, 253_370_764_800.0  # 1970, 9999: a local time zone leads to no year beyond


def clean_text(text: str) -> str:
    """Return `text` with lone surrogates replaced, which cannot be encoded."""
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def moment_of(seconds: float) -> datetime:
    """Return a moment as a datetime in UTC; one out of range is moved to the nearest that is not.

    :param seconds: since the epoch.
    """
    return datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), timezone.utc)


def size_text(octets: int) -> str:
    """Return a number of octets as ``812 B``, ``14 KiB`` or ``2.5 MiB``."""
    if octets < 1024:
        return f"{octets} B"
    if octets < 1024 * 1024:
        return f"{octets / 1024:.0f} KiB"
    return f"{octets / 1024 / 1024:.1f} MiB"


def moment_text(moment: datetime, now: datetime | None = None) -> str:
    """Return a moment in the time of this machine: of today the time, else the day too."""
    local = moment.astimezone()
    today = (now or datetime.now().astimezone()).date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"
