"""``flask mail inbox``."""

from __future__ import annotations

import sys
import webbrowser
from typing import TYPE_CHECKING

import click
from flask import current_app
from werkzeug.routing import BuildError

from ..errors import ConfigurationError
from ..extension.development import is_developed
from ..inbox.announcing import url_of
from ..inbox.mounting import prefix_of
from .context import mail_state
from .output import is_terminal, say

if TYPE_CHECKING:
    from flask import Flask

    from ..extension.state import _Mail


@click.option("--host", envvar="FLASK_RUN_HOST", default="127.0.0.1", help="Host of the app.")
@click.option("--port", envvar="FLASK_RUN_PORT", default=5000, type=int, help="Port of the app.")
@click.option(
    "--open/--no-open",
    "opens",
    default=None,
    help="Open it in a browser, or only print its URL. Default: open it if this is a terminal.",
)
def open_inbox(host: str, port: int, opens: bool | None) -> None:
    """Open the inbox in the browser, and print its URL.

    The inbox shows the mail of this app while `flask --debug run` serves it.
    """
    url = _url_of(host, port)
    if is_terminal(sys.stdout) if opens is None else opens:
        webbrowser.open(url)  # without a browser it does nothing


def _url_of(host: str, port: int) -> str:
    """Print the URL of the inbox and return it."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with mail_state() as state:
        try:
            prefix = prefix_of(app)
        except ConfigurationError as error:
            raise click.ClickException(str(error)) from None
        if prefix is None:
            prefix = _mounted(app)
        if prefix is None:
            raise click.ClickException(
                "MAIL_INBOX is off: set it to True."
                if is_developed(app)
                else "The inbox needs debug mode: run `flask --debug run` and"
                " `flask --debug mail inbox`."
            )
        problem = _problem_of(state)
    url = url_of(host, port, prefix)
    say(url)
    if problem:
        say(problem, err=True)
    return url


def _problem_of(state: _Mail) -> str:
    """Return the reason why the inbox has no messages; empty if a backend keeps them."""
    from ..inbox.sources import entries

    try:
        entries(state)
    except ConfigurationError as error:
        return f"The inbox is empty. {error}"
    return ""


def _mounted(app: Flask) -> str | None:
    """Return the path at which the app registered the inbox blueprint."""
    if "mail_inbox" in app.extensions:
        from ..inbox.blueprint import inbox_blueprint

        urls = app.url_map.bind("")
        for name, blueprint in app.blueprints.items():
            if blueprint.import_name == inbox_blueprint.__module__:
                try:
                    return urls.build(f"{name}.messages").rstrip("/")
                except BuildError:  # its path has variable parts
                    continue
    return None
