"""Connection: a session of a backend, kept for several messages."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from .. import _context
from ..config.converters import to_limit
from ..config.table import convert
from ..delivery.reporting import log_batch
from ..errors import OPENING, BackendUnavailable, DeliveryError, attach
from ..message.fields import sender_text
from ..message.message import Message
from ..util.locks import ForkSafeLock
from .arguments import check_message, check_messages
from .live import selection_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..backends.base import Backend
    from ..receipt import Receipt
    from .mail import Mail
    from .state import _Mail

_log = logging.getLogger("flask_mail")


class Connection:
    """A session with the mail server, or with whatever backend delivers.

    Used as ``with mail.connect() as connection``: the session is opened at the start, renewed after
    `max_emails` messages and closed at the end. Threads that share one wait for each other.

    :ivar mail: the state of the app: ``server``, ``port``, ``suppress``, ...
    :ivar host: the session; an :class:`smtplib.SMTP` with the smtp backend, ``None`` with the
        local ones. A host that a program puts here gets the messages by ``host.sendmail``.
    :ivar num_emails: how many messages the session has carried.
    """

    def __init__(self, mail: Mail | _Mail, *, max_emails: int | None = None) -> None:
        self.mail = mail
        self._state = _context.resolved(mail)
        self.host: Any = None
        self.num_emails = 0
        self._max_emails = max_emails
        self._limit: int | None = None
        self._fails_silently = False
        self._selection = selection_of(self._state)
        self._lock = ForkSafeLock()
        self._backend: Backend[Any] | None = None
        self._session: Any = None
        self._is_open = False
        self._opened_by = os.getpid()
        self._deferred = False
        self._blocks = 0  # how many with blocks are open
        self._uses = 0  # how many sends are under way: receivers of signals may send too
        self._used_by = os.getpid()

    def __enter__(self) -> Self:
        with self._lock(), _context.bound(self._state):
            if not self._blocks:
                self.num_emails = 0
            if not self._deferred:  # else the first send looks at the settings, once
                self._follow_settings()
                try:
                    self._open_session()
                except BackendUnavailable as error:
                    if not self._fails_silently:
                        raise
                    _log.warning("%s", error)  # sending tries again, and tells by its receipt
            self._blocks += 1
        return self

    def __exit__(
        self,
        exc_type: Any,  # 0.10 said that it is never None, and so do subclasses
        exc_value: Any,
        tb: Any,
    ) -> None:
        with self._lock():
            self._blocks = max(0, self._blocks - 1)  # a subclass may enter in its own way
            if not self._blocks and not self._uses:  # else a batch goes on, and closes it
                # An interrupted worker has no time left to say goodbye.
                politely = exc_type is None or issubclass(exc_type, Exception)
                self._close_session(politely=politely)
                self._close_own_host(politely=politely)

    def configure_host(self) -> Any:
        """Open a session and return it. Subclasses override this to make their own host."""
        return self._current_backend().open()

    def defer(self) -> None:
        """Open the session when the first message is valid, not at the start of the block."""
        self._deferred = True

    def send(self, message: Message, envelope_from: str | tuple[str, str] | None = None) -> Receipt:
        """Validate and send a message.

        :param envelope_from: the address in MAIL FROM if it is not the sender; ``"<>"`` for a
            message that must not bounce.
        :raises MessageError: the message must not be sent; nothing was handed over.
        :raises DeliveryError: it was not delivered, or may not have been; its receipt tells.
        """
        check_message(message)
        with self._in_use():
            self._prepare(message)
            backend, open_session = self._target()
            try:
                receipt = backend.send(
                    message,
                    app=self._app(),
                    envelope_from=envelope_from,
                    open_session=open_session,
                )
            except DeliveryError as error:
                unconnected = error.stage in OPENING or not self._is_open
                if not error.response and error.attempts and self._uses == 1:
                    # Nobody answered: the session is of no use any more, unless it is a batch's,
                    # whose backend has it in hand. What was refused here never got to a session.
                    self._close_session(politely=False)
                if (
                    self._fails_silently
                    and unconnected
                    and isinstance(error, BackendUnavailable)
                    and error.receipt is not None
                ):
                    _log.warning("%s", error)
                    return error.receipt
                raise
            self.num_emails += 1
            return receipt

    def send_message(self, *args: Any, **kwargs: Any) -> Receipt:
        """Send ``Message(*args, **kwargs)``."""
        with _context.bound(self._state):
            message = Message(*args, **kwargs)
        return self.send(message)

    def send_many(self, messages: Iterable[Message]) -> list[Receipt]:
        """Send messages and return one receipt for each, in order.

        Raises for none of them: a receipt's ``error`` says why its message was not sent. Messages
        are taken from the iterable as they are sent. What the iterable itself raises, or a receiver
        where Flask propagates exceptions, is raised after the last message. This, and whatever else
        ends the batch, has the receipts so far as its attribute ``receipts``.
        """
        receipts: list[Receipt] = []
        try:
            check_messages(messages)
            raised = self._send_each(messages, receipts)
            if raised is not None:
                raise raised
        except BaseException as error:
            attach(error, "receipts", receipts)
            log_batch(receipts, error)
            raise
        log_batch(receipts, None)
        return receipts

    def _send_each(
        self, messages: Iterable[Message], receipts: list[Receipt]
    ) -> BaseException | None:
        """Send messages, add their receipts, and return what is to be raised after the last."""
        raised: BaseException | None = None
        with self._in_use():
            backend, open_session = self._target()
            opener = _TriedOnce(open_session)
            waiting = self._prepared(messages)
            for first in waiting:
                room = max(1, self._limit - self.num_emails) if self._limit else None
                sending = backend.send_many(
                    islice(chain((first,), waiting), room),
                    app=self._app(),
                    open_session=opener,
                    receipts=receipts,
                )
                try:
                    with closing(sending):  # what is under way ends here, not when it is collected
                        for receipt in sending:
                            self.num_emails += receipt.sent
                except Exception as error:  # noqa: BLE001 (a receiver's or the iterable's own)
                    raised = raised or error
                if self._uses == 1:
                    self._renew_if_full()
        return raised

    def _app(self) -> Any:
        return getattr(self._state, "app", None)

    def _follow_settings(self) -> None:
        """Take the backend and the limit that the settings choose now, also within a block."""
        self._limit = convert(
            "max_emails", to_limit, self._max_emails or self._state.max_emails or 0
        )
        self._fails_silently = getattr(self._state, "fails_silently", False)
        backend = self._selection.backend()
        if backend is not self._backend or self._opened_by != os.getpid():
            self._close_session()
            self._backend = backend

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._lock(), _context.bound(self._state):
            if self._used_by != os.getpid():
                # Threads of the parent of a fork that were sending are not in the child.
                self._uses, self._used_by = 0, os.getpid()
            if not self._uses:
                self._follow_settings()
            self._uses += 1
            politely = False
            try:
                yield
                politely = True
            except Exception:
                politely = True
                raise
            finally:
                self._uses = max(0, self._uses - 1)  # a child may end what its parent began
                if not self._uses:  # else a batch is under way, and goes on over its session
                    if self._blocks:
                        self._renew_if_full()
                    else:  # there is nobody to close the session later
                        self._close_session(politely=politely)

    def _target(self) -> tuple[Backend[Any], Callable[[], Any]]:
        """Return the backend to hand messages to, and what opens its session."""
        if self.host is not self._session and hasattr(self.host, "sendmail"):
            # A program has put a host of its own in place.
            return self._selection.deliverer("smtp"), lambda: self.host
        return self._current_backend(), self._open_session

    def _current_backend(self) -> Backend[Any]:
        return self._backend or self._selection.backend()

    def _prepare(self, message: Message) -> None:
        if not getattr(message, "sender", True):
            message.sender = sender_text(self._state.default_sender)

    def _prepared(self, messages: Iterable[Message]) -> Iterator[Message]:
        for message in messages:
            self._prepare(message)
            yield message

    def _open_session(self) -> Any:
        if not self._is_open:
            backend = self._current_backend()
            self._selection.note_settings(backend, self._app())
            # A host of a subclass's own is for mail that leaves; what stays here needs none.
            session = self.configure_host() if backend.external else backend.open()
            if self._session is not None:  # a signal handler has sent something meanwhile
                backend.close(session)
            else:
                self._session = self.host = session
                self._is_open = True
                self._opened_by = os.getpid()
        if self.host is None and self._sends_by_smtp():
            from ..backends.smtp import NO_HOST

            return NO_HOST  # a program has taken it away
        return self._session

    def _sends_by_smtp(self) -> bool:
        # Without an import: most programs that suppress mail never need the smtp backend.
        smtp = sys.modules.get("flask_mail.backends.smtp")
        return smtp is not None and isinstance(self._backend, smtp.SmtpBackend)

    def _renew_if_full(self) -> None:
        if self._limit and self.num_emails >= self._limit:
            self.num_emails = 0
            self._close_session(is_full=True)
            self._close_own_host()

    def _close_session(self, *, politely: bool = True, is_full: bool = False) -> None:
        session, self._session = self._session, None
        if self.host is session:  # not a program's own
            self.host = None
        if self._is_open:
            self._is_open = False
            backend = self._current_backend()
            # What a child of a fork says on its parent's session would come in between.
            own = self._opened_by == os.getpid()
            if not (politely and own):
                backend.abort(session)
            elif is_full:
                backend.retire(session)
            else:
                backend.close(session)

    def _close_own_host(self, *, politely: bool = True) -> None:
        """End a host that a program has put in place, as 0.10 did."""
        host, self.host = self.host, None
        if host is not None:
            from ..smtp import legacy, session

            (legacy.end if politely else session.drop)(host)


class _TriedOnce:
    """Opens sessions until that fails once: a server that cannot be reached costs one time-out."""

    def __init__(self, open_session: Callable[[], Any]) -> None:
        self._open_session = open_session
        self._failure: BackendUnavailable | None = None

    def __call__(self) -> Any:
        if self._failure is not None:
            raise self._failure
        try:
            return self._open_session()
        except BackendUnavailable as error:
            self._failure = error
            raise
