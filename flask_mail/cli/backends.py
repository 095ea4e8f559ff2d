"""``flask mail backends``."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from ..backends.features import Feature
from .context import Choice, choice_of, mail_state
from .output import name_of, say, say_json, say_table
from .plugins import Plugin, plugins
from .staging import notes_on, say_notes
from .values import Entries

if TYPE_CHECKING:
    from ..backends.base import Backend

_HEADING = ("", "NAME", "CLASS", "DISTRIBUTION", "REACH")


@dataclass(frozen=True)
class _Row:
    name: str
    backend: str
    distribution: str | None
    version: str | None
    external: bool | None
    features: list[str] | None
    """The optional features that it declares."""
    selected: bool
    error: str | None

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        reach = {True: "external", False: "local", None: "broken"}[self.external]
        origin = f"{self.distribution} {self.version}" if self.distribution else "not a plugin"
        return "*" if self.selected else "", self.name, self.backend, origin, reach


@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def list_backends(as_json: bool) -> None:
    """List the installed backends; * marks the one in use.

    Broken backends are listed with their error; the exit status is still 0.
    """
    # Output of a plugin's import would corrupt the JSON.
    with mail_state() as state, redirect_stdout(sys.stderr) if as_json else nullcontext():
        redact = Entries(state).redact
        choice = choice_of(state)
        rows = [_row(plugin, choice, redact(plugin.error)) for plugin in plugins()]
        notes = notes_on(state)
    if choice.selected_class is not None and not any(row.selected for row in rows):
        rows.append(_chosen(choice.selected_class))
    error = redact(choice.error)
    if as_json:
        say_json(
            {
                "selected": None if error else name_of(choice.selected),
                "reason": choice.reason or None,
                "wanted": name_of(choice.wanted),
                "wanted_by": choice.wanted_by,
                "error": error or None,
                "backends": [_as_json(row) for row in rows],
                "notes": notes,
            }
        )
        return
    say_notes(notes)
    say_table([_HEADING, *(row.cells for row in rows)])
    say()
    say(f"{choice}." if choice.error else f"Selected: {choice}.")
    if error:
        say(error)
    for row in rows:
        if row.error:
            say(f"Problem with {row.name}: {row.error}")


def _row(plugin: Plugin, choice: Choice, error: str) -> _Row:
    declared, backend = plugin.declared, plugin.backend
    return _Row(
        declared.name,
        declared.target if backend is None else name_of(backend),
        declared.distribution,
        declared.version,
        None if backend is None else backend.external,
        None if backend is None else _features(backend),
        _is_selected(plugin, choice),
        error or None,
    )


def _is_selected(plugin: Plugin, choice: Choice) -> bool:
    if choice.selected_class is None:
        return False
    if isinstance(choice.selected, str) and ":" not in choice.selected:
        # A plugin may claim the name of a built-in backend.
        return (plugin.declared.name, plugin.backend) == (choice.selected, choice.selected_class)
    return plugin.backend is choice.selected_class


def _chosen(backend: type[Backend[Any]]) -> _Row:
    """Return the row of a backend that was selected by import path or class."""
    features = _features(backend)
    return _Row(backend.name, name_of(backend), None, None, backend.external, features, True, None)


def _features(backend: type[Backend[Any]]) -> list[str]:
    return [each.name.lower() for each in Feature if each in backend.features]


def _as_json(row: _Row) -> dict[str, object]:
    fields = asdict(row)
    return {"name": fields.pop("name"), "class": fields.pop("backend"), **fields}
