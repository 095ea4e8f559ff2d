"""Mail and the state of each app: all that is Flask."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from flask import Flask, current_app, has_app_context

from . import _context, settings
from .backends.locmem import LocmemBackend
from .backends.recent import Recent
from .backends.smtp_checks import default_port
from .connection import Connection, defer_for
from .errors import ConfigurationError, attach
from .keeping import Keeping
from .live import ATTRIBUTES, Live, own_attributes
from .message import Message
from .mounting import mount, prefix_of
from .previews import Preview, Previewing
from .readers import is_on, to_flag
from .selection import Selection
from .signals import email_dispatched

if TYPE_CHECKING:
    from typing_extensions import Self

    from .outgoing import Receipt


_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})
# Of a state, apart from its __dict__, which holds what was assigned and nothing else.
_SLOTS = ("_app", "_config", "_debug", "_mail", "_recent", "_testing", "previews", "selection")
_FOLLOW: Any = object()  # of a parameter: read it from the configuration


class _MailMixin(Keeping):
    """What :class:`Mail` and the state of an app have in common; programs patch and subclass it."""

    @contextmanager
    def record_messages(self) -> Iterator[list[Message]]:
        """Collect the messages that are sent in a block, also when they are suppressed.

        ``with mail.record_messages() as outbox:`` makes `outbox` a list, to which each message is
        appended once it was handed over, whichever app and thread sent it.
        """
        outbox: list[Message] = []

        def record(app: object, message: Message) -> None:
            outbox.append(message)

        with email_dispatched.connected_to(record):
            yield outbox

    def send(self, message: Message) -> Receipt:
        """Send one message.

        :raises MessageError: the message must not be sent; nothing was handed over.
        :raises DeliveryError: it was not delivered, or may not have been; its receipt tells.
        """
        with defer_for(self.connect(), message) as connection:
            return message.send(connection)

    def send_message(self, *args: Any, **kwargs: Any) -> Receipt:
        """Send ``Message(*args, **kwargs)``."""
        with self._applying():
            message = Message(*args, **kwargs)
        return self.send(message)

    def render(
        self, name: str, recipients: Iterable[Any] | None = None, /, **given: Any
    ) -> Message:
        """Return :meth:`Message.from_template` of the app, also where none is current."""
        app = getattr(self, "app", None)
        with self._applying():
            if app is None or (has_app_context() and current_app == app):
                return Message.from_template(name, recipients, **given)
            with app.app_context():
                return Message.from_template(name, recipients, **given)

    def send_many(self, messages: Iterable[Message]) -> list[Receipt]:
        """Send messages over one connection and return one receipt for each, in order.

        Raises for none of them: a receipt's ``error`` says why its message was not sent. What the
        iterable itself raises, or whatever else ends the batch, has the receipts so far as its
        attribute ``receipts``.
        """
        receipts: list[Receipt] = []
        try:
            with defer_for(self.connect()) as connection:
                receipts = connection.send_many(messages)
        except BaseException as error:
            if receipts or not hasattr(error, "receipts"):  # else the connection's own are there
                attach(error, "receipts", receipts)
            raise
        return receipts

    def connect(self, max_emails: int | None = None) -> Connection:
        """Return a :class:`Connection`, for use in a ``with`` block.

        :param max_emails: renew the session after so many messages; ``MAIL_MAX_EMAILS`` by default.
        """
        app = getattr(self, "app", None) or current_app
        try:
            state = app.extensions["mail"]
        except KeyError:
            raise RuntimeError(
                "The current application was not configured with Flask-Mail: call Mail(app) or"
                " mail.init_app(app)."
            ) from None
        return Connection(state, max_emails=max_emails)

    @contextmanager
    def _applying(self) -> Iterator[None]:
        app = getattr(self, "app", None)
        with _context.bound(app.extensions["mail"] if app else _context.current_state()):
            yield


class _Mail(_MailMixin):
    """The mail state of one app: ``app.extensions["mail"]``.

    Its attributes follow ``app.config``, whenever that changes. Assigning one overrides it.
    """

    __slots__ = _SLOTS

    _decided: ClassVar[tuple[str, ...]] = ()
    """The attributes that a subclass decides, such as by a property."""

    previews: Mapping[str, Preview]
    """The functions that :meth:`Mail.preview` registered, by name."""

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
        # A second account: what is assigned on the copy is the copy's alone.
        clone = self._like()
        clone.__dict__ = dict(self.__dict__)
        clone.selection = clone._selecting()  # noqa: SLF001 (its own class)
        return clone

    def follow(
        self, config: Mapping[str, Any], initial: Mapping[str, Any], debug: bool, testing: bool
    ) -> None:
        """Let the attributes follow `config` from now on.

        :param initial: the values that were read from it; an attribute with another one stays.
        :param debug: what ``DEBUG`` is where `config` does not say; `testing` for ``TESTING``.
        """
        self._connect_to(config, debug=debug, testing=testing)
        for name, value in initial.items():
            if self.__dict__.get(name, self) is value:
                del self.__dict__[name]

    def _connect_to(self, config: Mapping[str, Any], *, debug: bool, testing: bool) -> None:
        self._app: Flask | None = None
        self._mail: Mail | None = None
        self._config = config
        self._debug = debug
        self._testing = testing
        self._recent = Recent()
        self.previews = {}
        self.selection = self._selecting()

    def _selecting(self) -> Selection:
        return Selection(
            self._config,
            self._overriding,
            testing=lambda: self.testing,
            debug=lambda: is_on(self.debug),
        )

    def _like(self) -> Self:
        clone = object.__new__(type(self))
        for slot in _SLOTS:
            setattr(clone, slot, getattr(self, slot))
        return clone

    def bind(self, app: Flask, previews: Mapping[str, Preview]) -> None:
        """Make `app` the one that this state belongs to, and `previews` what its inbox shows.

        A state that a program has made itself follows `app` in what it was not given.
        """
        if self._config is _NO_SETTINGS:
            self._connect_to(app.config, debug=app.debug, testing=app.testing)
        self._app = app
        self.previews = previews

    def _assigned(self) -> Mapping[str, Any]:
        """Return what was assigned: it wins over the configuration."""
        if self._mail is None:
            return self.__dict__
        return {**self.__dict__, **own_attributes(self._mail)}

    def _overriding(self) -> Mapping[str, Any]:
        if not self._decided:
            return self._assigned()
        return {**{name: getattr(self, name) for name in self._decided}, **self._assigned()}

    def _seen_through(self, mail: Mail) -> Self:
        """Return this state as it is where `mail` stands for it: what was assigned on that wins."""
        seen = self._like()
        seen.__dict__ = self.__dict__
        seen._mail = mail  # noqa: SLF001 (its own class)
        seen.selection = self.selection.overridden(
            seen._overriding,  # noqa: SLF001 (its own class)
            debug=lambda: is_on(seen.debug),
        )
        return seen

    @property
    def app(self) -> Flask | None:
        """The app, else the current one: the sender of signals."""
        if self._app is None and has_app_context():
            return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001
        return self._app

    @property
    def testing(self) -> bool:
        """Flask's ``TESTING``, as it is now.

        :raises ConfigurationError: it is a word that is not a bool. Either reading of it would be
            wrong: mail of production would be kept, or that of tests would leave.
        """
        value = self._config.get("TESTING", self._testing)
        return value if type(value) is bool else bool(settings.convert("TESTING", to_flag, value))

    @property
    def app_debug(self) -> bool:
        """Flask's ``DEBUG``, as it is now."""
        return is_on(self._config.get("DEBUG", self._debug))

    @property
    def fails_silently(self) -> bool:
        """Whether a failed connection raises nothing (``MAIL_FAIL_SILENTLY``, before 0.8)."""
        return settings.fails_silently(self._config)

    @property
    def recent(self) -> Recent | None:
        """Where a backend that keeps no messages leaves them for the inbox, if there is one."""
        app = self._app
        if app is None:
            return None
        try:
            has_inbox = "mail_inbox" in app.extensions or prefix_of(app) is not None
        except ConfigurationError:  # told by each request, and no reason to send no mail
            has_inbox = False
        return self._recent if has_inbox else None

    @property
    def outbox(self) -> list[Message]:
        """Copies of the messages that the locmem backend of this app was given, in order."""
        chosen, _ = self.selection.chosen()
        for each in (chosen, "locmem"):
            if issubclass(self.selection.backend_class(each), LocmemBackend):
                return self.selection.build(each).outbox  # type: ignore[attr-defined,no-any-return]
        raise ConfigurationError("The backend that is installed as locmem is not Flask-Mail's.")

    @outbox.setter
    def outbox(self, messages: Iterable[Message]) -> None:
        self.outbox[:] = messages


