"""Base class of backends, with the validation and signals common to all of them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar, final

from ..delivery.foreign import outgoing_of
from ..delivery.outgoing import Outgoing
from ..delivery.reporting import logged
from ..delivery.sending import Batch, checked, failure_of, tell
from ..delivery.signals import sending as tell_sending
from ..errors import UnsupportedFeature, attach
from ..receipt import Outcome, Receipt, Refusal
from .features import ORDINARY, Feature, check, read_message_options
from .inspection import Inspectable
from .options import read_options

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..delivery.guard import Guard
    from ..message.message import Message

S = TypeVar("S")

API_VERSION: Final = 1
"""Version of this interface. It increases when a backend for the previous version would no longer
load or would behave differently; additions do not change it."""


class Backend(Inspectable, ABC, Generic[S]):
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
    _recipient_guard: Callable[[], Guard | None] | None = None
    """Returns the recipient allow-list of the settings; set by the app."""
    _wanted: Callable[[], type[Backend[Any]]] | None = None
    """Returns the configured class, which this one may replace; set by the app."""

    @classmethod
    def setting_key(cls, option: str) -> str:
        """Return the key of the setting for `option`."""
        prefix = cls.option_prefix or f"MAIL_{cls.name.upper()}_"
        return f"{prefix}{option.upper()}"

    @classmethod
    def from_options(cls, options: Mapping[str, Any], build: Callable[[str], Backend[Any]]) -> Self:
        """Build the backend from the options that are set, by lowercase name.

        Names and types are checked against the constructor.

        :param build: builds a backend by name, for wrapper backends.
        :raises ConfigurationError: an option is unknown, missing or of the wrong type; names the
            setting.
        """
        return cls(**read_options(cls, cls.setting_key, options))

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

    @final
    def accepted(
        self,
        mail: Outgoing,
        *,
        response: str = "",
        refused: Mapping[str, Refusal] | None = None,
        attempts: int = 1,
    ) -> Receipt:
        """Return the receipt of a message that was handed over.

        :param response: the response of the peer, such as its id for the message.
        :param refused: recipients that it refused; they are logged as a warning.
        :param attempts: the number of attempts.
        """
        return Receipt(
            mail.message_id,
            self.name,
            Outcome.SENT,
            refused=dict(refused or {}),
            response=response,
            attempts=attempts,
        )

    @final
    def send(
        self,
        message: Message,
        session: S | None = None,
        *,
        app: object = None,
        envelope_from: str | tuple[str, str] | None = None,
        open_session: Callable[[], S] | None = None,
    ) -> Receipt:
        """Validate, render and deliver a message, and send the signals.

        :param app: the sender of the signals.
        :param envelope_from: the reverse-path, if it is not the sender; ``"<>"`` is the null one.
        :param open_session: opens the session once the message is valid, so that an invalid one
            opens no connection.
        :raises MessageError: the message is not valid; nothing was sent.
        :raises DeliveryError: it was not delivered, or may not have been; see its receipt.
        """
        started = time.perf_counter()
        mail = None
        handed_over = False
        try:
            tell_sending(app, message)
            mail = outgoing_of(message, envelope_from)
            mail = self._admitted(mail)
            if open_session is not None:
                session = open_session()
            handed_over = True
            # None: a backend without sessions.
            answer: object = self.deliver(mail, session)  # type: ignore[arg-type]
            receipt = checked(self.name, answer, mail)
        except BaseException as error:
            # BaseException: even if the worker is interrupted, the message may have been accepted.
            receipt = failure_of(self.name, error, mail, handed_over)
            receipt = logged(message, mail, receipt, started)
            attach(error, "receipt", receipt)
            tell(app, message, receipt)
            raise
        receipt = logged(message, mail, receipt, started)
        try:
            problem = tell(app, message, receipt) or receipt.error
            if problem is not None:
                raise problem
        except BaseException as error:
            attach(error, "receipt", receipt)
            raise
        return receipt

    @final
    def send_many(
        self,
        messages: Iterable[Message],
        session: S | None = None,
        *,
        app: object = None,
        open_session: Callable[[], S] | None = None,
        receipts: list[Receipt] | None = None,
    ) -> Generator[Receipt, None, None]:
        """Send messages, yield one receipt for each, in order, and send the signals.

        A failed message does not raise: its receipt has the ``error``. Errors of the iterable
        itself, or of a receiver of `email_dispatched` if Flask propagates exceptions, are raised
        after the last receipt.

        :param open_session: opens the session at the first valid message; if it fails, no message
            is sent.
        :param receipts: list to which each receipt is appended, including those of messages in
            flight when the batch is interrupted, which cannot be yielded.
        """
        batch = Batch(self.name, app, self._admitted, receipts)
        try:
            mails = batch.valid(messages)
            first = next(mails, None)
            yield from batch.settled()
            if first is not None:

                def outcomes() -> Iterator[Receipt]:
                    opened = session if open_session is None else open_session()
                    # None: a backend without sessions.
                    return self.deliver_many(batch.handing_over(first, mails), opened)  # type: ignore[arg-type]

                yield from batch.answered(outcomes, mails)
        except BaseException as error:
            batch.interrupted(error)
            raise
        if batch.raised is not None:
            raise batch.raised

    @final
    def attempt(self, mail: Outgoing, session: Any) -> Receipt:
        """Deliver one message and return its receipt, even if it fails; for `deliver_many`."""
        try:
            return checked(self.name, self.deliver(mail, session), mail)
        except Exception as error:  # noqa: BLE001 (reported by the receipt)
            return failure_of(self.name, error, mail, handed_over=True)

    def _admitted(self, mail: Outgoing) -> Outgoing:
        guard = self._recipient_guard() if self._recipient_guard is not None else None
        if guard is not None:
            mail = guard.guarded(mail)
        # The limits of the configured backend apply even if this one replaces it.
        wanted = None if self.external or self._wanted is None else self._wanted()
        check(self if wanted is None or not wanted.external else wanted, mail)
        return mail
