"""Notes on mail that goes elsewhere or nowhere, as on staging servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import table
from ..delivery.guard import ALLOWED, REDIRECT
from ..errors import ConfigurationError
from .context import choice_of
from .output import name_of, say
from .values import config_of

if TYPE_CHECKING:
    from ..extension.state import _Mail


def notes_on(state: _Mail) -> list[str]:
    """Return sentences on where mail goes instead of to its recipients."""
    return [each for each in (_suppressed(state), _guarded(state)) if each]


def say_notes(notes: list[str]) -> None:
    """Print the notes above a table."""
    for each in notes:
        say(each)
    if notes:
        say()


def _suppressed(state: _Mail) -> str:
    for mailer in _names(state):
        choice = choice_of(state, mailer)
        if choice.is_replaced:
            name = name_of(choice.selected)
            return f"No mail leaves this machine: {name} gets it ({choice.reason})."
    return ""


def _names(state: _Mail) -> list[str]:
    try:
        return state.selection.definitions.names()
    except ConfigurationError:  # reported by the commands
        return []


def _guarded(state: _Mail) -> str:
    config = config_of(state)
    try:
        if state.selection.guard() is None:
            return ""
        others = table.lookup(config, REDIRECT)
        allowed = table.lookup(config, ALLOWED)
    except ConfigurationError as error:
        return f"No mail is sent: {error}"
    if others:
        goes = f"goes to {', '.join(others)} ({REDIRECT})"
        if allowed:
            return f"Mail {goes}, except to recipients that {ALLOWED} allows."
        return f"All mail {goes}."
    if allowed:
        return f"Mail only goes to recipients that {ALLOWED} allows; others are refused."
    return f"All mail is refused: {ALLOWED} is empty."
