"""The current mail state. Besides `extension`, the only core module that imports flask."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from flask import (
    Flask,
    before_render_template,
    current_app,
    has_app_context,
    has_request_context,
    template_rendered,
)
from flask.globals import app_ctx

if TYPE_CHECKING:
    from collections.abc import Mapping

    import jinja2
    from flask.ctx import AppContext

# The state that a send is bound to, and the app context in which that began. Any: a program may
# have replaced app.extensions["mail"].
_bound: ContextVar[tuple[Any, object] | None] = ContextVar("flask_mail_state", default=None)


def current_state() -> Any:
    """Return the state that the running send is bound to, else the current app's, else ``None``.

    An app context pushed during the send, such as by a signal receiver, takes precedence.
    """
    return resolved(registered())


def resolved(mail: Any) -> Any:
    """Return the state of `mail`, which may be a Mail that a program registered as its own state.

    :raises RuntimeError: `mail` is a Mail without an app, and there is no app context.
    """
    find = getattr(type(mail), "_standing", None)
    return mail if find is None else find(mail)


def registered() -> Any:
    """Return the same as :func:`current_state`, but unresolved: as it was registered."""
    bound_state, began_in = _bound.get() or (None, None)
    context = _app_context()
    if context is None or (bound_state is not None and context is began_in):
        return bound_state
    return context.app.extensions.get("mail", bound_state)


class bound:  # noqa: N801 (a context manager, written out because each send enters it)
    """Make `state` the current mail state in a block, with any app context or without one."""

    __slots__ = ("_state", "_token")

    def __init__(self, state: object) -> None:
        self._state = state

    def __enter__(self) -> None:
        self._token = _bound.set((self._state, _app_context()))

    def __exit__(self, *exc_info: object) -> None:
        _bound.reset(self._token)


class AppTemplates:
    """The templates of an app, rendered as Flask's :func:`render_template` does."""

    locale: str | None = None
    """Value of the variable `locale` in templates for which the app has no other one."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    @property
    def environment(self) -> jinja2.Environment:
        return self._app.jinja_env

    def folders(self) -> list[str]:
        scaffolds = (self._app, *self._app.iter_blueprints())
        loaders = [each.jinja_loader for each in scaffolds]
        return [path for loader in loaders for path in getattr(loader, "searchpath", ())]

    def rendering(self, template: jinja2.Template, variables: dict[str, Any]) -> None:
        self._app.update_template_context(variables)
        if self.locale is not None and "locale" not in template.globals:
            variables.setdefault("locale", self.locale)
        before_render_template.send(
            self._app, _async_wrapper=self._app.ensure_sync, template=template, context=variables
        )

    def rendered(self, template: jinja2.Template, variables: dict[str, Any]) -> None:
        template_rendered.send(
            self._app, _async_wrapper=self._app.ensure_sync, template=template, context=variables
        )

    @property
    def config(self) -> Mapping[str, Any]:
        return self._app.config

    @property
    def extensions(self) -> Mapping[str, Any]:
        return self._app.extensions


def app_templates() -> AppTemplates:
    """Return the templates of the current app.

    :raises RuntimeError: there is no app context.
    """
    if not has_app_context():
        raise RuntimeError(
            "No app context: use mail.render(), or render inside `with app.app_context():`."
        )
    return AppTemplates(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001


def is_in_request() -> bool:
    """Return True if there is a request context."""
    return has_request_context()


def _app_context() -> AppContext | None:
    try:
        return app_ctx._get_current_object()  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001
    except RuntimeError:
        return None
