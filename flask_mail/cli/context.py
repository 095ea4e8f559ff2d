"""The mail state that a command works on, and the backend it chooses."""

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
    """Give the mail state of the current app, or where it has none, one that lasts for a block."""
    extensions = current_app.extensions
    if "mail" in extensions:
        state = _context.resolved(extensions["mail"])
        if not isinstance(state, _Mail):
            raise click.ClickException(
                f"app.extensions['mail'] is a {type(state).__name__}, not the state that Mail(app)"
                " registers: another extension has taken its place, so nothing was done."
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
    """Which backend the settings ask for, and which one delivers."""

    wanted: Any
    wanted_by: str
    wanted_class: type[Backend[Any]] | None = None
    selected: Any = None
    selected_class: type[Backend[Any]] | None = None
    reason: str = ""
    error: str = ""
    """Why none can be selected."""

    @property
    def is_replaced(self) -> bool:
        """Whether suppression puts another backend in place of the wanted one."""
        return not self.error and bool(self.selected != self.wanted)

    def __str__(self) -> str:
        wanted = f"{name_of(self.wanted)} ({self.wanted_by})"
        if self.error:
            return f"none; {wanted} was asked for"
        if self.is_replaced:
            return f"{name_of(self.selected)} ({self.reason}), instead of {wanted}"
        return wanted


def choice_of(state: _Mail) -> Choice:
    """Return which backend delivers now, and why; raises nothing for settings that are wrong."""
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
