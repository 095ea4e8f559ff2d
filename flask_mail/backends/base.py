"""Base class of backends, with the validation and signals common to all of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, final

from ..errors import UnsupportedFeature
from .features import ORDINARY, Feature, check, read_message_options
from .inspection import Inspectable
from .options import key_of_option, read_options
from .sending import S, Sending

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..delivery.outgoing import Outgoing
    from ..receipt import Receipt

API_VERSION: Final = 1
"""Version of this interface. It increases when a backend for the previous version would no longer
load or would behave differently; additions do not change it."""


class Backend(Inspectable, Sending[S]):
    """Delivers messages. Built once per app and mailer, and shared by its threads.

    Subclasses implement :meth:`deliver`; if they keep connections, also :meth:`open` and
    :meth:`close`, with ``S`` as the type of a session. The keyword parameters of the constructor
    are the options of the backend: ``MAIL_<NAME>_<OPTION>`` in the configuration.
    """

    name: ClassVar[str]
    """One lowercase word: the `MAIL_BACKEND` value, the option prefix, the name in receipts."""
    api_version: ClassVar[int] = API_VERSION
    """Version of this interface that it implements; plugins set it to a number."""
    requires: ClassVar[Mapping[str, str]] = {}
    """Libraries imported by the constructor: module -> requirement for pip."""
    features: frozenset[Feature] = ORDINARY
    """The features it supports; messages that use others are refused before :meth:`deliver`.
    Default: all but ESMTP options, tags and metadata. An instance may support fewer than its class,
    such as a wrapper of other backends; when another backend replaces it in tests, those of the
    class apply. The same is true of the limits."""
    max_size: int | None = None
    """Maximum size of a message, in octets."""
    max_recipients: int | None = None
    """Maximum number of recipients of a message."""
    message_options: ClassVar[type[Any] | None] = None
    """Class whose keyword parameters are its options in ``message.options``, such as a frozen
    dataclass; they are checked like those of the constructor."""
    external: ClassVar[bool] = True
    """False if nothing leaves this machine, so that tests do not replace it."""
    option_prefix: ClassVar[str | None] = None
    """Prefix of the keys of its options; default: ``MAIL_<NAME>_``."""
    url_parts: ClassVar[Mapping[str, str]] = {}
    """The options that the parts of a URL such as ``MAIL_URL`` stand for: ``username``,
    ``password``, ``host``, ``port``, ``path`` -> name of an option. Other parts are errors."""
    deduplicates: ClassVar[float | None] = None
    """Seconds within which the peer accepts a message with the same key once, however often it is
    sent; ``None`` if it may accept it again."""
    batch_size: ClassVar[int] = 1
    """The number of messages of a list that :meth:`deliver_many` gets together, as a list, from
    `send_many`. By default it gets an iterator, which takes the next message when it is needed."""
    events_option: ClassVar[str] = "events_secret"
    """The option without which nothing is received for :meth:`read_events`."""
    is_queue: ClassVar[bool] = False
    """True if it stores messages, which are sent later."""
    mailer: str = ""
    """The name of its mailer; set when an app has built it."""
    app: Any = None
    """The app that has built it, or ``None``."""
    _key_of: Callable[[str], str] | None = None

    @classmethod
    def setting_key(cls, option: str) -> str:
        """Return the key of the setting for `option`."""
        prefix = cls.option_prefix or f"MAIL_{cls.name.upper()}_"
        return f"{prefix}{option.upper()}"

    @classmethod
    def from_options(cls, options: Mapping[str, Any], build: Callable[[str], Backend[Any]]) -> Self:
        """Build the backend from the options that are set, by lowercase name.

        Names and types are checked against the constructor.

        :param build: returns the mailer or backend of a name, for backends made of others.
        :raises ConfigurationError: an option is unknown, missing or of the wrong type; names the
            setting.
        """
        key_of = key_of_option(cls, options)
        given = read_options(cls, key_of, options)
        if cls.__new__ is not object.__new__ or type(cls).__call__ is not type.__call__:
            return cls(**given)  # made in its own way, such as only once
        # Bound first, so that errors of the constructor name the settings of the mailer.
        backend = cls.__new__(cls)
        backend.bind(app=None, mailer="", key_of=key_of)
        backend.__init__(**given)  # type: ignore[misc]
        return backend

    @classmethod
    def url_defaults(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the options that a URL with `options` implies; those in the URL take precedence.

        For safer defaults than the flat settings have, which are older.
        """
        return {}

    @classmethod
    def prepare_app(cls, app: Any) -> None:
        """Prepare an app whose settings name this backend, such as with receivers of signals.

        Called by ``Mail(app)``, once for each class, for the backends of plugins; nothing is built
        yet, and the settings may change later.
        """

    @classmethod
    def parts(cls, options: Mapping[str, Any]) -> Sequence[Any]:
        """Return the mailers or backends that it would be made of with `options`, by name.

        Nothing is built. Override this in a backend made of others, so that tests check messages
        against the limits of the backends that would send them.
        """
        return ()

    @final
    def setting(self, option: str) -> str:
        """Return the setting of `option` of this instance, for errors."""
        return (self._key_of or self.setting_key)(option)

    @final
    def bind(self, *, app: object, mailer: str, key_of: Callable[[str], str] | None) -> None:
        """Set :attr:`app` and :attr:`mailer`, once it is built.

        :param key_of: returns the setting of an option, if it is not :meth:`setting_key`.
        """
        for name, value in (("app", app), ("mailer", mailer), ("_key_of", key_of)):
            if not getattr(self, name):
                # A backend may be a frozen dataclass.
                object.__setattr__(self, name, value)

    def open(self) -> S:
        """Start a session, such as a connection.

        :raises DeliveryError: the session cannot be opened.
        """
        return None  # type: ignore[return-value]  # a backend without sessions

    def close(self, session: S) -> None:
        """Close a session, even if the peer is gone. Never raises.

        A backend may keep it and return it from the next :meth:`open`.
        """

    def retire(self, session: S) -> None:
        """Close a session that has reached its message limit. Never raises.

        Unlike :meth:`close`, this must not keep the session.
        """
        self.close(session)

    def abort(self, session: S) -> None:
        """Drop a session immediately, without talking to the peer. Never raises."""
        self.close(session)

    def shut_down(self) -> None:
        """Release idle resources before this instance is replaced. Never raises.

        Called when the backend's options have changed, and by ``mail.close()``. Messages may still
        be in flight in other threads, whose sessions are closed later.
        """

    @property
    def server_address(self) -> tuple[str, int] | None:
        """Host and port of the server that it delivers to, for traces; ``None`` if it has none."""
        return None

    @abstractmethod
    def deliver(self, mail: Outgoing, session: S) -> Receipt:
        """Deliver one message. Subclasses implement this.

        Return ``self.accepted(mail)`` once the peer has taken responsibility for it.

        :raises MessageRefused: the peer refused this message.
        :raises BackendUnavailable: nothing was accepted; a later attempt may succeed.
        :raises DeliveryUnknown: it may or may not have been accepted.
        """

    @classmethod
    def unsupported(cls, feature: str) -> UnsupportedFeature:
        """Return the error for an unsupported feature, to be raised by :meth:`deliver`.

        :param feature: description, such as ``"attachments over 10 MB"``.
        """
        return UnsupportedFeature(
            f"The {cls.name} backend does not support {feature}: remove this from the message, or"
            " use another backend."
        )

    @final
    def check(self, mail: Outgoing) -> None:
        """Check that this backend supports the features of `mail`.

        Called before :meth:`deliver`; a wrapper backend calls it for the backend it selects.

        :raises UnsupportedFeature: a feature is not supported, or the message is too large.
        :raises MessageError: ``message.options`` has an unknown option for this backend.
        """
        check(self, mail)

    @final
    def options_of(self, mail: Outgoing) -> Any:
        """Return the options in ``message.options`` for this backend, as its `message_options`."""
        return read_message_options(self, mail)

    def deliver_many(self, mails: Iterable[Outgoing], session: S) -> Iterator[Receipt]:
        """Deliver messages and yield one receipt for each, in order; by default one by one.

        A failed message gets a receipt with its error, and the others are still tried.
        """
        for mail in mails:
            yield self.attempt(mail, session)
