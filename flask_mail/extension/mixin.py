"""Sending methods shared by Mail and the mail state of an app."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, overload

from flask import current_app, has_app_context

from .. import _context
from ..delivery.policy import DEFAULT
from ..delivery.signals import email_dispatched
from ..errors import attach
from ..message.message import Message
from .arguments import check_message, check_messages
from .connection import Connection
from .keeping import Keeping

if TYPE_CHECKING:
    from ..delivery.collecting import OnReceipt
    from ..receipt import Receipt
    from .mailers import Selection


# The originals, which programs may replace.
_OWN_CLASS, _OWN_SEND, _OWN_MESSAGE_SEND = Connection, Connection.send, Message.send


def _defer_for(connection: Any, message: object = None) -> Any:
    """Let `connection` connect for `message` once that is valid; for any, if it is left out.

    If code of a program's own sends, in a connection or a message, it finds a host as in 0.10.
    """
    if isinstance(connection, _OWN_CLASS) and (
        message is None
        or (_sends_by(connection, _OWN_SEND) and _sends_by(message, _OWN_MESSAGE_SEND))
    ):
        connection.defer()
    return connection


def _sends_by(each: object, own: object) -> bool:
    return getattr(type(each), "send", None) is own and "send" not in vars(each)


class _Recorder:
    # A method, because its signature is read once and that of a nested function for each block.

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def record(self, app: object, message: Message) -> None:
        self.messages.append(message)


class _MailMixin(Keeping):
    """Mixin of :class:`Mail` and the mail state; programs patch and subclass it."""

    _mailer: str = DEFAULT

    def using(self, mailer: str) -> Mailer:
        """Return an object that sends with another mailer of ``MAIL_MAILERS``.

        Its methods are those of :class:`Mail`: ``mail.using("bulk").send(message)``. The name is
        looked up when it sends, and is the only thing that it keeps.

        :raises MailerNotFound: when it sends, if the settings have no such mailer.
        """
        return Mailer(self, mailer)

    @contextmanager
    def record_messages(self) -> Iterator[list[Message]]:
        """Collect the messages sent in a block, including suppressed ones.

        In ``with mail.record_messages() as outbox:``, `outbox` is a list to which each sent message
        of any app and thread is appended.
        """
        recorder = _Recorder()
        email_dispatched.connect(recorder.record, weak=False)
        try:
            yield recorder.messages
        finally:
            email_dispatched.disconnect(recorder.record)

    def send(self, message: Message) -> Receipt:
        """Send one message.

        :raises MessageError: the message is not valid; nothing was sent.
        :raises DeliveryError: it was not delivered, or may not have been; see its receipt.
        """
        check_message(message)
        receipt: Receipt | None = None
        try:
            with _defer_for(self.connect(), message) as connection:
                receipt = message.send(connection)
        except BaseException as error:
            if receipt is not None:  # it was sent, but closing the connection failed
                attach(error, "receipt", receipt)
            raise
        return receipt

    def send_message(self, *args: Any, **kwargs: Any) -> Receipt:
        """Send ``Message(*args, **kwargs)``."""
        with self._applying():
            message = Message(*args, **kwargs)
        return self.send(message)

    def render(
        self, name: str, recipients: Iterable[Any] | None = None, /, **given: Any
    ) -> Message:
        """Return :meth:`Message.from_template` with the app of this object or the current one."""
        app = getattr(self, "app", None)
        with self._applying():
            if app is None or (has_app_context() and current_app == app):
                return Message.from_template(name, recipients, **given)
            with app.app_context():
                return Message.from_template(name, recipients, **given)

    @overload
    def send_many(
        self, messages: Iterable[Message], *, on_receipt: None = ...
    ) -> list[Receipt]: ...

    @overload
    def send_many(self, messages: Iterable[Message], *, on_receipt: OnReceipt) -> None: ...

    def send_many(
        self, messages: Iterable[Message], *, on_receipt: OnReceipt | None = None
    ) -> list[Receipt] | None:
        """Send messages over one connection and return one receipt for each, in order.

        A failed message does not raise: its receipt has the ``error``. An error of the iterable, or
        any other that ends the batch, has the receipts so far in its attribute ``receipts``.

        :param on_receipt: called with each receipt in its turn, so that memory does not grow with
            the batch; nothing is returned. See :meth:`Connection.send_many` for its exceptions.
        """
        receipts: list[Receipt] | None = None
        try:
            check_messages(messages, on_receipt)
            with _defer_for(self.connect()) as connection:
                receipts = connection.send_many(messages, on_receipt=on_receipt)
        except BaseException as error:
            if receipts or not hasattr(error, "receipts"):  # else the connection has set them
                attach(error, "receipts", receipts or [])
            raise
        return receipts

    async def asend(self, message: Message) -> Receipt:
        """Send one message from a coroutine, as :meth:`send` does, in a thread of the event loop.

        The thread has a copy of the context, so the app and the request are the current ones. If
        the coroutine is cancelled, a message that is being sent is sent nevertheless, and only the
        log and the signals report its outcome.
        """
        import asyncio  # slow to import, and few programs use it

        return await asyncio.to_thread(self.send, message)

    @overload
    async def asend_many(
        self, messages: Iterable[Message], *, on_receipt: None = ...
    ) -> list[Receipt]: ...

    @overload
    async def asend_many(self, messages: Iterable[Message], *, on_receipt: OnReceipt) -> None: ...

    async def asend_many(
        self, messages: Iterable[Message], *, on_receipt: OnReceipt | None = None
    ) -> list[Receipt] | None:
        """Send messages from a coroutine, as :meth:`send_many` does; see :meth:`asend`.

        The iterable is consumed in the thread, and `on_receipt` is called there.
        """
        import asyncio

        return await asyncio.to_thread(lambda: self.send_many(messages, on_receipt=on_receipt))

    def connect(self, max_emails: int | None = None) -> Connection:
        """Return a :class:`Connection`, for use in a ``with`` block.

        :param max_emails: renew the session after this many messages; default: ``MAIL_MAX_EMAILS``.
        """
        app = getattr(self, "app", None)
        if app is None and not has_app_context():
            raise RuntimeError(
                "Working outside of application context: this Mail has no app. In a thread or a"
                " task, use `with app.app_context():` around the work, or create it with Mail(app),"
                " which needs no context."
            )
        app = app or current_app
        try:
            state = app.extensions["mail"]
        except KeyError:
            raise RuntimeError(
                "The current application was not configured with Flask-Mail: call Mail(app) or"
                " mail.init_app(app)."
            ) from None
        if self._mailer == DEFAULT:
            return Connection(state, max_emails=max_emails)
        return Connection(state, max_emails=max_emails, mailer=self._mailer)

    @contextmanager
    def _applying(self) -> Iterator[None]:
        app = getattr(self, "app", None)
        with _context.bound(app.extensions["mail"] if app else _context.current_state()):
            yield


class Mailer(_MailMixin):
    """Sends with one mailer of ``MAIL_MAILERS``; returned by :meth:`Mail.using`."""

    def __init__(self, mail: _MailMixin, mailer: str) -> None:
        self._mail = mail
        self._mailer = mailer

    def __repr__(self) -> str:
        return f"<Mailer {self._mailer!r}>"

    @property
    def app(self) -> Any:
        """The app of the Mail that it was made from, or ``None``."""
        return getattr(self._mail, "app", None)

    def _selections(self) -> list[Selection]:
        return self._mail._selections()  # noqa: SLF001 (its own class)

    @contextmanager
    def record_messages(self) -> Iterator[list[Message]]:
        """Collect the messages of this mailer in a block, also suppressed ones.

        They are those whose receipt names it. If it is made of others and really sends, the
        receipts name these; in tests, it is replaced as a whole.
        """
        outbox: list[Message] = []

        def record(app: object, message: Message, receipt: Receipt) -> None:
            if receipt.mailer == self._mailer:
                outbox.append(message)

        with email_dispatched.connected_to(record):
            yield outbox
