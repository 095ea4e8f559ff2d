"""Scope of a test, which decides whose outbox gets a message.

Tests may run at the same time in threads and tasks, and the program under test may start threads.
The first of these that applies decides:

1. the header ``X-Mail-Outbox`` of the current request;
2. the context (:mod:`contextvars`), which tasks inherit;
3. the test that runs in this thread;
4. the test that started this thread, or submitted its current work;
5. the only test with an outbox.

A thread still belongs to its test after that has ended, so late mail never reaches the next test.
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
    """Several tests have an outbox, and it is unknown which one the mail belongs to."""


class Scope:
    """The threads and work of one test.

    :param take: returns the backend for the messages of the test, given the configured one.
    """

    def __init__(self, take: selection.Capture) -> None:
        self.take = take
        self.token = secrets.token_urlsafe(16)
        self.is_open = False
        self.notes: list[str] = []
        """Remarks for failing assertions."""
        self._thread: threading.Thread | None = None
        self._outer: Scope | None = None
        self._threads: WeakSet[threading.Thread] = WeakSet()
        self._futures: WeakSet[Future[Any]] = WeakSet()

    def open(self) -> None:
        """Open the scope in the current context."""
        if self._thread is not None:
            raise RuntimeError("An outbox can be used once: create a new one.")
        self._thread = threading.current_thread()
        self._outer = _current.get()
        with _lock():
            if not _open:
                watching.begin(evident)
            self.is_open = True
            _open.append(self)
            # Never undone: a thread may outlive its test, and must not send real mail then.
            selection.capture = _taker
        _current.set(self)

    def close(self) -> None:
        """Close the scope; later mail from it is discarded."""
        with _lock():
            self.is_open = False
            _open.remove(self)
            if not _open:
                watching.end()
        self.take = _discard  # frees the messages even if a thread still refers to this scope
        # Not reset(): a fixture may end in another context than it began in.
        _current.set(self._outer)
        self._outer = None

    def note(self, text: str) -> None:
        """Add a remark for failing assertions, without duplicates and up to a limit."""
        if text not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(text)

    def starts(self, thread: threading.Thread) -> None:
        """Add a thread that is about to start."""
        with _lock():
            _adopted[thread] = self
            self._threads.add(thread)

    def submits(self, future: Future[Any]) -> None:
        """Add work that was submitted to a pool."""
        with _lock():
            self._futures.add(future)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Make the code in a block belong to this scope."""
        here = threading.current_thread()
        # Both, since asyncio runs work for a pool in a separate context.
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
        """Return True if threads or work of the test are still running.

        :param daemons: include daemon threads, which may never end, such as a server's.
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


def _discard(asking: Selection, chosen: Any) -> Backend[Any] | None:
    with _lock():
        for each in _open:
            each.note(
                "A message was discarded: it was sent in a thread, task or request of a test that"
                " has ended. If the thread serves several tests, start it before the first one, or"
                " add outbox.headers to its requests."
            )
    return LateBackend() if asking.backend_class(chosen).external else None


# The scope of requests that name an unknown or closed outbox.
_ended = Scope(_discard)


def evident() -> Scope | None:
    """Return the scope of the running code, if it is known."""
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
        f"{len(open_now)} tests have an outbox, and this message was sent in a thread that none of"
        " them started, so it is unknown which one it belongs to. Start the thread in the test, or"
        " add outbox.headers to requests to a server."
    )
    for each in open_now:
        each.note(problem)
    raise AmbiguousOutbox(problem)


def _taker(asking: Selection, chosen: Any) -> Backend[Any] | None:
    scope = _scope()
    return None if scope is None else scope.take(asking, chosen)