class Mail(_MailMixin, Previewing):
    """Sends mail from a Flask app, through the backend that ``MAIL_BACKEND`` chooses.

    :param app: the app; without it, call :meth:`init_app` for each app, and the current app's
        settings apply when something is sent.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self.app = app
        self._state: _Mail | None = None  # what a program has assigned, where no app was given
        if app is not None:
            self.init_app(app)

    def init_mail(
        self, config: dict[str, Any], debug: bool | int = False, testing: bool = False
    ) -> _Mail:
        """Return a mail state that follows `config`."""
        initial: dict[str, Any] = {name: config.get(f"MAIL_{name.upper()}") for name in ATTRIBUTES}
        # Programs put a class of their own in place of _Mail.
        state: Any = _Mail(**initial)
        if hasattr(state, "follow"):
            state.follow(config, initial, is_on(debug), testing)
        return state  # type: ignore[no-any-return]

    def init_app(self, app: Flask) -> _Mail:
        """Register the mail state of `app` as ``app.extensions["mail"]`` and return it.

        The configuration may still change: it is read when something is sent.
        """
        state = self._make_state(app)
        app.extensions["mail"] = state
        mount(app)
        return state

    def _make_state(self, app: Flask) -> _Mail:
        state = self.init_mail(app.config, app.debug, app.testing)
        if hasattr(state, "bind"):
            state.bind(app, self.previews)
        _states_of(app)[self] = state
        return state

    @property
    def state(self) -> _Mail | None:
        """The mail state of the app that was given, else of the current app, else ``None``."""
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
        """Copies of the messages that the locmem backend was given, in order; for tests.

        Assigning a list replaces what it holds: ``mail.outbox = []`` forgets all messages.
        """
        outbox: list[Message] = self.__getattr__("outbox")
        return outbox

    @outbox.setter
    def outbox(self, messages: Iterable[Message]) -> None:
        self.outbox[:] = messages

    def _standing(self) -> Any:
        """Return the state that this object stands for, with what was assigned on the object.

        Programs put a Mail in the place of its state: ``app.extensions["mail"] = mail``.

        :raises RuntimeError: it has no app, and none is current.
        """
        state = self.state
        if state is None:
            raise RuntimeError(
                "This Mail has no app, and no app that was configured with Flask-Mail is current:"
                " call mail.init_app(app), and use an app context."
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
            hint = ": no app was given, and none is current"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")


def _states_of(app: Flask) -> WeakKeyDictionary[Mail, Any]:
    # In the app, not in a Mail that serves many: an app that is gone takes its state along.
    states: WeakKeyDictionary[Mail, Any] = app.extensions.setdefault(
        "mail_states", WeakKeyDictionary()
    )
    return states


# By what their classes have: the classes themselves are replaced by mocks.


def _is_a_mail(each: object) -> bool:
    return hasattr(type(each), "_standing")


def _is_a_state(each: object) -> bool:
    return hasattr(type(each), "_seen_through")
