"""``flask mail mailers``."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from ..backends.declared import options_declared_by
from ..backends.options import secrets_of
from ..errors import ConfigurationError
from .context import Choice, choice_of, mail_state
from .output import name_of, say, say_json, say_table
from .staging import notes_on, say_notes
from .values import Entries

if TYPE_CHECKING:
    from ..extension.state import _Mail

_HEADING = ("NAME", "BACKEND", "TO", "NOW")


@dataclass(frozen=True)
class _Row:
    name: str
    backend: str
    defined_by: str
    """The setting."""
    to: str | None
    """The server with its port, or the folder."""
    children: list[str]
    replaced_by: str | None
    reason: str | None
    """The setting that replaces it."""
    error: str | None

    @property
    def cells(self) -> tuple[str, str, str, str]:
        now = f"{self.replaced_by} ({self.reason})" if self.replaced_by else ""
        to = ", ".join(self.children) or self.to or ""
        return self.name, self.backend, to, "broken" if self.error else now


@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def list_mailers(as_json: bool) -> None:
    """List the mailers, and where each sends.

    Shows the backend of each, and what replaces it now. Broken mailers are listed with their error;
    the exit status is still 0.
    """
    with mail_state() as state:
        entries = Entries(state)
        rows = [_row(state, name, entries) for name in entries.mailers]
        notes = notes_on(state)
    if as_json:
        say_json({"mailers": [asdict(row) for row in rows], "notes": notes})
        return
    say_notes(notes)
    say_table([_HEADING, *(row.cells for row in rows)])
    problems = [f"Problem with {row.name}: {row.error}" for row in rows if row.error]
    for line in ("", *problems) if problems else ():
        say(line)


def _row(state: _Mail, name: str, entries: Entries) -> _Row:
    choice = choice_of(state, name)
    to, children, error = None, [], choice.error
    try:
        if choice.wanted_class is not None:
            children = [name_of(each) for each in state.selection.parts(choice.reference)]
            to = None if children else _target(state, choice)
    except Exception as problem:  # noqa: BLE001 (parts() of a plugin may raise anything)
        known = isinstance(problem, ConfigurationError)
        error = error or (str(problem) if known else f"{type(problem).__name__}: {problem}")
    return _Row(
        name,
        name_of(choice.wanted),
        choice.wanted_by,
        entries.redact(to) if to else None,
        children,
        name_of(choice.selected) if choice.is_replaced else None,
        choice.reason if choice.is_replaced else None,
        entries.redact(error) or None,
    )


def _target(state: _Mail, choice: Choice) -> str | None:
    """Return the server or folder of a backend, as far as its URL would name it."""
    cls: Any = choice.wanted_class
    options = state.selection.options(choice.reference)
    defaults = {each.name: each.default for each in options_declared_by(cls)}
    found = {
        part: options.get(option, defaults.get(option))
        for part, option in cls.url_parts.items()
        if option not in secrets_of(cls)
    }
    host, port, path = (_text(found.get(part)) for part in ("host", "port", "path"))
    if not host:
        return path or None
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{port}" if port else host


def _text(value: object) -> str:
    is_text = isinstance(value, (str, int, os.PathLike)) and value != "None"
    return str(value) if is_text else ""
