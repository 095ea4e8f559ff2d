"""The resident memory of this process."""

from __future__ import annotations

import gc
from pathlib import Path


def resident() -> int:
    """Return the resident memory in KiB, and let its peak begin there."""
    gc.collect()
    # The peak that getrusage tells cannot be forgotten, and importing is a high one.
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def status(name: str) -> int:
    """Return a value of this process in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
