"""Sizes and times, as people are shown them."""

from __future__ import annotations

from datetime import datetime


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
