"""Which threads a test starts, and what it gives to pools of threads.

Threads do not inherit the context of what starts them, so that has to be noted when it happens:
while there is an outbox, and only then, a note is taken in ``Thread.start`` and in
``ThreadPoolExecutor.submit``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol


class Watcher(Protocol):
    """What wants to know."""

    def starts(self, thread: threading.Thread) -> None: ...
    def submits(self, future: Future[Any]) -> None: ...
    def applied(self) -> AbstractContextManager[None]: ...


# A worker of a pool belongs to nobody: it works for whoever gives it something to do.
_hires: ContextVar[bool] = ContextVar("flask_mail_outbox_hires", default=False)
_undo: list[Callable[[], None]] = []


def begin(evident: Callable[[], Watcher | None]) -> None:
    """Begin to watch.

    :param evident: returns what the code that runs belongs to, if that can be told.
    """
    _undo[:] = [_watch_starts(evident), _watch_submits(evident)]


def end() -> None:
    """Put back what was there before."""
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
        # Whoever has put something over it since goes on calling it, which does no harm.
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
    hires = _hires.set(False)  # where a thread does inherit the context
    try:
        with nullcontext() if watcher is None else watcher.applied():
            return fn(*args, **kwargs)
    finally:
        _hires.reset(hires)
