"""Attributes of a mail state, which follow the configuration until they are assigned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..config import table as settings

if TYPE_CHECKING:
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
"""The attributes of a state since 0.9, in the order of its constructor."""


class _State(Protocol):
    _config: Mapping[str, Any]

    def _assigned(self) -> Mapping[str, Any]: ...


class Live:
    """Attribute that is read from the configuration each time.

    Assigning it overrides the configuration; deleting it reverts to the configuration.
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
    """Return the :data:`ATTRIBUTES` that `holder` or its class has."""
    kind = type(holder)
    return {
        name: getattr(holder, name)
        for name in ATTRIBUTES
        if name in vars(holder) or hasattr(kind, name)
    }


def selection_of(mail: Any) -> Selection:
    """Return the selection of `mail`; a program's own state only has the attributes of 0.10."""
    selection: Selection | None = getattr(mail, "selection", None)
    if selection is not None:
        return selection
    from .mailers import Selection

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
