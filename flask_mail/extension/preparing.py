"""Preparation of an app by the plugins that its settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import MailError

if TYPE_CHECKING:
    from flask import Flask

    from ..backends import Backend
    from .mailers import Selection


def prepare(app: Flask, selection: Selection) -> None:
    """Call ``prepare_app`` of each class of backends that the settings of `app` name."""
    try:
        names = selection.definitions.names()
    except MailError:
        return  # raised as soon as a message is sent
    # The argument may be current_app, a proxy that is only valid in this context.
    app = getattr(app, "_get_current_object", lambda: app)()
    for cls in dict.fromkeys(_class_of(selection, name) for name in names):
        if cls is not None:
            cls.prepare_app(app)


def _class_of(selection: Selection, mailer: str) -> type[Backend[Any]] | None:
    try:
        return selection.backend_class(selection.reference(mailer)[0])
    except MailError:
        return None
