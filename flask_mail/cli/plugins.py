"""The installed backends, loaded or with the reason why they cannot be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..backends import entry_points, loader
from ..config.built_in import BUILT_IN
from ..errors import ConfigurationError
from .finding import Finding

if TYPE_CHECKING:
    from ..backends.base import Backend


@dataclass(frozen=True)
class Plugin:
    """A backend declared by a distribution."""

    declared: entry_points.Installed
    backend: type[Backend[Any]] | None
    error: str = ""
    """Reason why it cannot be selected by name."""


def plugins() -> list[Plugin]:
    """Return every installed backend, sorted by name; broken ones do not raise."""
    declared = entry_points.installed()
    claims = Counter(each.name for each in declared)
    return [_loaded(each, declared if claims[each.name] > 1 else []) for each in declared]


def judge_plugins(found: Iterable[Plugin]) -> Iterator[Finding]:
    """Yield the plugins that use the name of a built-in backend, which selects that one."""
    for each in found:
        if each.declared.name in BUILT_IN and not each.declared.built_in:
            advice = entry_points.not_taken_over(each.declared)
            yield Finding("warning", "built-in-name", ("MAIL_BACKEND",), advice)


def _loaded(each: entry_points.Installed, declared: list[entry_points.Installed]) -> Plugin:
    same = [other for other in declared if other.name == each.name]
    rivals = [other.origin for other in same]
    conflict = ""
    if any(other.built_in for other in same):
        conflict = "" if each.built_in else entry_points.not_taken_over(each)
    elif rivals:
        conflict = (
            f"{' and '.join(rivals)} claim the name {each.name!r}: uninstall one, or set"
            f" MAIL_BACKEND to the import path, such as {each.target!r}."
        )
    try:
        return Plugin(each, loader.load_installed(each), conflict)
    except ConfigurationError as error:
        return Plugin(each, None, f"{error} {conflict}".rstrip())
