"""The mail state that a command works on: its settings, and the backend they choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from flask import current_app

from ..backends import loader
from ..errors import ConfigurationError
from ..extension import Mail, _Mail
from ..settings import BY_KEY, OLD_NAMES, is_unset, raw
from .show import name_of, redactor

if TYPE_CHECKING:
    from ..backends.base import Backend

ASSIGNED = "assigned on the mail state"


@contextmanager
def mail_state() -> Iterator[_Mail]:
    """Give the mail state of the current app, or where it has none, one that lasts for a block."""
    extensions = current_app.extensions
    if "mail" in extensions:
        state = extensions["mail"]
        if not isinstance(state, _Mail):
            raise click.ClickException(
                f"app.extensions['mail'] is a {type(state).__name__}, not the state that Mail(app)"
                " registers: another extension has taken its place, so nothing was done."
            )
        yield state
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        yield Mail().init_app(app)
    finally:
        del extensions["mail"]


@dataclass(frozen=True)
class Entry:
    """One setting, as it stands."""

    key: str
    value: Any
    """``None`` where it is unset."""
    source: str
    """``"config"``, ``"default"``, the name from before 0.8 that was set, or :data:`ASSIGNED`."""

    @property
    def name(self) -> str:
        """What the user has set: the key, or its old name."""
        return self.source if self.source in OLD_NAMES.values() else self.key


def config_of(state: _Mail) -> Mapping[str, Any]:
    """Return the configuration that a state follows."""
    return state._config  # noqa: SLF001 (no other module has to know)


def entries_of(state: _Mail) -> list[Entry]:
    """Return every known setting, then every other ``MAIL_*`` key that is set."""
    config = config_of(state)
    assigned = {
        "MAIL_SUPPRESS_SEND" if name == "suppress" else f"MAIL_{name.upper()}": value
        for name, value in vars(state).items()
    }
    others = sorted(key for key in config if key.startswith("MAIL_") and key not in BY_KEY)
    return [
        *(_entry(key, config, assigned) for key in BY_KEY),
        *(Entry(key, config[key], "config") for key in others if not is_unset(config[key])),
    ]


def redactor_of(state: _Mail) -> Callable[[str], str]:
    """Return a function that masks every secret of the settings in a text from outside."""
    values = {entry.key: entry.value for entry in entries_of(state)}
    return redactor(values.items(), values["MAIL_USERNAME"])


@dataclass(frozen=True)
class Choice:
    """Which backend the settings ask for, and which one delivers."""

    wanted: Any
    wanted_by: str
    wanted_class: type[Backend[Any]] | None = None
    selected: Any = None
    selected_class: type[Backend[Any]] | None = None
    reason: str = ""
    error: str = ""
    """Why none can be selected."""

    @property
    def is_replaced(self) -> bool:
        """Whether suppression puts another backend in place of the wanted one."""
        return not self.error and bool(self.selected != self.wanted)

    def __str__(self) -> str:
        wanted = f"{name_of(self.wanted)} ({self.wanted_by})"
        if self.error:
            return f"none; {wanted} was asked for"
        if self.is_replaced:
            return f"{name_of(self.selected)} ({self.reason}), instead of {wanted}"
        return wanted


def choice_of(state: _Mail) -> Choice:
    """Return which backend delivers now, and why; raises nothing for settings that are wrong."""
    wanted = raw(config_of(state), "MAIL_BACKEND")
    by = "the default" if wanted is None else "MAIL_BACKEND"
    wanted = "smtp" if wanted is None else wanted
    wanted_class = None
    try:
        wanted_class = loader.load(wanted)
        selected, reason = state.selection
        return Choice(wanted, by, wanted_class, selected, loader.load(selected), reason)
    except ConfigurationError as error:
        return Choice(wanted, by, wanted_class, error=str(error))


def _entry(key: str, config: Mapping[str, Any], assigned: Mapping[str, Any]) -> Entry:
    old = OLD_NAMES.get(key, "")
    if key in assigned:
        value, source = assigned[key], ASSIGNED
    elif not is_unset(config.get(key)):
        value, source = config[key], "config"
    elif not is_unset(config.get(old)):
        value, source = config[old], old
    else:
        value, source = None, "default"
    return Entry(key, None if is_unset(value) else value, source)
