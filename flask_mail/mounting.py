"""Where the development inbox is, and how requests get there: the least that each app needs of it.

The inbox itself, :mod:`flask_mail.preview`, is imported by the first request that asks for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import settings
from .forks import ForkSafeLock
from .readers import to_bool

if TYPE_CHECKING:
    from flask import Flask

    WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]

DEFAULT_PREFIX = "/_mail"


def is_on(flag: object) -> bool:
    """Whether ``app.debug`` or ``app.testing`` means yes, also as a word of the environment.

    Flask takes each word for true, and ``app.config.from_prefixed_env()`` makes ``"False"`` one. A
    word that is no bool is no.
    """
    if not isinstance(flag, str):
        return bool(flag)
    try:
        return to_bool(flag)
    except ValueError:
        return False


def is_developed(app: Flask) -> bool:
    """Whether debug or testing is on, without which no inbox appears by itself."""
    return is_on(app.debug) or is_on(app.testing)


def prefix_of(app: Flask) -> str | None:
    """Return the URL prefix of the inbox of `app` as its settings are now; ``None`` without one.

    There is none where neither debug nor testing is on, whatever ``MAIL_PREVIEW`` says.

    :raises ConfigurationError: ``MAIL_PREVIEW`` is neither a bool nor a prefix.
    """
    if not is_developed(app) or "mail" not in app.extensions:
        return None
    wanted = settings.lookup(app.config, "MAIL_PREVIEW", is_on(app.debug))
    if isinstance(wanted, str):
        return wanted
    return DEFAULT_PREFIX if wanted else None


def mount(app: Flask) -> None:
    """Put the inbox before `app`, once."""
    # An extension may be given current_app, which stands for the app in this context only.
    app = getattr(app, "_get_current_object", lambda: app)()
    if "mail_mount" not in app.extensions:
        wrapped = app.extensions["mail_mount"] = Mount(app, app.wsgi_app)
        app.wsgi_app = wrapped  # type: ignore[method-assign]  # how Flask adds a middleware


class Mount:
    """A WSGI application: the inbox below its prefix, and the app everywhere else.

    It is beside the app, not in it: no route, no template and no hook of the one meets the other,
    so a login, a CSRF check or a catch-all route of the app does not get in the way. Whether there
    is an inbox is decided at each request, because ``app.run(debug=True)`` and tests decide late.
    """

    def __init__(self, app: Flask, inner: WSGI) -> None:
        self._app = app
        self._inner = inner
        self._inbox: WSGI | None = None
        self._lock = ForkSafeLock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        app = self._app
        if is_developed(app):
            prefix = prefix_of(app)
            path = environ.get("PATH_INFO", "")
            if prefix is not None and f"{path}/".startswith(f"{prefix}/"):
                return self._serve(prefix, path, environ, start_response)
        return self._inner(environ, start_response)

    def _serve(
        self, prefix: str, path: str, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        with self._lock():
            # One for all: what names the messages of an outbox is known to one inbox alone.
            if self._inbox is None:
                # By name: the inbox is above this module, and an app in production has none.
                module = importlib.import_module("flask_mail.preview.blueprint")
                self._inbox = module.standalone(self._app)
        below = {
            **environ,
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + prefix,
            "PATH_INFO": path[len(prefix) :],
        }
        inbox: WSGI = self._inbox
        return inbox(below, start_response)
