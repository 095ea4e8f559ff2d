"""Tracking of the threads that a test starts, and the work that it submits to pools.

Threads do not inherit the context of their creator, so ``Thread.start`` and
``ThreadPoolExecutor.submit`` are patched while there is an open outbox.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol


class Watcher(Protocol):
    """Receiver of the events."""

    def starts(self, thread: threading.Thread) -> None: ...
    def submits(self, future: Future[Any]) -> None: ...
    def applied(self) -> AbstractContextManager[None]: ...


# A worker thread of a pool belongs to no test: only the work submitted to it does.
_hires: ContextVar[bool] = ContextVar("flask_mail_outbox_hires", default=False)
_undo: list[Callable[[], None]] = []


def begin(evident: Callable[[], Watcher | None]) -> None:
    """Start tracking.

    :param evident: returns the watcher of the running code, if it is known.
    """
    _undo[:] = [_watch_starts(evident), _watch_submits(evident)]


def end() -> None:
    """Restore the original methods."""
    for undo in _undo:
        undo()
    _undo.clear()


def _watch_starts(evident: Callable[[], Watcher | None]) -> Callable[[], None]:
    original = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        watcher = None if _hires.get() else evident()
        if watcher is not None:
            watcher.starts(thread)
        original(thread)

    threading.Thread.start = start  # type: ignore[method-assign,assignment]

    def undo() -> None:
        # A later patch keeps calling this one, which is harmless.
        if threading.Thread.start is start:
            threading.Thread.start = original  # type: ignore[method-assign]

    return undo


def _watch_submits(evident: Callable[[], Watcher | None]) -> Callable[[], None]:
    original: Callable[..., Future[Any]] = ThreadPoolExecutor.submit

    def submit(pool: ThreadPoolExecutor, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        watcher = evident()
        hires = _hires.set(True)
        try:
            future = original(pool, _work, watcher, fn, args, kwargs)
        finally:
            _hires.reset(hires)
        if watcher is not None:
            watcher.submits(future)
        return future

    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign,assignment]

    def undo() -> None:
        if ThreadPoolExecutor.submit is submit:
            ThreadPoolExecutor.submit = original  # type: ignore[method-assign]

    return undo


def _work(
    watcher: Watcher | None, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    hires = _hires.set(False)  # in case the thread inherits the context
    try:
        with nullcontext() if watcher is None else watcher.applied():
            return fn(*args, **kwargs)
    finally:
        _hires.reset(hires)
