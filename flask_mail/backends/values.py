"""Values that backends return to the inbox, the commands and the test kit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """One step of :meth:`Backend.probe`."""

    name: str
    """One word, such as ``"connect"``, ``"tls"`` or ``"login"``."""
    status: Literal["ok", "failed", "skipped"]
    detail: str = ""
    """Result of the step, or the reason why it failed or was skipped; without a secret."""
