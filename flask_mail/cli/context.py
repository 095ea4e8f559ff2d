"""The mail state of a command, and its backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from flask import current_app

from .. import _context
from ..errors import ConfigurationError
from ..extension.mail import Mail
from ..extension.mailers import wanted_backend
from ..extension.state import _Mail
from .output import name_of
from .values import config_of

if TYPE_CHECKING:
    from ..backends.base import Backend


@contextmanager
def mail_state() -> Iterator[_Mail]:
    """Yield the mail state of the current app, or a temporary one if it has none."""
    extensions = current_app.extensions
    if "mail" in extensions:
        state = _context.resolved(extensions["mail"])
        if not isinstance(state, _Mail):
            raise click.ClickException(
                f"app.extensions['mail'] is a {type(state).__name__}, not the state that Mail(app)"
                " registers: another extension replaced it. Nothing was done."
            )
        yield state
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        yield Mail().init_app(app)
    finally:
        del extensions["mail"]


@dataclass(frozen=True)
class Choice:
    """The configured backend, and the one that delivers."""

    wanted: Any
    wanted_by: str
    wanted_class: type[Backend[Any]] | None = None
    selected: Any = None
    selected_class: type[Backend[Any]] | None = None
    reason: str = ""
    error: str = ""
    """Reason why no backend can be selected."""

    @property
    def is_replaced(self) -> bool:
        """True if suppression replaces the configured backend."""
        return not self.error and bool(self.selected != self.wanted)

    def __str__(self) -> str:
        wanted = f"{name_of(self.wanted)} ({self.wanted_by})"
        if self.error:
            return f"No backend selected: {wanted} cannot be used"
        if self.is_replaced:
            return f"{name_of(self.selected)} ({self.reason}), instead of {wanted}"
        return wanted


def choice_of(state: _Mail) -> Choice:
    """Return the backend in use and the reason; does not raise for wrong settings."""
    config = config_of(state)
    wanted, by = config.get("MAIL_BACKEND"), "MAIL_BACKEND"
    wanted_class, selection = None, state.selection
    try:
        wanted, by = wanted_backend(config)
        wanted_class = selection.backend_class(wanted)
        selected, reason = selection.chosen()
        selected_class = selection.backend_class(selected)
    except ConfigurationError as error:
        return Choice(wanted, by, wanted_class, error=str(error))
    return Choice(wanted, by, wanted_class, selected, selected_class, reason)
