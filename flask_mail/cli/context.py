"""The mail state of a command, and the backend of a mailer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from flask import current_app

from .. import _context
from ..delivery.policy import DEFAULT
from ..errors import ConfigurationError, MailerNotFound
from ..extension.mail import Mail
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
    """The configured backend of a mailer, and the one that delivers."""

    wanted: Any
    wanted_by: str
    wanted_class: type[Backend[Any]] | None = None
    selected: Any = None
    selected_class: type[Backend[Any]] | None = None
    reason: str = ""
    error: str = ""
    """Reason why no backend can be selected."""
    mailer: str = DEFAULT
    is_flat: bool = True
    """True if its options are settings of their own, such as ``MAIL_SERVER``."""

    @property
    def is_replaced(self) -> bool:
        """True if suppression replaces the configured backend."""
        return not self.error and bool(self.selected != self.wanted)

    @property
    def reference(self) -> Any:
        """The mailer or backend to build, for a :class:`~flask_mail.extension.building.Builder`."""
        return self.wanted if self.is_flat else self.mailer

    @property
    def delivering(self) -> Any:
        """The reference of the backend that delivers."""
        return self.selected if self.is_replaced else self.reference

    def __str__(self) -> str:
        wanted = f"{name_of(self.wanted)} ({self.wanted_by})"
        if self.error:
            return f"No backend selected: {wanted} cannot be used"
        if self.is_replaced:
            return f"{name_of(self.selected)} ({self.reason}), instead of {wanted}"
        return wanted


def choice_of(state: _Mail, mailer: str = DEFAULT) -> Choice:
    """Return the backend of a mailer in use and the reason; does not raise for wrong settings."""
    selection = state.selection
    wanted: Any = mailer
    by, is_flat, wanted_class = "MAIL_MAILERS", False, None
    try:
        key = selection.definitions.key(mailer)
        by, is_flat = key or "MAIL_BACKEND", key is None
        if is_flat:
            wanted = config_of(state).get("MAIL_BACKEND")
        reference, by = selection.reference(mailer)
        wanted = reference if is_flat else selection.definitions.find(mailer).backend
        wanted_class = selection.backend_class(reference)
        selected, reason = selection.chosen(mailer)
        selected_class = selection.backend_class(selected)
    except ConfigurationError as error:
        return Choice(wanted, by, wanted_class, error=str(error), mailer=mailer, is_flat=is_flat)
    if selected == reference:
        selected = wanted
    return Choice(
        wanted, by, wanted_class, selected, selected_class, reason, mailer=mailer, is_flat=is_flat
    )


def known_mailer(state: _Mail, name: str) -> str:
    """Return `name` if the settings have such a mailer.

    :raises BadParameter: they have none, or cannot be read.
    """
    try:
        state.selection.reference(name)
    except MailerNotFound as error:
        raise click.BadParameter(str(error), param_hint="'--mailer'") from None
    except ConfigurationError:
        pass  # not a mistake in the option: reported as the reason why nothing was sent
    return name
