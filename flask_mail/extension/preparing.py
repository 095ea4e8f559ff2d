"""Preparation of an app by the plugins that its settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
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
    found: dict[type[Backend[Any]], None] = {}
    for name in names:
        # Raised as soon as the mailer is used. A plugin may raise anything.
        with suppress(Exception):
            for cls in _classes(selection, selection.reference(name)[0]):
                found[cls] = None
    for cls in found:
        cls.prepare_app(app)


def _classes(
    selection: Selection, reference: Any, above: tuple[Any, ...] = ()
) -> Iterator[type[Backend[Any]]]:
    """Yield the class of a reference, and those of what it is made of. Nothing is built.

    :param above: the references that it is a part of.
    """
    if reference in above:
        return
    yield selection.backend_class(reference)
    for part in selection.parts(reference):
        yield from _classes(selection, part, (*above, reference))
