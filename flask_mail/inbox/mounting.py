"""Mounting of the inbox in front of an app in development.

``app.wsgi_app`` is wrapped only if the app has an inbox by then: in ``Mail(app)``, or at the first
request after debug was turned on. The rest of the inbox is imported by the first request for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Response, request
from werkzeug.exceptions import HTTPException

from ..config import table as settings
from ..config.converters import is_on
from ..errors import ConfigurationError
from ..extension.development import Tool, is_developed, register
from ..util.locks import ForkSafeLock
from . import failures

if TYPE_CHECKING:
    from flask import Flask

    WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]

DEFAULT_PREFIX = "/_mail"

_lock = ForkSafeLock()


def prefix_of(app: Flask) -> str | None:
    """Return the current URL prefix of the inbox of `app`, or ``None`` if it has no inbox.

    Without debug and testing there is never an inbox, regardless of ``MAIL_INBOX``.

    :raises ConfigurationError: ``MAIL_INBOX`` is neither a bool nor a prefix.
    """
    if not is_developed(app) or "mail" not in app.extensions:
        return None
    wanted = settings.lookup(app.config, "MAIL_INBOX", is_on(app.debug))
    if isinstance(wanted, str):
        return wanted
    return DEFAULT_PREFIX if wanted else None


class InboxTool(Tool):
    """The inbox, as a tool of the apps that have one."""

    def set_up(self, app: Flask) -> None:
        try:
            has_inbox = prefix_of(app) is not None
        except ConfigurationError:  # each request of an app in development says so
            has_inbox = True
        if has_inbox and "mail_mount" not in app.extensions:
            _wrap(app)

    def at_request(self, app: Flask) -> None:
        """Serve a request for the inbox of an app that had none when the mail was set up."""
        if prefix_of(app) is None:
            return
        with _lock():
            mounted = app.extensions.get("mail_mount")
            if mounted is None and "wsgi_app" not in vars(app):
                mounted = _wrap(app)  # the next requests do not even reach the app
            elif mounted is None:  # around another middleware, it would not see what that does
                mounted = _mount(app)
        if mounted.is_asked(request.environ):
            # Without a code, no error handler of the app is asked.
            raise HTTPException(response=Response.from_app(mounted, request.environ))

    def shows_mail(self, app: Flask) -> bool:
        try:
            return "mail_inbox" in app.extensions or prefix_of(app) is not None
        except ConfigurationError:  # reported by each request, and must not prevent sending
            return False


register(InboxTool())


def _wrap(app: Flask) -> Mount:
    wrapped = _mount(app)
    app.wsgi_app = wrapped  # type: ignore[method-assign]  # how Flask adds a middleware
    return wrapped


def _mount(app: Flask) -> Mount:
    mounted = app.extensions["mail_mount"] = Mount(app, app.wsgi_app)
    failures.watch(app)
    if "WERKZEUG_RUN_MAIN" in os.environ:  # the reloader has started this process
        from . import reloading

        reloading.survive(app)
    return mounted


class Mount:
    """A WSGI application: the inbox below its prefix, and the app everywhere else.

    It is separate from the app, so that routes, templates and hooks of the app, such as a login, a
    CSRF check or a catch-all route, do not affect it. Each request checks if there is an inbox,
    because ``app.run(debug=True)`` and tests enable it late.
    """

    def __init__(self, app: Flask, inner: WSGI) -> None:
        self._app = app
        self._inner = inner
        self._inbox: WSGI | None = None
        self._lock = ForkSafeLock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        prefix = self._prefix(environ)
        if prefix is not None:
            return self._serve(prefix, environ, start_response)
        return self._inner(environ, start_response)

    def is_asked(self, environ: dict[str, Any]) -> bool:
        """Return True if a request is for the inbox."""
        return self._prefix(environ) is not None

    def _prefix(self, environ: dict[str, Any]) -> str | None:
        prefix = prefix_of(self._app) if is_developed(self._app) else None
        path = environ.get("PATH_INFO", "")
        return prefix if prefix is not None and f"{path}/".startswith(f"{prefix}/") else None

    def _serve(self, prefix: str, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock():
            # Shared, since only one inbox knows the ids of the messages of an outbox.
            if self._inbox is None:
                from . import blueprint

                self._inbox = blueprint.standalone(self._app)
        below = {
            **environ,
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + prefix,
            "PATH_INFO": environ.get("PATH_INFO", "")[len(prefix) :],
        }
        inbox: WSGI = self._inbox
        return inbox(below, start_response)
