"""The mailers whose services can report what becomes of their mail, and the settings for that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..backends import Backend
from ..backends.options import key_of_option

if TYPE_CHECKING:
    from .mailers import Selection


@dataclass(frozen=True)
class Source:
    """One mailer that is not made of others."""

    mailer: str
    """Its name, and that in the address for its events."""
    reference: Any = None
    backend: str = ""
    """The name of its backend."""
    key: str = ""
    """The setting without which nothing is received; empty if its backend reads no events."""
    is_open: bool = False
    """True if this setting is set."""
    error: Exception | None = None
    """The reason why its settings cannot be read."""


def event_sources(selection: Selection) -> dict[str, Source]:
    """Return the mailers by name, and what the others of them are made of. Nothing is built.

    The backend is that of the settings, even if another one replaces it in tests.

    :raises ConfigurationError: ``MAIL_MAILERS`` is not a dict.
    """
    found: dict[str, Source] = {}
    for name in selection.definitions.names():
        try:
            for each in sources_of(selection, name):
                found.setdefault(each.mailer, each)
        except Exception as error:  # noqa: BLE001 (a plugin may raise anything)
            # A wrong setting of one mailer must not lose the events of the others.
            found.setdefault(name, Source(name, error=error))
    return found


def sources_of(selection: Selection, mailer: str) -> Iterator[Source]:
    """Yield what delivers the mail of a mailer: itself, or the others that it is made of."""
    own = selection.reference(mailer)[0]
    for reference in selection.leaf_references(own):
        cls = selection.backend_class(reference)
        is_mailer = isinstance(reference, str) and selection.definitions.key(reference) is not None
        # A part that is a backend, with its flat settings, has the name of that.
        name = mailer if reference == own else reference if is_mailer else cls.name
        if cls.read_events is Backend.read_events:
            yield Source(name, reference, cls.name)
            continue
        options = selection.options(reference)
        key = key_of_option(cls, options)(cls.events_option)
        yield Source(name, reference, cls.name, key, cls.events_option in options)
