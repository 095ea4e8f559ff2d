"""Mail and the state of each app: all that is Flask."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app, has_app_context

from . import _context, settings
from .backends.locmem import LocmemBackend
from .backends.recent import Recent
from .backends.smtp import default_port
from .connection import Connection
from .errors import ConfigurationError, attach
from .message import Message
from .mounting import mount, prefix_of
from .previews import Preview, Previewing
from .readers import is_on, to_flag
from .selection import Selection
from .signals import email_dispatched

if TYPE_CHECKING:
    from .outgoing import Receipt


_ATTRIBUTES = (
    "server",
    "username",
    "password",
    "port",
    "use_tls",
    "use_ssl",
    "default_sender",
    "debug",
    "max_emails",
    "suppress",
    "ascii_attachments",
)


class _MailMixin:
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
        with self._deferred() as connection:
            return message.send(connection)

    def send_message(self, *args: Any, **kwargs: Any) -> Receipt:
        """Send ``Message(*args, **kwargs)``."""
        with self._applying():
            message = Message(*args, **kwargs)
        return self.send(message)

    def render(
        self, name: str, recipients: Iterable[Any] | None = None, /, **variables: Any
    ) -> Message:
        """Return :meth:`Message.from_template` of the app, also where none is current."""
        app = getattr(self, "app", None)
        with self._applying():
            if app is None or (has_app_context() and current_app == app):
                return Message.from_template(name, recipients, **variables)
            with app.app_context():
                return Message.from_template(name, recipients, **variables)

    def send_many(self, messages: Iterable[Message]) -> list[Receipt]:
        """Send messages over one connection and return one receipt for each, in order.

        Raises for none of them: a receipt's ``error`` says why its message was not sent. What the
        iterable itself raises, or whatever else ends the batch, has the receipts so far as its
        attribute ``receipts``.
        """
        receipts: list[Receipt] = []
        try:
            with self._deferred() as connection:
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

    def _deferred(self) -> Connection:
        connection = self.connect()
        # A program's own connect() may return anything.
        if isinstance(connection, Connection):  # nothing is connected for a bad message
            connection.defer()
        return connection

    @contextmanager
    def _applying(self) -> Iterator[None]:
        app = getattr(self, "app", None)
        with _context.bound(app.extensions["mail"] if app else _context.current_state()):
            yield


class _Live:
    """An attribute of the state that is read from the configuration each time.

    No data descriptor: what is assigned on the state wins, and deleting it brings this back.
    """

    def __init__(self, key: str, default: Callable[[_Mail], Any] | None = None) -> None:
        self._key = key
        self._default = default

    def __get__(self, state: _Mail | None, owner: type[_Mail]) -> Any:
        if state is None:
            return self
        value = settings.lookup(state._config, self._key)  # noqa: SLF001 (its descriptor)
        return self._default(state) if value is None and self._default is not None else value


class _Mail(_MailMixin):
    """The mail state of one app: ``app.extensions["mail"]``.

    Its attributes follow ``app.config``, whenever that changes. Assigning one overrides it.
    """

    # Apart from the __dict__, which holds what was assigned and nothing else.
    __slots__ = ("_app", "_config", "_debug", "_recent", "_testing", "previews", "selection")

    previews: Mapping[str, Preview]
    """The functions that :meth:`Mail.preview` registered, by name."""

    server: Any = _Live("MAIL_SERVER", lambda state: "localhost")
    username: Any = _Live("MAIL_USERNAME")
    password: Any = _Live("MAIL_PASSWORD")
    port: Any = _Live("MAIL_PORT", lambda state: default_port(state.use_ssl))
    use_tls: Any = _Live("MAIL_USE_TLS", lambda state: False)
    use_ssl: Any = _Live("MAIL_USE_SSL", lambda state: False)
    default_sender: Any = _Live("MAIL_DEFAULT_SENDER")
    debug: Any = _Live("MAIL_DEBUG", lambda state: state.app_debug)
    max_emails: Any = _Live("MAIL_MAX_EMAILS")
    suppress: Any = _Live("MAIL_SUPPRESS_SEND", lambda state: state.testing)
    ascii_attachments: Any = _Live("MAIL_ASCII_ATTACHMENTS", lambda state: False)

    def __init__(
        self,
        server: str,
        username: str | None,
        password: str | None,
        port: int | None,
        use_tls: bool,
        use_ssl: bool,
        default_sender: str | tuple[str, str] | None,
        debug: int,
        max_emails: int | None,
        suppress: bool,
        ascii_attachments: bool = False,
    ) -> None:
        self._connect_to({}, debug=False, testing=False)
        self.server = server
        self.username = username
        self.password = password
        self.port = port
        self.use_tls = use_tls
        self.use_ssl = use_ssl
        self.default_sender = default_sender
        self.debug = debug
        self.max_emails = max_emails
        self.suppress = suppress
        self.ascii_attachments = ascii_attachments

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
        self._config = config
        self._debug = debug
        self._testing = testing
        self._recent = Recent()
        self.previews = {}
        self.selection = Selection(
            config,
            lambda: self.__dict__,
            testing=lambda: self.testing,
            debug=lambda: is_on(self.debug),
        )

    def bind(self, app: Flask, previews: Mapping[str, Preview]) -> None:
        """Make `app` the one that this state belongs to, and `previews` what its inbox shows."""
        self._app = app
        self.previews = previews

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


class Mail(_MailMixin, Previewing):
    """Sends mail from a Flask app, through the backend that ``MAIL_BACKEND`` chooses.

    :param app: the app; without it, call :meth:`init_app` for each app, and the current app's
        settings apply when something is sent.
    """

    outbox: list[Message]
    """Copies of the messages that the locmem backend was given, in order; for tests."""

    def __init__(self, app: Flask | None = None) -> None:
        self.app = app
        self._state: _Mail | None = None
        if app is not None:
            self.init_app(app)

    def init_mail(
        self, config: Mapping[str, Any], debug: bool | int = False, testing: bool = False
    ) -> _Mail:
        """Return a mail state that follows `config`."""
        initial: dict[str, Any] = {name: config.get(f"MAIL_{name.upper()}") for name in _ATTRIBUTES}
        # Programs put a class of their own in place of _Mail.
        state: Any = _Mail(**initial)
        if hasattr(state, "follow"):
            state.follow(config, initial, is_on(debug), testing)
        return state  # type: ignore[no-any-return]

    def init_app(self, app: Flask) -> _Mail:
        """Register the mail state of `app` as ``app.extensions["mail"]`` and return it.

        The configuration may still change: it is read when something is sent.
        """
        state = self.init_mail(app.config, app.debug, app.testing)
        if hasattr(state, "bind"):
            state.bind(app, self.previews)
        app.extensions["mail"] = state
        mount(app)
        if app is self.app:
            self._state = state
        return state

    @property
    def state(self) -> _Mail | None:
        """The mail state of the app that was given, else of the current app, else ``None``."""
        app: Flask | None = self.__dict__.get("app")
        if app is not None:
            registered = app.extensions.get("mail")
            return self._state if registered is self else registered
        current: _Mail | None = _context.current_state()
        return self.__dict__.get("_state") if current is None else current

    @state.setter
    def state(self, state: _Mail | None) -> None:
        if self.app is not None:
            self.app.extensions["mail"] = state
        self._state = state

    def __getattr__(self, name: str) -> Any:
        state = None if name.startswith("_") else self.state
        if state is not None and hasattr(state, name):
            return getattr(state, name)
        known = [*dir(self), *_ATTRIBUTES]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        if name in _ATTRIBUTES or name == "outbox":
            hint = ": no app was given, and none is current"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")
