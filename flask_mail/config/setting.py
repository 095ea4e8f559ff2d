"""The description of one setting, and the error of one item in its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Setting(NamedTuple):
    """One setting."""

    key: str
    kind: str
    """The accepted values, in words."""
    read: Callable[[object], Any]
    default: str
    """The default, in words."""
    meaning: str
    group: str
    secret: bool = False


class BadItem(ValueError):
    """Raised for one item of a list; the text names it, so the list is not shown as well."""
