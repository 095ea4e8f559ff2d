"""Backend: what delivers messages. Validation and signals happen here, once, for all of them."""

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
from .options import read_options

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..delivery.guard import Guard
    from ..message.message import Message

S = TypeVar("S")

API_VERSION: Final = 1
"""The version of this interface. It goes up when a backend that was written for the one before
would not be loaded, or would do something else than it did; what is only added changes nothing."""


class Backend(ABC, Generic[S]):
    """Delivers messages. Built once per app and mailer, and shared by its threads.

    An author writes :meth:`deliver`; one that keeps connections also :meth:`open` and
    :meth:`close`, and takes the type of its sessions as ``S``. The constructor's keyword parameters
    are the backend's options: ``MAIL_<NAME>_<OPTION>`` in the configuration.
    """

    name: ClassVar[str]
    """One lowercase word: the `MAIL_BACKEND` value, the option prefix, the name in receipts."""
    api_version: ClassVar[int] = API_VERSION
    """The version of this interface that it was written for; a plugin states it as a number."""
    requires: ClassVar[Mapping[str, str]] = {}
    """Libraries that it imports only when it is built: module -> what to install with pip."""
    features: frozenset[Feature] = ORDINARY
    """What of a message it can express: what it cannot is refused before :meth:`deliver`. By
    default what everybody can do who hands on envelope and content as they are: no ESMTP options,
    tags and metadata. An instance may narrow what its class has, as one that is made of others
    does; where another stands in for it, in tests, what the class has counts. So do the limits."""
    max_size: int | None = None
    """How many octets a message may have at most."""
    max_recipients: int | None = None
    """How many recipients a message may have at most."""
    message_options: ClassVar[type[Any] | None] = None
    """What ``message.options`` may hold for it: the keyword parameters of this class, such as
    a frozen dataclass, checked as those of the constructor are."""
    external: ClassVar[bool] = True
    """False: nothing leaves this machine, so tests need not suppress it."""
    option_prefix: ClassVar[str | None] = None
    """What the keys of the options begin with; ``MAIL_<NAME>_`` by default."""
    _recipient_guard: Callable[[], Guard | None] | None = None
    """Returns what keeps mail to the recipients that the settings allow; the app sets it."""
    _wanted: Callable[[], type[Backend[Any]]] | None = None
    """Returns the class that the settings name, for which it may only stand in; the app sets it."""

    @classmethod
    def setting_key(cls, option: str) -> str:
        """Return the setting that holds `option`."""
        prefix = cls.option_prefix or f"MAIL_{cls.name.upper()}_"
        return f"{prefix}{option.upper()}"

    @classmethod
    def from_options(cls, options: Mapping[str, Any], build: Callable[[str], Backend[Any]]) -> Self:
        """Build the backend from `options`: those that are set, by lowercase name.

        Checks names and kinds against the constructor and calls it.

        :param build: makes a child backend by name, for backends that are made of others.
        :raises ConfigurationError: for an option that is unknown, missing or of the wrong kind;
            names the setting.
        """
        return cls(**read_options(cls, cls.setting_key, options))

    def open(self) -> S:
        """Start a session, such as a connection.

        :raises DeliveryError: where that fails.
        """
        return None  # type: ignore[return-value]  # a backend without sessions

    def close(self, session: S) -> None:
        """End a session, also if the peer is gone. Never raises.

        A backend may keep it, and give it again when the next one is opened.
        """

    def retire(self, session: S) -> None:
        """End a session that must not be used again: it has carried all that it may. Never raises.

        A backend whose :meth:`close` may keep sessions does not keep this one.
        """
        self.close(session)

    def abort(self, session: S) -> None:
        """End a session at once, without talking to the peer. Never raises."""
        self.close(session)

    def shut_down(self) -> None:
        """Let go of what is kept between sessions: another instance takes over. Never raises.

        Called when the backend's options have changed, and by ``mail.close()``. Messages may still
        be under way in other threads, and their sessions are closed later.
        """

    def stats(self) -> Mapping[str, int]:
        """Return what it has counted since it was built, such as connections that were opened."""
        return {}

    @abstractmethod
    def deliver(self, mail: Outgoing, session: S) -> Receipt:
        """Deliver one message: the one method that an author writes.

        Return ``self.accepted(mail)`` once the peer has taken responsibility for it.

        :raises MessageRefused: the peer said no to this message.
        :raises BackendUnavailable: nothing was accepted; a later attempt may succeed.
        :raises DeliveryUnknown: it may or may not have been accepted.
        """

    @classmethod
    def unsupported(cls, feature: str) -> UnsupportedFeature:
        """Return the error for what this backend cannot express, to be raised by :meth:`deliver`.

        :param feature: what the message asks for, such as ``"attachments over 10 MB"``.
        """
        return UnsupportedFeature(
            f"The {cls.name} backend cannot express {feature}: leave that out of the message, or"
            " choose another backend."
        )

    @final
    def check(self, mail: Outgoing) -> None:
        """Raise where `mail` asks for what this backend cannot do.

        Done before :meth:`deliver`; a backend that is made of others does it for the one that it
        delivers by.

        :raises UnsupportedFeature: it cannot express something, or the message is too large.
        :raises MessageError: ``message.options`` holds for it what is no option of it.
        """
        check(self, mail)

    @final
    def options_of(self, mail: Outgoing) -> Any:
        """Return what ``message.options`` holds for this backend, as its `message_options`."""
        return read_message_options(self, mail)

    def deliver_many(self, mails: Iterable[Outgoing], session: S) -> Iterator[Receipt]:
        """Deliver messages, one receipt for each, in order; by default one by one.

        A message that fails gets a receipt that says so; the others are still tried. Raises for
        none of them.
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

        :param response: what the peer answered, such as its id for the message.
        :param refused: recipients that it did not take; they are logged as a warning.
        :param attempts: how often it was tried.
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
        """Validate, render and deliver a message, and fire the signals.

        :param app: the sender of the signals.
        :param envelope_from: the reverse-path if it is not the sender; ``"<>"`` is the empty one.
        :param open_session: called for the session once the message is valid, so that nothing is
            connected for one that is not.
        :raises MessageError: the message must not be sent; nothing was handed over.
        :raises DeliveryError: it was not delivered, or may not have been; its receipt tells.
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
            # Also what ends the worker or its time: the message may have been accepted.
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
        """Send messages, one receipt for each, in order, and fire the signals.

        Raises for none of them: a receipt's ``error`` says what is wrong. What the iterable itself
        raises, or a receiver of `email_dispatched` where Flask would propagate it, is raised after
        the last receipt.

        :param open_session: called for the session once there is a valid message; where it fails,
            none is sent.
        :param receipts: gets each receipt too, also those of the messages that are under way when
            the batch is interrupted, which cannot be yielded any more.
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
        """Deliver one message and return its receipt, whatever happens; for `deliver_many`."""
        try:
            return checked(self.name, self.deliver(mail, session), mail)
        except Exception as error:  # noqa: BLE001 (the receipt tells)
            return failure_of(self.name, error, mail, handed_over=True)

    def _admitted(self, mail: Outgoing) -> Outgoing:
        guard = self._recipient_guard() if self._recipient_guard is not None else None
        if guard is not None:
            mail = guard.guarded(mail)
        # What another backend could not do is an error also where this one takes its mail.
        wanted = None if self.external or self._wanted is None else self._wanted()
        check(self if wanted is None or not wanted.external else wanted, mail)
        return mail
