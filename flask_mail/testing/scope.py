"""Which test the code that runs belongs to: what decides whose outbox gets a message.

Tests may run at the same time in threads and tasks, and the program that they test starts threads
of its own. The closest evidence wins:

1. the request that is handled names an outbox, in the header ``X-Mail-Outbox``;
2. the context (:mod:`contextvars`), which tasks inherit;
3. the test that this thread itself runs;
4. the test that has started this thread, or given it the work that it does;
5. there is only one test with an outbox.

Code of a test that has ended stays its own: what a thread sends late is no mail of the next test.
"""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, WeakSet

from flask import has_request_context, request

from ..errors import MailError
from ..extension import mailers as selection
from ..util.locks import ForkSafeLock
from . import threads as watching
from .backends import LateBackend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..backends.base import Backend
    from ..extension.mailers import Selection

HEADER: Final = "X-Mail-Outbox"
_MOST_NOTES: Final = 10


class AmbiguousOutbox(MailError, RuntimeError):
    """Several tests have an outbox now, and whose mail this is cannot be told."""


class Scope:
    """What one test runs and starts.

    :param take: returns the backend that gets the test's messages, for what would deliver them.
    """

    def __init__(self, take: selection.Capture) -> None:
        self.take = take
        self.token = secrets.token_urlsafe(16)
        self.is_open = False
        self.notes: list[str] = []
        """What a failing assertion should tell besides."""
        self._thread: threading.Thread | None = None
        self._outer: Scope | None = None
        self._threads: WeakSet[threading.Thread] = WeakSet()
        self._futures: WeakSet[Future[Any]] = WeakSet()

    def open(self) -> None:
        """Begin: what runs from now on in this context belongs here."""
        if self._thread is not None:
            raise RuntimeError("An outbox is for one test: make another one.")
        self._thread = threading.current_thread()
        self._outer = _current.get()
        with _lock():
            if not _open:
                watching.begin(evident)
            self.is_open = True
            _open.append(self)
            # It stays: a thread may outlive its test, and must not mail anybody then.
            selection.capture = _taker
        _current.set(self)

    def close(self) -> None:
        """End: mail of what still runs goes nowhere."""
        with _lock():
            self.is_open = False
            _open.remove(self)
            if not _open:
                watching.end()
        self.take = _nobody  # what a late thread refers to should hold no messages
        # Not reset(): a fixture may end in another context than it began in.
        _current.set(self._outer)
        self._outer = None

    def note(self, text: str) -> None:
        """Remember what a failing assertion should tell besides, once and within bounds."""
        if text not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(text)

    def starts(self, thread: threading.Thread) -> None:
        """Let a thread that is about to start belong here."""
        with _lock():
            _adopted[thread] = self
            self._threads.add(thread)

    def submits(self, future: Future[Any]) -> None:
        """Count work that was given to a pool as the test's."""
        with _lock():
            self._futures.add(future)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let what this thread does in a block belong here, and nothing after it."""
        here = threading.current_thread()
        # Both: asyncio runs what it gives to a pool in a context of its own.
        token = _current.set(self)
        with _lock():
            before = _adopted.get(here)
            _adopted[here] = self
        try:
            yield
        finally:
            with _lock():
                _adopted.pop(here)
                if before is not None:
                    _adopted[here] = before
            _current.reset(token)

    def is_busy(self, *, daemons: bool) -> bool:
        """Whether threads or work that the test has started go on.

        :param daemons: also count threads that may never end, such as a server's.
        """
        with _lock():
            threads, futures = list(self._threads), list(self._futures)
        here = threading.current_thread()
        return any(
            each.is_alive() and (daemons or not each.daemon) for each in threads if each is not here
        ) or any(not each.done() for each in futures)


_lock = ForkSafeLock()
_open: list[Scope] = []
_current: ContextVar[Scope | None] = ContextVar("flask_mail_outbox", default=None)
_adopted: WeakKeyDictionary[threading.Thread, Scope] = WeakKeyDictionary()


def _nobody(asking: Selection, chosen: Any) -> Backend[Any] | None:
    with _lock():
        for each in _open:
            each.note(
                "A message came into no outbox: it was sent in a thread, task or request of a test"
                " that has ended. If that is a thread which serves several tests, start it before"
                " the first of them, or let its requests carry outbox.headers."
            )
    return LateBackend() if asking.backend_class(chosen).external else None


# The scope of requests that name an outbox which is none, or none any more.
_ended = Scope(_nobody)


def evident() -> Scope | None:
    """Return the scope that the code which runs belongs to, as far as there is evidence."""
    if has_request_context() and (token := request.headers.get(HEADER)):
        with _lock():
            return next((each for each in _open if each.token == token), _ended)
    inherited = _current.get()
    if inherited is not None and inherited.is_open:
        return inherited
    here = threading.current_thread()
    with _lock():
        own = [each for each in _open if each._thread is here]  # noqa: SLF001 (of this module)
        adopted = _adopted.get(here)
    if len(own) == 1:
        return own[0]
    if adopted is not None and adopted.is_open:
        return adopted
    return inherited or adopted


def _scope() -> Scope | None:
    found = evident()
    if found is not None:
        return found
    with _lock():
        open_now = list(_open)
    if len(open_now) < 2:
        return open_now[0] if open_now else None
    problem = (
        f"{len(open_now)} tests have an outbox at this moment, and which of them this message"
        " belongs to cannot be told: it was sent in a thread that none of them started. Let"
        " requests to a server carry outbox.headers, or start the thread in the test."
    )
    for each in open_now:
        each.note(problem)
    raise AmbiguousOutbox(problem)


def _taker(asking: Selection, chosen: Any) -> Backend[Any] | None:
    scope = _scope()
    return None if scope is None else scope.take(asking, chosen)
