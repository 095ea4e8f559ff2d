"""The address of the inbox, which ``flask run`` prints once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click
from flask.cli import ScriptInfo

from ..errors import ConfigurationError
from ..extension.development import Tool, register
from .mounting import prefix_of

if TYPE_CHECKING:
    from flask import Flask

# Wildcard address -> an address that a browser can open.
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_ANNOUNCED: Final = "flask_mail.inbox.announced"


def url_of(host: str, port: int, prefix: str, scheme: str = "http") -> str:
    """Return the URL of the inbox of a server.

    :param host: the address that it listens on, which may be a wildcard.
    :param prefix: the path of the inbox.
    """
    host = _ANY.get(host, host)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{prefix}"


class AnnouncingTool(Tool):
    """Prints the address of the inbox when ``flask run`` loads the app."""

    def set_up(self, app: Flask) -> None:
        context = click.get_current_context(silent=True)
        # The reloader loads the app once more, at each change.
        if context is None or os.environ.get("WERKZEUG_RUN_MAIN") == "true":
            return
        given = context.params
        is_run = context.info_name == "run" and context.find_object(ScriptInfo) is not None
        if not (is_run and given.get("host") and given.get("port")):
            return
        try:
            prefix = prefix_of(app)
        except ConfigurationError:  # each request says so
            return
        if prefix is not None and not context.meta.get(_ANNOUNCED):
            context.meta[_ANNOUNCED] = True  # of several apps, the first
            scheme = "https" if given.get("cert") else "http"
            click.echo(f" * Inbox: {url_of(given['host'], given['port'], prefix, scheme)}")

    def at_request(self, app: Flask) -> None:
        """Print nothing: requests come after the start."""

    def shows_mail(self, app: Flask) -> bool:
        return False


register(AnnouncingTool())
