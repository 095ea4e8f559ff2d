"""Attributes of a mail state: they follow the configuration until something is assigned to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..config import table as settings
from .mailers import Selection

ATTRIBUTES = (
    "server",
    "username",
    "password",
    "port",
    "use_tls",
    "use_ssl",
    "default_sender",
    "debug",
    "max_emails",
    "suppress",
    "ascii_attachments",
)
"""The attributes that a state has had since 0.9, in the order of its constructor."""


class _State(Protocol):
    _config: Mapping[str, Any]

    def _assigned(self) -> Mapping[str, Any]: ...


class Live:
    """An attribute of a state that is read from the configuration each time.

    Assigning it overrides the configuration, and deleting it brings that back.
    """

    def __init__(self, key: str, default: Callable[[Any], Any] | None = None) -> None:
        self._key = key
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, state: _State | None, owner: type) -> Any:
        if state is None:
            return self
        assigned = state._assigned()  # noqa: SLF001 (its descriptor)
        if self._name in assigned:
            return assigned[self._name]
        value = settings.lookup(state._config, self._key)  # noqa: SLF001 (its descriptor)
        return self._default(state) if value is None and self._default is not None else value

    def __set__(self, state: Any, value: Any) -> None:
        state.__dict__[self._name] = value

    def __delete__(self, state: Any) -> None:
        try:
            del state.__dict__[self._name]
        except KeyError:
            raise AttributeError(self._name) from None


def own_attributes(holder: object) -> dict[str, Any]:
    """Return those of :data:`ATTRIBUTES` that `holder` was given, or that its class has."""
    kind = type(holder)
    return {
        name: getattr(holder, name)
        for name in ATTRIBUTES
        if name in vars(holder) or hasattr(kind, name)
    }


def selection_of(mail: Any) -> Selection:
    """Return how `mail` selects backends; a program's own state has just 0.10's attributes."""
    if hasattr(mail, "selection"):
        return mail.selection  # type: ignore[no-any-return]
    return Selection(
        {},
        lambda: {
            name: getattr(mail, name)
            for name in {*dir(mail), *ATTRIBUTES}  # a Mail finds those of its state
            if not name.startswith("_") and hasattr(mail, name)
        },
        testing=lambda: False,
        debug=lambda: False,
    )
