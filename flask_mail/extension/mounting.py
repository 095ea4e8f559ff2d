"""Mounting of the development inbox.

An app in production carries nothing of it: :func:`mount` wraps ``app.wsgi_app`` only if the app has
an inbox by then. For apps that turn debug on later, as ``app.run(debug=True)`` does, a receiver of
Flask's `request_started` looks again at each request; it is no part of the app. The inbox itself,
:mod:`flask_mail.inbox`, is imported by the first request that asks for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Response, request, request_started
from werkzeug.exceptions import HTTPException

from ..config import table as settings
from ..config.converters import is_on
from ..errors import ConfigurationError
from ..util.locks import ForkSafeLock

if TYPE_CHECKING:
    from flask import Flask

    WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]

DEFAULT_PREFIX = "/_mail"

_lock = ForkSafeLock()


def is_developed(app: Flask) -> bool:
    """Return True if debug or testing is on."""
    return is_on(app.debug) or is_on(app.testing)


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


def is_open(app: Flask) -> bool:
    """Return True if ``MAIL_INBOX`` is set explicitly, which allows other machines."""
    return bool(settings.lookup(app.config, "MAIL_INBOX", False))


def mount(app: Flask) -> None:
    """Mount the inbox in front of `app`, now or as soon as the app has one."""
    # The argument may be current_app, a proxy that is only valid in this context.
    app = getattr(app, "_get_current_object", lambda: app)()
    request_started.connect(_look_again, sender=app)
    try:
        has_inbox = prefix_of(app) is not None
    except ConfigurationError:  # each request of an app in development says so
        has_inbox = True
    if has_inbox and "mail_mount" not in app.extensions:
        _wrap(app)


def _wrap(app: Flask) -> Mount:
    wrapped = app.extensions["mail_mount"] = Mount(app, app.wsgi_app)
    app.wsgi_app = wrapped  # type: ignore[method-assign]  # how Flask adds a middleware
    return wrapped


def _look_again(app: Flask, **extra: Any) -> None:
    """Serve a request for the inbox of an app that had none when the mail was set up."""
    if not is_developed(app) or prefix_of(app) is None:
        return
    with _lock():
        mounted = app.extensions.get("mail_mount")
        if mounted is None and "wsgi_app" not in vars(app):
            mounted = _wrap(app)  # the next requests do not even reach the app
        elif mounted is None:  # around another middleware, it would not see what that does
            mounted = app.extensions["mail_mount"] = Mount(app, app.wsgi_app)
    if mounted.is_asked(request.environ):
        # Without a code, no error handler of the app is asked.
        raise HTTPException(response=Response.from_app(mounted, request.environ))


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
                # By name: the inbox is above this module, and an app in production has none.
                module = importlib.import_module("flask_mail.inbox.blueprint")
                self._inbox = module.standalone(self._app)
        below = {
            **environ,
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + prefix,
            "PATH_INFO": environ.get("PATH_INFO", "")[len(prefix) :],
        }
        inbox: WSGI = self._inbox
        return inbox(below, start_response)
