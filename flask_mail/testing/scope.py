"""Scope of a test, which decides whose outbox gets a message.

The first of these that applies decides:

1. the header ``X-Mail-Outbox`` of the current request;
2. the context (:mod:`contextvars`), which tasks and ``asyncio.to_thread`` inherit, threads do not;
3. the only open outbox.
"""

from __future__ import annotations

import secrets
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from flask import has_request_context, request

from ..errors import MailError
from ..extension import mailers
from ..util.locks import ForkSafeLock
from .backends import LateBackend

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..extension.mailers import Selection

HEADER: Final = "X-Mail-Outbox"


class AmbiguousOutbox(MailError, RuntimeError):
    """Several tests have an outbox, and it is unknown which one the mail belongs to."""


class Scope:
    """The time and context in which a test has an outbox.

    :param take: returns the backend for the messages of the test, given the configured one.
    """

    def __init__(self, take: mailers.Capture) -> None:
        self.take = take
        self.token = secrets.token_urlsafe(16)
        self.notes: dict[str, None] = {}
        """Remarks for failing assertions, without duplicates."""
        self._earlier: WeakSet[threading.Thread] | None = None
        self._outer: Scope | None = None

    def open(self) -> None:
        """Open the scope in the current context."""
        if self._earlier is not None:
            raise RuntimeError("An outbox can be used once: create a new one.")
        self._earlier = WeakSet(threading.enumerate())
        self._outer = _current.get()
        with _lock():
            _open.append(self)
            # Never undone: a thread may outlive its test, and must not send real mail then.
            mailers.capture = _take
        _current.set(self)

    def close(self) -> None:
        """Close the scope; what its threads and tasks send later never leaves this machine."""
        with _lock():
            _open.remove(self)
            # Also if others are open: those that were opened later take its threads for earlier.
            _late.update(self._started())
        self.take = _discard  # frees the messages even if a context still refers to this scope
        # Not reset(): a fixture may end in another context than it began in.
        _current.set(self._outer)
        self._outer = None

    def is_busy(self, *, daemons: bool) -> bool:
        """Return True if threads that were started during the test are still running.

        With several open outboxes the owner of a thread is unknown, and the result is False.

        :param daemons: include daemon threads, which may never end, such as a server's.
        """
        with _lock():
            is_alone = len(_open) == 1
        return is_alone and any(daemons or not each.daemon for each in self._started())

    def _started(self) -> list[threading.Thread]:
        known = {threading.current_thread(), *(self._earlier or ())}
        return [each for each in threading.enumerate() if each not in known]


_lock = ForkSafeLock()
_open: list[Scope] = []
_current: ContextVar[Scope | None] = ContextVar("flask_mail_outbox", default=None)
_late: WeakSet[threading.Thread] = WeakSet()
"""Threads that outlived the tests in which they were started."""


def _discard(asking: Selection, chosen: Any, own: Any) -> Backend[Any] | None:
    with _lock():
        for each in _open:
            each.notes["A request named the outbox of an ended test: its mail was discarded."] = (
                None
            )
    return LateBackend() if asking.backend_class(chosen).external else None


_ended = Scope(_discard)
"""Scope of the mail of tests that have ended."""


def find_scope() -> Scope | None:
    """Return the scope of the running code, or ``None`` if no test runs.

    :raises AmbiguousOutbox: several tests run, and the code has the context of none of them.
    """
    token = request.headers.get(HEADER) if has_request_context() else None
    current = _current.get()
    with _lock():
        scopes = list(_open)
        is_late = current is not None or threading.current_thread() in _late
    if token:
        return next((each for each in scopes if each.token == token), _ended)
    if current in scopes:
        return current
    if not scopes:
        return _ended if is_late else None
    if len(scopes) == 1:
        return scopes[0]
    problem = (
        f"{len(scopes)} tests have an outbox, and it is unknown which one this message belongs to,"
        " since threads do not inherit the context. Run the thread's function with"
        " contextvars.copy_context().run, or add outbox.headers to requests to a server."
    )
    for each in scopes:
        each.notes[problem] = None
    raise AmbiguousOutbox(problem)


def _take(asking: Selection, chosen: Any, own: Any) -> Backend[Any] | None:
    scope = find_scope()
    return None if scope is None else scope.take(asking, chosen, own)
