"""The queues of an app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_mail import ConfigurationError

from .backend import QueueBackend
from .contents import Contents


def queues_of(app: Any, queue: str | None = None) -> list[QueueBackend]:
    """Return the queue backends of an app that share one database.

    :param queue: the name of a mailer, if the app has queues in several databases.
    :raises ConfigurationError: there are none, or they are in several databases.
    """
    selection = app.extensions["mail"].selection
    names = selection.definitions.names() if queue is None else [queue]
    found: dict[int, QueueBackend] = {}
    for name in names:
        _collect(selection, selection.reference(name)[0], found, ())
    queues = list(found.values())
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
    return queues


def replaced(app: Any, queue: QueueBackend) -> str | None:
    """Return a warning if the mail of a queue goes to another backend than its mailer names."""
    selection = app.extensions["mail"].selection
    backend = selection.target(queue.target)[0]
    wanted = selection.backend_class(selection.reference(queue.target)[0])
    if wanted is type(backend):
        return None
    return (
        f"Mail of {queue.target} goes to {backend.name}, not to {wanted.name}, because of TESTING"
        " or MAIL_SUPPRESS_SEND: it is marked as sent, and never leaves."
    )


def contents_of(queues: Sequence[QueueBackend], mailer: str) -> Contents:
    """Return the reader of the content of a mailer's rows."""
    return next((each for each in queues if each.target == mailer), queues[0]).contents


def _collect(
    selection: Any, reference: Any, found: dict[int, QueueBackend], above: tuple[Any, ...]
) -> None:
    if reference in above:
        return
    if issubclass(selection.backend_class(reference), QueueBackend):
        backend = selection.build(reference)
        found[id(backend)] = backend
        return
    for part in selection.parts(reference):
        _collect(selection, part, found, (*above, reference))
