"""The mail state that applies where code runs: the only core module besides `extension` that
imports flask."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from flask import current_app, has_app_context

if TYPE_CHECKING:
    from collections.abc import Iterator

# Any: the state may be a stand-in that a program put into app.extensions["mail"].
_bound: ContextVar[Any] = ContextVar("flask_mail_state", default=None)


def current_state() -> Any:
    """Return the mail state that a send is bound to, else the current app's, else ``None``."""
    state = _bound.get()
    if state is None and has_app_context():
        state = current_app.extensions.get("mail")
    return state


@contextmanager
def bound(state: object) -> Iterator[None]:
    """Let `state` apply to what a block does, whichever app is current, also where none is."""
    token = _bound.set(state)
    try:
        yield
    finally:
        _bound.reset(token)
