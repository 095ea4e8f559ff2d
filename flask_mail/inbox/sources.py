"""The messages that the mailers of an app keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .. import _context
from ..delivery.policy import DEFAULT
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..backends.values import Kept
    from ..extension.state import _Mail


class Entry(NamedTuple):
    """A message that a backend keeps."""

    id: str
    """Unique among the messages of all backends."""
    kept: Kept
    backend: str
    mailer: str
    """The mailer of its backend; empty if several have this backend."""
    outcome: str = "sent"
    """The value of an :class:`Outcome`."""
    reason: str = ""
    """The reason if it was not sent."""


def entries(state: _Mail) -> list[Entry]:
    """Return the messages that the backends in use keep, newest first.

    :raises ConfigurationError: none of them keeps messages, or the settings are wrong.
    """
    problems: list[ConfigurationError] = []
    keepers = []
    with _context.bound(state):
        for backend, mailer in backends_in_use(state, problems):
            try:
                kept = backend.kept()
            except ConfigurationError as error:
                problems.append(error)
                continue
            if kept is not None:
                keepers.append((backend.name, mailer, list(kept)[::-1]))
            else:
                problems.append(_keeps_none(state, backend))
    if not keepers:
        raise problems[0]
    if len(keepers) == 1:
        [(name, mailer, messages)] = keepers
        return [Entry(each.id, each, name, mailer) for each in messages]
    found: dict[str, Entry] = {}
    for number, (name, mailer, messages) in enumerate(keepers):
        for each in messages:
            known = found.get(each.id)
            if known is None:
                found[each.id] = Entry(each.id, each, name, mailer)
            elif known.kept.date != each.date:  # else two mailers keep their messages in one place
                own = f"{each.id}.{number}"
                found[own] = Entry(own, each, name, mailer)
    return sorted(found.values(), key=lambda entry: entry.kept.date, reverse=True)


def backends_in_use(
    state: _Mail, problems: list[ConfigurationError]
) -> list[tuple[Backend[Any], str]]:
    """Return each backend in use once, with the name of its mailer if it has only one.

    :param problems: list to which the errors of mailers that cannot be built are appended.
    """
    selection = state.selection
    found: dict[int, tuple[Backend[Any], list[str]]] = {}
    for name in selection.definitions.names():
        try:
            backend = selection.build(selection.chosen(name)[0])
        except ConfigurationError as error:
            problems.append(error)
        else:
            found.setdefault(id(backend), (backend, []))[1].append(name)
    return [(backend, names[0] if len(names) == 1 else "") for backend, names in found.values()]


def _keeps_none(state: _Mail, backend: Backend[Any]) -> ConfigurationError:
    setting = state.selection.definitions.key(DEFAULT) or "MAIL_BACKEND"
    return ConfigurationError(
        f"The {backend.name} backend does not keep messages for the inbox: set {setting} to"
        ' "file", "console" or "locmem" in development.'
    )
