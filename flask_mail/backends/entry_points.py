"""Backends and commands declared by installed distributions, as entry points.

Built-in backends are found without them, since reading them takes longer than sending a message.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

GROUP = "flask_mail.backends"
_METADATA = (".dist-info", ".egg-info")
_UNNAMED = "an unknown distribution"


@dataclass(frozen=True)
class Installed:
    """An entry point of a distribution: a backend, or a command."""

    name: str
    target: str
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """The distribution and its version."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def built_in(self) -> bool:
        """True if it is built in; plugins cannot take over its name."""
        return self.target.startswith(f"{GROUP}.")


def installed(group: str = GROUP) -> list[Installed]:
    """Return what distributions declare in an entry point group; by default, the backends.

    Cached until a distribution is installed in a folder of ``sys.path`` or removed from it.
    """
    # The backport behaves the same on all older versions, unlike the standard library.
    name = "importlib.metadata" if sys.version_info >= (3, 12) else "importlib_metadata"
    metadata: Any = importlib.import_module(name)
    paths = tuple(map(_state, sys.path))
    return list(_installed(metadata, metadata.entry_points, paths, group))


def _state(path: str) -> tuple[str, tuple[str, ...]]:
    try:
        return path, _distributions_in(path, Path(path).stat().st_mtime_ns)
    except (OSError, ValueError):  # an archive, or a missing folder
        return path, ()


@lru_cache(maxsize=64)  # any file of a program, such as its database, may change the mtime
def _distributions_in(path: str, changed: int) -> tuple[str, ...]:
    return tuple(sorted(each.name for each in Path(path).iterdir() if each.suffix in _METADATA))


@lru_cache(maxsize=2)  # otherwise each app in a test suite would read them
def _installed(
    metadata: Any,
    read: Callable[..., Any],
    paths: tuple[tuple[str, tuple[str, ...]], ...],
    group: str,
) -> list[Installed]:
    points = _entry_points(metadata, read, group)
    origins = {id(each.dist): _origin(each.dist) for each in points}
    return sorted(
        {Installed(each.name, each.value, *origins[id(each.dist)]) for each in points},
        key=lambda each: (each.name, each.distribution),
    )


def _entry_points(metadata: Any, read: Callable[..., Any], group: str) -> list[Any]:
    try:
        return list(read(group=group))
    except ValueError:
        # Some versions of the backport fail if one distribution's entry points are malformed.
        points: list[Any] = []
        for distribution in metadata.distributions():
            with contextlib.suppress(ValueError):
                points += distribution.entry_points.select(group=group)
        return points


def _origin(distribution: Any) -> tuple[str, str]:
    """Return the name and version of a distribution, even after an interrupted uninstall."""
    try:
        return distribution.name or _UNNAMED, distribution.version or ""
    except Exception:  # noqa: BLE001 (the class depends on the version of importlib.metadata)
        return _UNNAMED, ""


def not_taken_over(claim: Installed) -> str:
    """Return the warning for a plugin that uses the name of a built-in backend."""
    return (
        f"{claim.origin} claims the name {claim.name!r} of a built-in backend: uninstall it,"
        f" or set MAIL_BACKEND to the import path {claim.target!r} to use it."
    )
