"""Mail, the extension object of programs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app

from .. import _context
from ..config.built_in import names_plugin
from ..config.converters import is_on
from ..config.message_settings import EVENTS, UNSUBSCRIBE
from ..config.telemetry_settings import TELEMETRY
from .admitting import Admitting
from .development import watch
from .live import ATTRIBUTES
from .mixin import _MailMixin
from .previews import Previewing
from .state import _Mail

if TYPE_CHECKING:
    from ..message.message import Message


_OWN_STATE = _Mail


class Mail(_MailMixin, Previewing, Admitting):
    """Sends mail from a Flask app, through the backend in ``MAIL_BACKEND``.

    :param app: the app; without it, call :meth:`init_app` for each app, and mail is sent with the
        settings of the current app.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self.app = app
        self._state: _Mail | None = None  # assigned by a program without an app
        if app is not None:
            self.init_app(app)

    def init_mail(
        self, config: dict[str, Any], debug: bool | int = False, testing: bool = False
    ) -> _Mail:
        """Return a mail state for `config`."""
        initial: dict[str, Any] = {}
        if _Mail is not _OWN_STATE:  # programs may replace it with a class that takes the values
            initial = {name: config.get(f"MAIL_{name.upper()}") for name in ATTRIBUTES}
        state: Any = _Mail(**initial)
        if hasattr(state, "follow"):
            state.follow(config, initial, is_on(debug), testing)
        return state  # type: ignore[no-any-return]

    def init_app(self, app: Flask) -> _Mail:
        """Register the mail state of `app` as ``app.extensions["mail"]`` and return it.

        Later changes of the configuration take effect.
        """
        state = self._make_state(app)
        app.extensions["mail"] = state
        if app.config.get(UNSUBSCRIBE) is not None:
            from .unsubscribe import add_page

            add_page(app)
        if app.config.get(EVENTS) is not None:
            from .events import add_endpoint

            add_endpoint(app)
        if app.config.get(TELEMETRY) is not None:
            from .telemetry import switch_on

            switch_on(app)
        if names_plugin(app.config) and hasattr(state, "selection"):
            from .preparing import prepare

            prepare(app, state.selection)
        watch(app)
        return state

    def _make_state(self, app: Flask) -> _Mail:
        state = self.init_mail(app.config, app.debug, app.testing)
        if hasattr(state, "bind"):
            state.bind(app, self.previews, self._admissions)
        _states_of(app)[self] = state
        return state

    @property
    def state(self) -> _Mail | None:
        """The mail state of this object's app, else of the current app, else ``None``."""
        registered = self._registered()
        if registered is None:
            return self.__dict__.get("_state")
        if not _is_a_mail(registered):
            return registered  # type: ignore[no-any-return]
        app = self.__dict__.get("app") or current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        return _states_of(app).get(registered) or registered._make_state(app)  # type: ignore[no-any-return]  # noqa: SLF001

    @state.setter
    def state(self, state: _Mail | None) -> None:
        if self.app is not None:
            self.app.extensions["mail"] = state
            _states_of(self.app)[self] = state
        self._state = state

    @property
    def outbox(self) -> list[Message]:
        """Copies of the messages of all mailers with the locmem backend, in order; for tests.

        Assigning a list replaces the messages: ``mail.outbox = []`` removes all.
        """
        outbox: list[Message] = self.__getattr__("outbox")
        return outbox

    @outbox.setter
    def outbox(self, messages: Iterable[Message]) -> None:
        self.outbox[:] = messages

    def _standing(self) -> Any:
        """Return the state of this object, with the attributes assigned on the object.

        Programs set ``app.extensions["mail"] = mail`` in place of the state.

        :raises RuntimeError: there is no app.
        """
        state = self.state
        if state is None:
            raise RuntimeError(
                "This Mail has no app, and there is no current app with Flask-Mail: call"
                " mail.init_app(app), and use an app context."
            )
        return state._seen_through(self) if _is_a_state(state) else self  # noqa: SLF001

    def _registered(self) -> Any:
        app: Flask | None = self.__dict__.get("app")
        return _context.registered() if app is None else app.extensions.get("mail")

    def _serving(self) -> Any:
        registered, state = self._registered(), self.state
        if registered is not self and _is_a_mail(registered) and _is_a_state(state):
            return state._seen_through(registered)  # type: ignore[union-attr]  # noqa: SLF001
        return state

    def __getattr__(self, name: str) -> Any:
        state = None if name.startswith("_") else self._serving()
        if state is not None and hasattr(state, name):
            return getattr(state, name)
        known = [*dir(self), *ATTRIBUTES]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        if name in ATTRIBUTES or name == "outbox":
            hint = " without an app: use `with app.app_context():`"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")


def _states_of(app: Flask) -> dict[Mail, Any]:
    # Stored in the app, so that its state is freed with it.
    states: dict[Mail, Any] = app.extensions.setdefault("mail_states", {})
    return states


# Checked by attributes, since tests replace the classes with mocks.


def _is_a_mail(each: object) -> bool:
    return hasattr(type(each), "_standing")


def _is_a_state(each: object) -> bool:
    return hasattr(type(each), "_seen_through")
