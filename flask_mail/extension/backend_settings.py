"""The settings of one backend: compared for each message, and read again if one has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from ..backends import Backend
from ..backends.options import declared, hidden, reader_of, secrets_of
from ..config import table as settings
from ..util.secret import Secret

Assigned: TypeAlias = Callable[[], Mapping[str, Any]]


class Snapshot:
    """The values of a backend's settings at one moment, which only comparisons show.

    One of them may be a password, and tracebacks show the variables of each frame.
    """

    __slots__ = ("__assigned", "__values")

    def __init__(self, values: Iterable[object], assigned: Mapping[str, object]) -> None:
        self.__values = tuple(values)
        self.__assigned = assigned

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Snapshot):
            return NotImplemented
        return self.__values == other.__values and self.__assigned == other.__assigned

    __hash__ = None  # type: ignore[assignment]  # values may be lists


class BackendSettings:
    """Reads the options of backends from the configuration of one app."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        # Class of a backend -> a mark of the configuration's keys, and what follows from them.
        self._known: dict[type[Backend[Any]], tuple[object, dict[str, str], list[str]]] = {}

    def snapshot(self, cls: type[Backend[Any]], assigned: Assigned) -> Snapshot:
        """Return the values on which the options of `cls` depend.

        :param assigned: returns the attributes that a program has set on the mail state. Not the
            attributes themselves: one of them may be a password.
        """
        options, keys = self._options_and_keys(cls)
        return Snapshot(map(self._config.get, keys), _chosen(assigned(), options))

    def options(
        self, cls: type[Backend[Any]], assigned: Assigned, debug: Callable[[], bool]
    ) -> dict[str, Any]:
        """Return the options of `cls` that are set, by lowercase name.

        :param debug: returns the value of the option behind ``MAIL_DEBUG``.
        """
        secrets = secrets_of(cls)
        given = set(assigned())
        found = {}
        for name, key in self._options_and_keys(cls)[0].items():
            old = settings.OLD_NAMES.get(key)
            if key == "MAIL_DEBUG":
                found[name] = debug()
            elif name in given or key in self._config or old in self._config:
                found[name] = self._option(cls, name, key, assigned, secrets.get(name))
        return {name: value for name, value in found.items() if not settings.is_unset(value)}

    def _option(
        self,
        cls: type[Backend[Any]],
        name: str,
        key: str,
        assigned: Assigned,
        secret: type[Secret] | None,
    ) -> Any:
        if secret is None:
            return hidden(cls, self._raw(key, name, assigned), key)
        # In no variable: tracebacks may show those of each frame.
        if settings.is_unset(self._raw(key, name, assigned)):
            return None
        read = reader_of(secret)
        return secret(settings.convert(key, read, self._raw(key, name, assigned), secret=True), key)

    def _raw(self, key: str, name: str, assigned: Assigned) -> Any:
        if key in settings.BY_KEY and name in assigned():
            return assigned()[name]
        return settings.raw(self._config, key)

    def _options_and_keys(self, cls: type[Backend[Any]]) -> tuple[dict[str, str], list[str]]:
        """Return the settings of the options by name, and all keys that decide about them."""
        config = self._config
        # A new key of a dict is its last one. Looking at all keys takes long in a large app.
        mark = (len(config), next(reversed(config), None)) if isinstance(config, dict) else None
        known = self._known.get(cls)
        if known is None or mark is None or known[0] != mark:
            options = {**_declared_keys(cls), **self._given_keys(cls)}
            keys = [*options.values()]
            keys += [settings.OLD_NAMES[key] for key in keys if key in settings.OLD_NAMES]
            keys.append("DEBUG")  # the default of MAIL_DEBUG
            known = self._known[cls] = mark, options, keys
        return known[1], known[2]

    def _given_keys(self, cls: type[Backend[Any]]) -> dict[str, str]:
        prefix = cls.setting_key("")
        if prefix == "MAIL_":  # shared with all other settings: only what is declared is an option
            return {}
        names = [
            key[len(prefix) :].lower()
            for key in map(str, list(self._config))  # other threads may set keys meanwhile
            if key.startswith(prefix)
        ]
        return {name: cls.setting_key(name) for name in names}


@lru_cache(maxsize=64)
def _declared_keys(cls: type[Backend[Any]]) -> dict[str, str]:
    return {name: cls.setting_key(name) for name in declared(cls)[0]}


def _chosen(assigned: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: assigned[name] for name in names if name in assigned} if assigned else {}
