"""Tools of development, such as the inbox, which show the mail of an app in the browser.

They are above this room and register themselves when they are imported. An app in production
imports none of them and carries nothing of them: they are set up in ``Mail(app)`` if debug or
testing is on then, else at the first request after it was turned on, as ``app.run(debug=True)``
does. A receiver of Flask's `request_started`, which is no part of the app, looks at each request.
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from flask import request_started

from ..config.converters import is_on

if TYPE_CHECKING:
    from flask import Flask

# Dotted names like those of names.py. Entry points would be read in each process, which takes
# longer than importing the tool, and do not exist for a copy that is not installed.
MODULES = ("flask_mail.inbox.mounting", "flask_mail.inbox.announcing")


class Tool:
    """A tool of development. Its methods are only called for apps with mail."""

    def set_up(self, app: Flask) -> None:
        """Add the tool to `app`, if the settings ask for it."""
        raise NotImplementedError

    def at_request(self, app: Flask) -> None:
        """Do the same at the start of a request, which may be for the tool."""
        raise NotImplementedError

    def shows_mail(self, app: Flask) -> bool:
        """Return True if it can show the messages that `app` sends now."""
        raise NotImplementedError


_tools: list[Tool] = []


def register(tool: Tool) -> None:
    """Register a tool, when its module is imported."""
    _tools.append(tool)


def is_developed(app: Flask) -> bool:
    """Return True if debug or testing is on."""
    return is_on(app.debug) or is_on(app.testing)


def watch(app: Flask) -> None:
    """Set up the tools for `app`, now or as soon as debug or testing is on."""
    # The argument may be current_app, a proxy that is only valid in this context.
    app = getattr(app, "_get_current_object", lambda: app)()
    for tool in _tools_for(app):
        tool.set_up(app)


def is_shown(app: Flask) -> bool:
    """Return True if a tool can show the messages that `app` sends now."""
    return any(tool.shows_mail(app) for tool in _tools_for(app))


@request_started.connect
def _at_request(app: Flask, **extra: Any) -> None:
    if "mail_states" in app.extensions and is_developed(app):
        for tool in _tools_for(app):
            tool.at_request(app)


def _tools_for(app: Flask) -> list[Tool]:
    if is_developed(app):
        for name in MODULES:
            if name not in sys.modules:  # an app for each test asks often
                importlib.import_module(name)
    return _tools


# Not in a tool: the parent of the reloader's child imports none with app.run(debug=True).
@atexit.register
def _at_exit() -> None:
    """Delete mail that a process of this development server left for the next one."""
    if "WERKZEUG_SERVER_FD" in os.environ:
        importlib.import_module("flask_mail.inbox.reloading").clean_up()
