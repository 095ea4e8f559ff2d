"""The mail state of an app: its current settings and assigned attributes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Flask, current_app, has_app_context

from ..config import table as settings
from ..config.converters import default_port, is_on, to_flag
from ..delivery.recent import Recent
from ..errors import ConfigurationError
from ..util.locks import ForkSafeLock
from .development import is_shown
from .live import ATTRIBUTES, Live, own_attributes
from .mixin import _MailMixin

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..message.message import Message
    from .admitting import Admission
    from .mailers import Selection
    from .previews import Preview


_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})
# Apart from __dict__, which only contains assigned attributes.
_SLOTS = (
    "_admissions",
    "_app",
    "_config",
    "_debug",
    "_mail",
    "_recent",
    "_selection",
    "_testing",
    "previews",
)
_lock = ForkSafeLock()
_FOLLOW: Any = object()  # of a parameter: read it from the configuration


class _Mail(_MailMixin):
    """The mail state of one app: ``app.extensions["mail"]``.

    Its attributes follow ``app.config``. Assigning one overrides the configuration.
    """

    __slots__ = _SLOTS

    _decided: ClassVar[tuple[str, ...]] = ()
    """The attributes that a subclass overrides, such as by a property."""

    previews: Mapping[str, Preview]
    """The functions registered by :meth:`Mail.preview`, by name."""

    _recent: Recent
    server: Any = Live("MAIL_SERVER", lambda state: "localhost")
    username: Any = Live("MAIL_USERNAME")
    password: Any = Live("MAIL_PASSWORD")
    port: Any = Live("MAIL_PORT", lambda state: default_port(state.use_ssl))
    use_tls: Any = Live("MAIL_USE_TLS", lambda state: False)
    use_ssl: Any = Live("MAIL_USE_SSL", lambda state: False)
    default_sender: Any = Live("MAIL_DEFAULT_SENDER")
    debug: Any = Live("MAIL_DEBUG", lambda state: state.app_debug)
    max_emails: Any = Live("MAIL_MAX_EMAILS")
    suppress: Any = Live("MAIL_SUPPRESS_SEND", lambda state: state.testing)
    ascii_attachments: Any = Live("MAIL_ASCII_ATTACHMENTS", lambda state: False)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._decided = tuple(
            name for name in ATTRIBUTES if not isinstance(inspect.getattr_static(cls, name), Live)
        )

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Not in the constructor, which a subclass may replace.
        state = super().__new__(cls)
        state._recent = Recent()
        state._connect_to(_NO_SETTINGS, debug=False, testing=False)
        return state

    def __init__(
        self,
        server: str = _FOLLOW,
        username: str | None = _FOLLOW,
        password: str | None = _FOLLOW,
        port: int | None = _FOLLOW,
        use_tls: bool = _FOLLOW,
        use_ssl: bool = _FOLLOW,
        default_sender: str | tuple[str, str] | None = _FOLLOW,
        debug: int = _FOLLOW,
        max_emails: int | None = _FOLLOW,
        suppress: bool = _FOLLOW,
        ascii_attachments: bool = _FOLLOW,
    ) -> None:
        given = locals()
        for name in ATTRIBUTES:
            if given[name] is not _FOLLOW:
                setattr(self, name, given[name])

    def __copy__(self) -> Self:
        # For a second account: attributes assigned on the copy do not affect the original.
        clone = self._like()
        clone.__dict__ = dict(self.__dict__)
        clone._selection = None  # noqa: SLF001 (its own class)
        return clone

    def follow(
        self, config: Mapping[str, Any], initial: Mapping[str, Any], debug: bool, testing: bool
    ) -> None:
        """Make the attributes follow `config` from now on.

        :param initial: the values read from it; attributes with other values are kept.
        :param debug: the default of ``DEBUG``, as `testing` is of ``TESTING``.
        """
        self._connect_to(config, debug=debug, testing=testing)
        for name, value in initial.items():
            if self.__dict__.get(name, self) is value:
                del self.__dict__[name]

    def _connect_to(self, config: Mapping[str, Any], *, debug: bool, testing: bool) -> None:
        self._app: Flask | None = None
        self._mail: object = None
        self._config = config
        self._debug = debug
        self._testing = testing
        self.previews = {}
        self._admissions: list[Admission] = []
        self._selection: Selection | None = None

    @property
    def selection(self) -> Selection:
        """Selection of the backend, made when it is used first."""
        made = self._selection
        if made is None:
            # Programs that send no mail, such as commands and workers, do not import the backends.
            from .mailers import Selection

            with _lock():
                made = self._selection
                if made is None:
                    made = self._selection = Selection(
                        self._config,
                        self._overriding if self._decided else self._assigned,
                        testing=lambda: self.testing,
                        debug=self._logs_dialogue,
                        app=lambda: self._app,
                        admissions=self._admissions,
                    )
        return made

    def _like(self) -> Self:
        clone = object.__new__(type(self))
        for slot in _SLOTS:
            setattr(clone, slot, getattr(self, slot))
        return clone

    def bind(
        self, app: Flask, previews: Mapping[str, Preview], admissions: list[Admission]
    ) -> None:
        """Set the app of this state, the previews of its inbox and the functions of `Mail.admit`.

        A state made by the program itself follows `app` in all attributes that it was not given.
        """
        if self._config is _NO_SETTINGS:
            self._connect_to(app.config, debug=app.debug, testing=app.testing)
        self._app = app
        self.previews = previews
        self._admissions = admissions

    def _assigned(self) -> Mapping[str, Any]:
        """Return the assigned attributes, which take precedence over the configuration."""
        if self._mail is None:
            return self.__dict__
        return {**self.__dict__, **own_attributes(self._mail)}

    def _overriding(self) -> Mapping[str, Any]:
        if not self._decided:
            return self._assigned()
        return {**{name: getattr(self, name) for name in self._decided}, **self._assigned()}

    def _seen_through(self, mail: object) -> Self:
        """Return this state with the attributes assigned on `mail`, which take precedence."""
        seen = self._like()
        seen.__dict__ = self.__dict__
        seen._mail = mail  # noqa: SLF001 (its own class)
        seen._selection = self.selection.overridden(  # noqa: SLF001 (its own class)
            seen._overriding,  # noqa: SLF001 (its own class)
            debug=seen._logs_dialogue,  # noqa: SLF001 (its own class)
        )
        return seen

    @property
    def app(self) -> Flask | None:
        """The app, else the current one; the sender of signals."""
        if self._app is None and has_app_context():
            return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001
        return self._app

    @property
    def testing(self) -> bool:
        """The current value of Flask's ``TESTING``.

        :raises ConfigurationError: it is a str that is not a boolean. A guess could suppress mail
            of production, or send mail of tests.
        """
        value = self._config.get("TESTING", self._testing)
        return value if type(value) is bool else bool(settings.convert("TESTING", to_flag, value))

    def _logs_dialogue(self) -> bool:
        """Return the value of ``MAIL_DEBUG``; if it is set in debug, show the dialogue."""
        is_logged = is_on(self.debug)
        # In debug alone it is only logged: few developers want to see it.
        is_set = "debug" in self._assigned() or not settings.is_unset(
            self._config.get("MAIL_DEBUG")
        )
        if is_logged and is_set and self.app_debug:
            from . import dialogue

            dialogue.show()
        return is_logged

    @property
    def app_debug(self) -> bool:
        """The current value of Flask's ``DEBUG``."""
        return is_on(self._config.get("DEBUG", self._debug))

    def unsubscribe_url(self, address: str, list_name: str) -> str:
        """Return the URL of the page on which `address` leaves a mailing list.

        :raises ConfigurationError: ``MAIL_UNSUBSCRIBE`` or a setting that it needs is missing.
        """
        from .unsubscribe import unsubscribe_url

        return unsubscribe_url(self._config, self._app, address, list_name)

    @property
    def fails_silently(self) -> bool:
        """True if a failed connection does not raise (``MAIL_FAIL_SILENTLY``, before 0.8)."""
        return settings.fails_silently(self._config)

    @property
    def recent(self) -> Recent | None:
        """Store for the messages of a backend that does not keep them, if they can be shown."""
        app = self._app
        return self._recent if app is not None and is_shown(app) else None

    @property
    def outbox(self) -> list[Message]:
        """Copies of the messages of all mailers of this app with the locmem backend, in order."""
        from ..backends.locmem import LocmemBackend

        chosen, _ = self.selection.chosen()
        for each in (chosen, "locmem"):
            if issubclass(self.selection.backend_class(each), LocmemBackend):
                return self.selection.build(each).outbox  # type: ignore[attr-defined,no-any-return]
        raise ConfigurationError("The installed backend named locmem is not that of Flask-Mail.")

    @outbox.setter
    def outbox(self, messages: Iterable[Message]) -> None:
        self.outbox[:] = messages
