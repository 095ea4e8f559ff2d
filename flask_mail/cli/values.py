"""The settings in effect: each value and its source."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

from ..backends.declared import Option, options_declared_by
from ..backends.options import secrets_of
from ..config.table import BY_KEY, OLD_NAMES, is_unset
from ..delivery.policy import DEFAULT
from ..errors import ConfigurationError
from .mailer_values import class_of, redactors, shown_mailer, shown_url
from .output import MASK, masked, redactor
from .plugins import plugins

if TYPE_CHECKING:
    from ..extension.state import _Mail

ASSIGNED = "assigned on the mail state"


@dataclass(frozen=True)
class Entry:
    """The value of one setting."""

    key: str
    value: Any
    """``None`` if it is unset."""
    source: str
    """``"config"``, ``"environment"``, ``"default"``, the name from before 0.8, or
    :data:`ASSIGNED`."""

    @property
    def is_default(self) -> bool:
        """True if neither the settings nor the program say anything."""
        return self.value is None and self.source == "default"

    @property
    def name(self) -> str:
        """The name that the user has set: the key, or its old name."""
        return self.source if self.source in OLD_NAMES.values() else self.key


class Entries:
    """Every known setting in table order, the options of the backend, other ``MAIL_*`` keys."""

    def __init__(self, state: _Mail) -> None:
        self.config = config = config_of(state)
        self._state = state
        self.mailers = _names(state)
        assigned = {
            "MAIL_SUPPRESS_SEND" if name == "suppress" else f"MAIL_{name.upper()}": value
            for name, value in vars(state).items()
        }
        self._entries = {key: _entry(key, config, assigned) for key in BY_KEY}
        self._options = {
            each.key: each for each in self._of_the_backend() if each.key not in BY_KEY
        }
        for key in self._options:
            self._entries[key] = _entry(key, config, {})
        for key in sorted(map(str, list(config))):
            if key.startswith("MAIL_") and key not in self._entries and not is_unset(config[key]):
                self._entries[key] = Entry(key, config[key], _source(key, config[key]))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __getitem__(self, key: str) -> Entry:
        return self._entries[key]

    def has(self, key: str) -> bool:
        """Return True if a setting is set."""
        return key in self._entries and self._entries[key].value is not None

    def value(self, key: str, default: Any = None) -> Any:
        """Return a converted value, or the default if it is unset or not valid."""
        try:
            return BY_KEY[key].read(self._entries[key].value) if self.has(key) else default
        except ValueError:
            return default

    def default(self, entry: Entry) -> str | None:
        """Return a description of the default of `entry`, or ``None`` if it is unknown."""
        if entry.key in BY_KEY:
            return BY_KEY[entry.key].default.replace("`", "")
        option = self._options.get(entry.key)
        if option is None:
            return None
        return "required" if option.required else option.default

    def shown(self, entry: Entry) -> Any:
        """Return the value of `entry` for JSON: ``***`` for a secret, ``None`` if unset."""
        selection = self._state.selection
        if entry.key == "MAIL_MAILERS" and entry.value is not None:
            if not isinstance(entry.value, Mapping):
                return MASK  # such as JSON that Flask could not read, with passwords
            return {
                str(name): shown_mailer(value, class_of(selection, name))
                for name, value in entry.value.items()
            }
        if entry.key == "MAIL_URL" and isinstance(entry.value, str):
            is_read = selection.definitions.key(DEFAULT) == entry.key
            return shown_url(entry.value, class_of(selection, DEFAULT)) if is_read else MASK
        return masked(entry.key, entry.value, self._declared)

    @cached_property
    def redact(self) -> Callable[[str], str]:
        """A function that masks every secret of the settings in a text."""
        values = {entry.key: entry.value for entry in self}
        masking = [
            redactor(values.items(), values["MAIL_USERNAME"], self._declared),
            *redactors(self._state.selection, self.mailers),
        ]
        return lambda text: reduce(lambda shown, mask: mask(shown), masking, text)

    def _of_the_backend(self) -> list[Option]:
        selection = self._state.selection
        with suppress(ConfigurationError):
            if selection.definitions.get(DEFAULT) is None:
                return options_declared_by(selection.wanted())
        return []

    @cached_property
    def _declared(self) -> frozenset[str]:
        """The settings that the installed and the selected backend declare as secrets."""
        classes = {each.backend for each in plugins() if each.backend is not None}
        with suppress(ConfigurationError):  # reported by the commands
            classes.add(self._state.selection.wanted())
        return frozenset(each.setting_key(name) for each in classes for name in secrets_of(each))


def _names(state: _Mail) -> list[str]:
    with suppress(ConfigurationError):  # reported by the commands
        return state.selection.definitions.names()
    return [DEFAULT]


def config_of(state: _Mail) -> Mapping[str, Any]:
    """Return the configuration of a mail state."""
    return state._config  # noqa: SLF001 (private to this package)


def _entry(key: str, config: Mapping[str, Any], assigned: Mapping[str, Any]) -> Entry:
    old = OLD_NAMES.get(key, "")
    if key in assigned:
        value, source = assigned[key], ASSIGNED
    elif not is_unset(config.get(key), key):
        value, source = config[key], _source(key, config[key])
    elif not is_unset(config.get(old)):
        value, source = config[old], old
    else:
        value, source = None, "default"
    return Entry(key, None if is_unset(value, key) else value, source)


def _source(key: str, value: object) -> str:
    """Return the source of a value of the configuration, which does not record it.

    Whatever read the environment, a variable has the name of the setting, maybe with a prefix. Two
    underscores lead into a dict, as with :meth:`flask.Config.from_prefixed_env`.
    """
    if isinstance(value, Mapping):
        sources = {_source(f"{key}__{name}", each) for name, each in value.items()}
        if sources == {"environment"}:
            return "environment"
    is_there = any(
        value in (text, _from_json(text))
        for name, text in os.environ.items()
        if name == key or name.endswith(f"_{key}")
    )
    return "environment" if is_there else "config"


def _from_json(text: str) -> Any:
    """Return a variable's value as :meth:`flask.Config.from_prefixed_env` does."""
    try:
        return json.loads(text)
    except ValueError:
        return text
