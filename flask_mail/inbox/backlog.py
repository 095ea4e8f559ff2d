"""The messages in the queues of an app: those that are due, and those that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import _context
from ..backends.values import Kept
from ..errors import ConfigurationError
from .sources import Entry, backends_in_use

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..backends.values import QueuedMessage
    from ..extension.state import _Mail
    from .inbox import Inbox
    from .summaries import Summary


@dataclass(frozen=True, slots=True)
class Queued:
    """A message in a queue, with its entry in the list."""

    message: QueuedMessage
    summary: Summary


def has_queue(state: _Mail) -> bool:
    """Return True if a mailer of the app stores its messages in a queue."""
    return any(_is_queue(backend) for backend, _ in backends_in_use(state, []))


def backlog(state: _Mail) -> list[tuple[QueuedMessage, str]]:
    """Return the messages in all queues of the app, each with the name of its backend.

    :raises ConfigurationError: there is no queue, or one of them cannot be listed.
    """
    found: dict[str, tuple[QueuedMessage, str]] = {}
    is_queue = False
    with _context.bound(state):
        for backend, _ in backends_in_use(state, []):
            messages = backend.backlog()
            is_queue = is_queue or messages is not None
            # Two mailers may have one queue.
            found.update((each.id, (each, backend.name)) for each in messages or ())
    if not is_queue:
        raise ConfigurationError("No mailer of this app has a queue.")
    return list(found.values())


def listed(inbox: Inbox) -> list[Queued]:
    """Return the messages in all queues, with their entries in the list; errors as of backlog()."""
    entries = [(each, entry_of(each, name)) for each, name in backlog(inbox.state)]
    summaries = [(each, inbox.summary(entry)) for each, entry in entries]
    return [Queued(each, summary) for each, summary in summaries if summary is not None]


def entry_of(message: QueuedMessage, backend: str) -> Entry:
    """Return a message in a queue as one that a backend keeps."""
    seen = (message.state, message.date, message.attempts, message.reason)
    kept = Kept(message.id, message.date, message.read, _never, hash(seen))
    return Entry(message.id, kept, backend, message.mailer, message.state, message.reason)


def _never() -> None:
    """Delete nothing: the queue has commands for that."""


def _is_queue(backend: Backend[Any]) -> bool:
    return backend.is_queue or any(map(_is_queue, getattr(backend, "children", ())))
