"""The mail state that applies where code runs: the only core module besides `extension` that
imports flask."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from flask import current_app, has_app_context
from flask.globals import app_ctx

if TYPE_CHECKING:
    from collections.abc import Iterator

# The state that a send is bound to, and the app context in which that began. Any: a program may
# have put a stand-in into app.extensions["mail"].
_bound: ContextVar[tuple[Any, object] | None] = ContextVar("flask_mail_state", default=None)


def current_state() -> Any:
    """Return the mail state that a send is bound to, else the current app's, else ``None``.

    An app context that was pushed since, such as by a receiver that uses another app, wins.
    """
    bound_state, began_in = _bound.get() or (None, None)
    context = _app_context()
    if context is None or (bound_state is not None and context is began_in):
        return bound_state
    return current_app.extensions.get("mail", bound_state)


@contextmanager
def bound(state: object) -> Iterator[None]:
    """Let `state` apply to what a block does, whichever app is current, also where none is."""
    token = _bound.set((state, _app_context()))
    try:
        yield
    finally:
        _bound.reset(token)


def _app_context() -> object:
    return app_ctx._get_current_object() if has_app_context() else None  # type: ignore[attr-defined]  # noqa: SLF001
