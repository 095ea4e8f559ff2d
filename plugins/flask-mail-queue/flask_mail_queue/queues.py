"""The queues of an app."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from flask_mail import ConfigurationError, MailError

from .backend import QueueBackend
from .database.contents import Contents

_log = logging.getLogger("flask_mail.queue")


def queues_of(app: Any, queue: str | None = None) -> list[QueueBackend]:
    """Return all queue backends of an app that share one database.

    :param queue: the name of a mailer, if the app has queues in several databases.
    :raises ConfigurationError: there are none, they are in several databases, or two of them have
        different rules for the rows of one mailer.
    """
    selection = app.extensions["mail"].selection
    every = selection.definitions.names()
    queues = _under(selection, every if queue is None else [queue])
    if not queues:
        raise ConfigurationError(
            "No mailer of this app has the queue backend: define one in MAIL_MAILERS."
            if queue is None
            else f"The mailer {queue!r} does not use the queue backend."
        )
    if len({each.store.identity for each in queues}) > 1:
        named = ", ".join(repr(each.mailer) for each in queues)
        raise ConfigurationError(
            f"The queues of the mailers {named} are in several databases: name one with --queue."
        )
    if queue is not None:
        identity = queues[0].store.identity
        queues = [each for each in _under(selection, every) if each.store.identity == identity]
    _check_rules(queues)
    return queues


def _check_rules(queues: Sequence[QueueBackend]) -> None:
    """Refuse two queues for one mailer whose rows could not follow the rules of both."""
    first: dict[str, QueueBackend] = {}
    for each in queues:
        other = first.setdefault(each.target, each)
        for name in ("keep", "key", "retention"):
            if each.rules[name] != other.rules[name]:
                raise ConfigurationError(
                    f"{other.setting(name)} and {each.setting(name)} differ, but both queues store"
                    f" messages of the mailer {each.target!r} in the same tables: set the same"
                    " value, or give one of them another mailer or other TABLES."
                )


def replaced(app: Any, queue: QueueBackend) -> str | None:
    """Return a warning if the mail of a queue goes to another backend than its mailer names."""
    selection = app.extensions["mail"].selection
    backend = selection.child_target(queue.target)[0]
    wanted = selection.backend_class(queue.target)
    if wanted is type(backend):
        return None
    return (
        f"Mail of {queue.target} goes to {backend.name}, not to {wanted.name}, because of TESTING"
        " or MAIL_SUPPRESS_SEND: it is marked as sent, and never leaves."
    )


def contents_of(queues: Sequence[QueueBackend], mailer: str) -> Contents:
    """Return the reader of the content of a mailer's rows."""
    # Without a key if no queue has the mailer any more.
    return next((each.contents for each in queues if each.target == mailer), Contents())


class Declared(NamedTuple):
    """A mailer that is a queue."""

    name: str
    """Its name; that of the backend if it is part of a composite and has flat settings."""
    reference: Any
    options: Mapping[str, Any]
    under: str
    """The mailer in the settings that it was found under."""


def declared(app: Any) -> list[Declared]:
    """Return the mailers of an app that are queues, or parts of composites; nothing is built."""
    selection = app.extensions["mail"].selection
    found: dict[Any, Declared] = {}
    for name in selection.definitions.names():
        # An error of that mailer, as soon as it is used. A plugin may raise anything.
        with suppress(Exception):
            own = selection.reference(name)[0]
            for each in _references(selection, own):
                if each not in found:
                    shown = name if each == own else str(each)
                    found[each] = Declared(shown, each, selection.options(each), name)
    return list(found.values())


def taker(app: Any, queue: Declared) -> Any:
    """Return the backend that takes the mail of a queue instead, as in tests, or ``None``."""
    selection = app.extensions["mail"].selection
    chosen = selection.chosen(queue.under)[0]
    return None if chosen == selection.reference(queue.under)[0] else chosen


def by_database(app: Any) -> list[list[QueueBackend]]:
    """Return the queues of an app, those of the same tables together."""
    selection = app.extensions["mail"].selection
    found: dict[object, list[QueueBackend]] = {}
    for each in declared(app):
        queue = selection.build(each.reference)
        found.setdefault(queue.store.identity, []).append(queue)
    return list(found.values())


def _under(selection: Any, names: Sequence[str]) -> list[QueueBackend]:
    """Return the queue backends of mailers and of their parts."""
    found: dict[int, QueueBackend] = {}
    for name in names:
        try:
            references = list(_references(selection, selection.reference(name)[0]))
        except Exception as error:  # a plugin may raise anything
            if len(names) == 1:  # the one that was asked for
                raise
            reason = str(error) if isinstance(error, MailError) else type(error).__name__
            _log.warning("Mailer %r is left out: it cannot name its parts (%s).", name, reason)
            continue
        for each in references:
            backend = selection.build(each)
            found[id(backend)] = backend
    return list(found.values())


def _references(selection: Any, reference: Any, above: tuple[Any, ...] = ()) -> Iterator[Any]:
    """Yield the references of the queues that a backend is, or is made of; nothing is built.

    :param above: the references that it is a part of.
    """
    if reference in above:
        return
    if issubclass(selection.backend_class(reference), QueueBackend):
        yield reference
        return
    for part in selection.parts(reference):
        yield from _references(selection, part, (*above, reference))
