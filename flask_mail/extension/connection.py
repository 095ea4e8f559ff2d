"""Connection: a session of a backend for several messages."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .. import _context
from ..config.converters import to_limit
from ..config.table import convert
from ..delivery.policy import DEFAULT, NO_POLICY
from ..errors import OPENING, BackendUnavailable, DeliveryError
from ..message.fields import sender_text
from ..message.message import Message
from ..util.locks import ForkSafeLock
from .arguments import check_message, check_messages
from .live import selection_of
from .sessions import OpenSession, OpenUntilFailure, close_host, is_smtp

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..backends.base import Backend
    from ..delivery.collecting import OnReceipt, Receipts
    from ..receipt import Receipt
    from .mail import Mail
    from .state import _Mail

T = TypeVar("T")
_log = logging.getLogger("flask_mail")


class Connection:
    """A session with the mail server or another backend.

    Used as ``with mail.connect() as connection``: the session is opened at the start, renewed after
    `max_emails` messages and closed at the end. Threads that share one take turns.

    :param mailer: the name of the mailer that sends.
    :ivar mail: the state of the app: ``server``, ``port``, ``suppress``, ...
    :ivar host: the session; an :class:`smtplib.SMTP` with the smtp backend, ``None`` with the
        local ones. If a program assigns a host, messages are sent by ``host.sendmail``.
    :ivar num_emails: the number of messages sent over the session.
    """

    def __init__(
        self, mail: Mail | _Mail, *, max_emails: int | None = None, mailer: str = DEFAULT
    ) -> None:
        self.mail = mail
        self._state = _context.resolved(mail)
        self.host: Any = None
        self.num_emails = 0
        self._max_emails = max_emails
        self._limit: int | None = None
        self._fails_silently = False
        self._selection = selection_of(self._state)
        self._mailer = mailer
        self._policy = NO_POLICY
        self._lock = ForkSafeLock()
        self._backend: Backend[Any] | None = None
        self._open: OpenSession | None = None
        self._deferred = False
        self._blocks = 0  # number of open with blocks
        self._uses = 0  # number of sends in progress: receivers of signals may send too
        self._used_by = os.getpid()

    def __enter__(self) -> Self:
        with self._lock():
            if not self._blocks:
                self.num_emails = 0
            if not self._deferred:  # else the first send reads the settings
                self._begin()
            self._blocks += 1
        return self

    def _begin(self) -> None:
        with _context.bound(self._state):
            self._follow_settings()
            try:
                self._open_session()
            except BackendUnavailable as error:
                if not self._fails_silently:
                    raise
                _log.warning("%s", error)  # sending tries again and reports the error

    # Any: 0.10 said that the type is never None, and so do subclasses.
    def __exit__(self, exc_type: Any, exc_value: Any, tb: Any) -> None:
        with self._lock():
            self._blocks = max(0, self._blocks - 1)  # a subclass may enter in its own way
            if not self._blocks and not self._uses:  # else a batch is in progress, and closes it
                # An interrupted worker has no time for QUIT.
                politely = exc_type is None or issubclass(exc_type, Exception)
                self._close_session(politely=politely)
                self._close_own_host(politely=politely)

    def configure_host(self) -> Any:
        """Open a session and return it. Subclasses override this to make their own host."""
        return self._current_backend().open()

    def defer(self) -> None:
        """Open the session at the first valid message, not at the start of the block."""
        self._deferred = True

    def send(self, message: Message, envelope_from: str | tuple[str, str] | None = None) -> Receipt:
        """Validate and send a message.

        :param envelope_from: the address in MAIL FROM if it is not the sender; ``"<>"`` for a
            message that must not bounce.
        :raises MessageError: the message is not valid; nothing was sent.
        :raises DeliveryError: it was not delivered, or may not have been; see its receipt.
        """
        check_message(message)
        return self._using(partial(self._send_one, message, envelope_from))

    def _send_one(self, message: Message, envelope_from: Any) -> Receipt:
        self._prepare(message)
        backend, open_session = self._target()
        try:
            receipt = backend.send(
                message,
                app=getattr(self._state, "app", None),
                envelope_from=envelope_from,
                open_session=open_session,
                policy=self._policy,
            )
        except DeliveryError as error:
            unconnected = error.stage in OPENING or self._open is None
            if not error.response and error.attempts and self._uses == 1:
                # Without a response the session is useless, unless a batch uses it, whose
                # backend handles it. A message refused here never reached the session.
                self._close_session(politely=False)
            silent = self._fails_silently and unconnected and isinstance(error, BackendUnavailable)
            if silent and error.receipt is not None:
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

    @overload
    def send_many(
        self, messages: Iterable[Message], *, on_receipt: None = ...
    ) -> list[Receipt]: ...

    @overload
    def send_many(self, messages: Iterable[Message], *, on_receipt: OnReceipt) -> None: ...

    def send_many(
        self, messages: Iterable[Message], *, on_receipt: OnReceipt | None = None
    ) -> list[Receipt] | None:
        """Send messages and return one receipt for each, in order.

        A failed message does not raise: its receipt has the ``error``. Exceptions of the iterable,
        or of a receiver if Flask propagates them, are raised after the last message. These, and any
        other that ends the batch, have the receipts so far in the attribute ``receipts``.

        :param on_receipt: called with each receipt in its turn; nothing is returned. If it raises,
            no more are taken, and its exception, raised at the end, has those that it did not take.
        """
        from ..delivery.collecting import Receipts

        with Receipts(on_receipt) as receipts:
            check_messages(messages, on_receipt)
            self._using(partial(self._send_each, messages, receipts))
            receipts.end()
        return receipts.kept if on_receipt is None else None

    def _send_each(self, messages: Iterable[Message], receipts: Receipts) -> None:
        backend, open_session = self._target()
        opener = OpenUntilFailure(open_session)
        waiting = self._prepared(messages, receipts)
        for first in waiting:
            room = max(1, self._limit - self.num_emails) if self._limit else None
            sending = backend.send_many(
                islice(chain((first,), waiting), room),
                app=getattr(self._state, "app", None),
                open_session=opener,
                receipts=receipts.kept,
                policy=self._policy,
                # Code of a generator may depend on what was delivered, or end a transaction.
                ahead=isinstance(messages, (list, tuple)),
                causes=receipts.causes,
            )
            try:
                with closing(sending):  # ends messages in flight now, not at garbage collection
                    for receipt in sending:
                        self.num_emails += receipt.sent
                        receipts.pass_on()
            except Exception as error:  # noqa: BLE001 (a receiver's or the iterable's own)
                receipts.raised = receipts.raised or error
            receipts.pass_on()
            if self._uses == 1:
                self._renew_if_full()

    def _follow_settings(self) -> None:
        """Update the backend and the limit from the settings, even within a block."""
        limit = self._max_emails or self._state.max_emails
        self._limit = convert("max_emails", to_limit, limit) if limit else None
        self._fails_silently = getattr(self._state, "fails_silently", False)
        backend, self._policy = self._selection.target(self._mailer)
        if self._open is not None and not (backend is self._backend and self._open.is_own):
            self._close_session()
        self._backend = backend

    def _using(self, do: Callable[[], T]) -> T:
        """Return ``do()``, which sends, with the current settings and the session."""
        with self._lock(), _context.bound(self._state):
            if self._used_by != os.getpid():
                # After a fork, the sending threads of the parent do not exist in the child.
                self._uses, self._used_by = 0, os.getpid()
            if not self._uses:
                self._follow_settings()
            self._uses += 1
            politely = True
            try:
                return do()
            except BaseException as error:
                politely = isinstance(error, Exception)
                raise
            finally:
                self._uses = max(0, self._uses - 1)  # a forked child may end a send of its parent
                if not self._uses:  # else a batch is in progress and keeps its session
                    if self._blocks:
                        self._renew_if_full()
                    else:  # nothing else would close the session
                        self._close_session(politely=politely)

    def _target(self) -> tuple[Backend[Any], Callable[[], Any]]:
        """Return the backend, and a function that opens its session."""
        own = self._open and self._open.session
        if self.host is not own and hasattr(self.host, "sendmail"):  # assigned by a program
            return self._selection.deliverer("smtp"), lambda: self.host
        return self._current_backend(), self._open_session

    def _current_backend(self) -> Backend[Any]:
        return self._backend or self._selection.backend(self._mailer)

    def _prepare(self, message: Message) -> None:
        if not getattr(message, "sender", True):
            message.sender = sender_text(self._state.default_sender)
        self._selection.fill_in(message)

    def _prepared(self, messages: Iterable[Message], receipts: Receipts) -> Iterator[Message]:
        for message in messages:
            self._prepare(message)
            yield message
            if not receipts.may_take:
                return

    def _open_session(self) -> Any:
        opened = self._open or self._opened()
        if self.host is None and is_smtp(self._backend):
            from ..backends.smtp import NO_HOST

            return NO_HOST  # a program has set it to None
        return opened.session

    def _opened(self) -> OpenSession:
        backend = self._current_backend()
        self._selection.note_settings(backend, getattr(self._state, "app", None))
        # A host of a subclass is only for external backends.
        session = self.configure_host() if backend.external else backend.open()
        if self._open is None:
            # The session of a block may be used by the program.
            self._open = OpenSession(backend, session, is_hidden=self._deferred)
            self.host = session
        else:  # a signal handler has opened one
            backend.close(session)
        return self._open

    def _renew_if_full(self) -> None:
        if self._limit and self.num_emails >= self._limit:
            self.num_emails = 0
            self._close_session(is_full=True)
            self._close_own_host()

    def _close_session(self, *, politely: bool = True, is_full: bool = False) -> None:
        ended, self._open = self._open, None
        if self.host is (ended and ended.session):  # not assigned by a program
            self.host = None
        if ended is not None:
            ended.end(politely=politely, is_full=is_full)

    def _close_own_host(self, *, politely: bool = True) -> None:
        """Close a host that a program has assigned, as 0.10 did."""
        host, self.host = self.host, None
        if host is not None:
            close_host(host, politely=politely)
