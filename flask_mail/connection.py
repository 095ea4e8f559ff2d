"""Connection: a session of a backend, kept for several messages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from . import _context
from .errors import BackendUnavailable
from .message import Message, sender_text
from .selection import Selection

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from .backends.base import Backend
    from .extension import _Mail
    from .outgoing import Receipt

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

    def __init__(self, mail: _Mail, *, max_emails: int | None = None) -> None:
        self.mail = mail
        self.host: Any = None
        self.num_emails = 0
        self._max_emails = max_emails
        self._selection = _selection_of(mail)
        self._lock = threading.RLock()
        self._backend: Backend[Any] | None = None
        self._session: Any = None
        self._is_open = False
        self._deferred = False

    def __enter__(self) -> Self:
        self._backend = self._selection.backend()
        self.num_emails = 0
        if not self._deferred:
            with self._lock, _context.bound(self.mail):
                try:
                    self._open_session()
                except BackendUnavailable as error:
                    if not self._fails_silently():
                        raise
                    _log.warning("%s", error)  # sending tries again, and tells by its receipt
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        # An interrupted worker has no time left to say goodbye.
        self._close_session(politely=exc_type is None or issubclass(exc_type, Exception))
        self._backend = None

    def configure_host(self) -> Any:
        """Open a session and return it. Subclasses override this to make their own host."""
        return (self._backend or self._selection.backend()).open()

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
        with self._in_use() as backend:
            self._prepare(message)
            replaced = self._replaced_host()
            try:
                if replaced is not None:
                    receipt = self._selection.build("smtp").send(
                        message, replaced, app=self._app(), envelope_from=envelope_from
                    )
                else:
                    receipt = backend.send(
                        message,
                        app=self._app(),
                        envelope_from=envelope_from,
                        open_session=self._open_session,
                    )
            except BackendUnavailable as error:
                if self._is_open or error.receipt is None or not self._fails_silently():
                    raise
                return error.receipt
            self._count()
            return receipt

    def send_message(self, *args: Any, **kwargs: Any) -> Receipt:
        """Send ``Message(*args, **kwargs)``."""
        with _context.bound(self.mail):
            message = Message(*args, **kwargs)
        return self.send(message)

    def send_many(self, messages: Iterable[Message]) -> list[Receipt]:
        """Send messages and return one receipt for each, in order.

        Raises for none of them: a receipt's ``error`` says why its message was not sent. Messages
        are taken from the iterable as they are sent.
        """
        receipts: list[Receipt] = []
        unreachable: BackendUnavailable | None = None

        def open_session() -> Any:
            # A server that cannot be reached costs MAIL_TIMEOUT once, not for each MAIL_MAX_EMAILS.
            nonlocal unreachable
            if unreachable is not None:
                raise unreachable
            try:
                return self._open_session()
            except BackendUnavailable as error:
                unreachable = error
                raise

        with self._in_use() as backend:
            waiting = self._prepared(messages)
            for first in waiting:
                room = self._limit - self.num_emails if self._limit else None
                for receipt in backend.send_many(
                    islice(chain((first,), waiting), room),
                    app=self._app(),
                    open_session=open_session,
                ):
                    receipts.append(receipt)
                    if receipt.sent:
                        self._count()
        return receipts

    def _app(self) -> Any:
        return getattr(self.mail, "app", None)

    def _fails_silently(self) -> bool:
        return getattr(self.mail, "fails_silently", False)

    @property
    def _limit(self) -> int | None:
        return self._max_emails or self.mail.max_emails

    @contextmanager
    def _in_use(self) -> Iterator[Backend[Any]]:
        with self._lock, _context.bound(self.mail):
            if self._backend is not None:
                yield self._backend
                return
            # Outside a with block there is nobody to close the session later.
            self._backend = self._selection.backend()
            try:
                yield self._backend
            finally:
                self._close_session()
                self._backend = None

    def _prepare(self, message: Message) -> None:
        if not getattr(message, "sender", True):
            message.sender = sender_text(self.mail.default_sender)

    def _prepared(self, messages: Iterable[Message]) -> Iterator[Message]:
        for message in messages:
            self._prepare(message)
            yield message

    def _replaced_host(self) -> Any:
        """Return the host that a program has put in place of ours, if it has."""
        replaced = self.host is not self._session and hasattr(self.host, "sendmail")
        return self.host if replaced else None

    def _open_session(self) -> Any:
        if not self._is_open:
            backend = self._backend or self._selection.backend()
            # A host of a subclass's own is for mail that leaves; what stays here needs none.
            self._session = self.configure_host() if backend.external else backend.open()
            self.host = self._session
            self._is_open = True
        return self._session

    def _count(self) -> None:
        self.num_emails += 1
        if self._limit and self.num_emails >= self._limit:
            self.num_emails = 0
            self._close_session()

    def _close_session(self, *, politely: bool = True) -> None:
        session, self._session, self.host = self._session, None, None
        if self._is_open:
            self._is_open = False
            backend = self._backend or self._selection.backend()
            (backend.close if politely else backend.abort)(session)


def _selection_of(mail: Any) -> Selection:
    """Return how `mail` selects backends; a program's own state has just 0.10's attributes."""
    if hasattr(mail, "selection"):
        return mail.selection  # type: ignore[no-any-return]
    return Selection(
        {},
        lambda: {name: getattr(mail, name) for name in dir(mail) if not name.startswith("_")},
        testing=lambda: False,
        debug=lambda: False,
    )
