"""The queue backend: stores messages in a database, from which workers send them."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from flask import current_app, has_app_context
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from flask_mail import email_failed
from flask_mail.backends import (
    Backend,
    BackendUnavailable,
    ConfigurationError,
    DeliveryError,
    DeliveryEvent,
    DeliveryUnknown,
    Feature,
    Outgoing,
    QueuedMessage,
    Receipt,
    Secret,
)

from . import joining
from .contents import Contents, Keep
from .records import LONGEST, QueueOptions, row_of
from .showing import backlog_of, last_events_of
from .store import Store, describe_failure
from .tracing import storing

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("flask_mail.queue")
_T = TypeVar("_T")


class QueueBackend(Backend[None]):
    """Stores each message in a database; ``flask mail work`` sends it.

    :param mailer: the mailer that sends the messages.
    :param url: the URL of the database; default: that of Flask-SQLAlchemy.
    :param transaction: "auto" joins the transaction of the session if that has written, "session"
        joins it always, "own" never.
    :param session: the session of a program without Flask-SQLAlchemy: a function that returns the
        current one, such as a ``scoped_session``, or its import path.
    :param tables: the name of the table of messages, with which the others begin.
    :param max_size: maximum size of a message, in octets.
    :param lease: seconds after which a worker that does not respond has lost its messages.
    :param window: the number of messages that a worker marks in one transaction.
    :param give_up: seconds after which a message that could not be sent has failed.
    :param retention: seconds after which finished rows are deleted.
    :param keep: what stays of a message that was sent: "nothing", not even its row; "metadata",
        without addresses; "recipients"; "everything".
    :param key: a Fernet key that seals the content, or several separated by commas: the first one
        seals, all of them open.
    :param wake: the import path of a function without arguments, called after the commit.
    :param suppression: the mail that suppressed addresses do not get: "queue", that of this queue
        and its mailer; "all", that of all mailers of the app; "off".
    """

    name = "queue"
    api_version = 1
    features = frozenset(Feature)
    message_options = QueueOptions
    is_queue = True

    def __init__(
        self,
        *,
        mailer: str,
        url: Secret | None = None,
        transaction: Literal["auto", "session", "own"] = "auto",
        session: Any = None,
        tables: str = "mail_queue",
        max_size: int = 25 * 1024 * 1024,
        lease: float = 30.0,
        window: int = 5,
        give_up: float = 86400.0,
        retention: float = 30 * 86400.0,
        keep: Keep = "metadata",
        key: Secret | None = None,
        wake: str | None = None,
        suppression: Literal["queue", "all", "off"] = "queue",
    ) -> None:
        self.target = mailer
        self._child: Backend[Any] | None = None
        self._url = url
        self._transaction = transaction
        self._session = session
        self._tables = tables
        self._store: Store | None = None
        self._wake = wake
        self.lease, self.window = lease, window
        self.give_up, self.retention = give_up, retention
        self.max_size = max_size
        self._key, self._keep = key, keep
        self.suppression = suppression
        self._can_read = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any], build: Callable[[str], Backend[Any]]) -> Self:
        made = super().from_options(options, build)
        made._child = build(made.target)  # noqa: SLF001 (its own class)
        made.bind(app=None, mailer="", key_of=getattr(options, "key_of", None))
        made._check_options()  # noqa: SLF001
        return made

    def _check_options(self) -> None:
        # Not in the constructor, which does not know the settings of its options.
        if not 1 <= self.lease <= 3600:
            raise ConfigurationError(f"{self.setting('lease')} must be 1 to 3600 seconds.")
        if not 1 <= self.window <= 1000:
            raise ConfigurationError(f"{self.setting('window')} must be 1 to 1000 messages.")
        if self._transaction == "session" and self._url is not None and self._session is None:
            raise ConfigurationError(
                f'{self.setting("transaction")} is "session", but {self.setting("url")} names a'
                f" database of its own: leave it out, or set {self.setting('session')}."
            )
        for name in ("give_up", "retention"):
            if not 0 <= getattr(self, name) <= LONGEST:
                raise ConfigurationError(
                    f"{self.setting(name)} must be a number of seconds from 0 to ten years."
                )
        if self.max_size is not None and self.max_size < 1:
            raise ConfigurationError(f"{self.setting('max_size')} must be at least 1.")
        self.contents  # noqa: B018 (an invalid key is an error now)

    @classmethod
    def prepare_app(cls, app: Any) -> None:
        from .listening import listen

        listen(app)

    @classmethod
    def parts(cls, options: Mapping[str, Any]) -> Sequence[Any]:
        return [options["mailer"]] if "mailer" in options else []

    @cached_property
    def contents(self) -> Contents:
        """The content of the rows of this queue."""
        return Contents(self._key, self._keep, self.setting("key"))

    @property
    def rules(self) -> Mapping[str, object]:
        """The options that apply to a row after it was stored. The key is a digest."""
        key = None if self._key is None else sha256(self._key.reveal().encode()).digest()
        return {"keep": self._keep, "key": key, "retention": self.retention}

    @property
    def store(self) -> Store:
        """The database of the queue.

        :raises ConfigurationError: no database is set, or the queue cannot use it.
        """
        if self._store is None:
            self._store = Store(self._database(), self._tables)
            if self.app is not None:
                self.prepare_app(self.app)  # it was configured after Mail(app)
        return self._store

    def read(self, query: Callable[[Connection], _T]) -> _T:
        """Return the result of a query, which is run in the transaction of the session if possible.

        A second connection could wait for it, and takes time.
        """
        session = self._current_session()
        # On PostgreSQL an error would end the transaction of the app.
        can_read = self.store.is_sqlite or self._can_read
        if session is not None and session.in_transaction() and can_read:
            try:
                return query(session.connection())
            except SQLAlchemyError:
                pass  # a transaction that has failed already
        with self.store.reading() as connection:
            found = query(connection)
        self._can_read = True
        return found

    def _database(self) -> Any:
        if self._url is not None:
            return self._url.reveal()
        extension = self._flask_sqlalchemy()
        if extension is None and (session := self._current_session()) is not None:
            return session.get_bind().engine
        if extension is None:
            raise ConfigurationError(
                f"The queue has no database: set {self.setting('url')}, or install"
                " Flask-SQLAlchemy and call its init_app()."
            )
        with self.app.app_context():
            return extension.engine

    def _flask_sqlalchemy(self) -> Any:
        return getattr(self.app, "extensions", {}).get("sqlalchemy")

    def _is_in_context(self) -> bool:
        # Outside of it, Flask-SQLAlchemy has no session.
        return has_app_context() and bool(current_app == self.app)

    def _current_session(self) -> Session | None:
        """Return the session whose transaction a message may join."""
        found = self._session
        if isinstance(found, str):
            found = self._session = _imported(found, self.setting("session"))
        if found is None and self._url is None and self._is_in_context():
            found = getattr(self._flask_sqlalchemy(), "session", None)
        session = found() if callable(found) and not isinstance(found, Session) else found
        if session is not None and not isinstance(session, Session):
            raise ConfigurationError(
                f"{self.setting('session')} must return a Session of SQLAlchemy."
            )
        return session

    def _session_to_join(self) -> Session | None:
        session = self._current_session()
        if self._transaction == "session":
            if session is None:
                raise ConfigurationError(
                    f'{self.setting("transaction")} is "session", but the app has no session:'
                    f" set {self.setting('session')}, or use Flask-SQLAlchemy."
                )
            return session
        if session is None or not joining.has_written(session):
            return None
        if self._transaction == "auto":
            return session
        if self.store.is_sqlite and session.get_bind() is not None:
            files = (session.get_bind().engine.url.database, self.store.engine.url.database)
            if len({os.path.realpath(each or "") for each in files}) == 1:
                raise ConfigurationError(
                    f'{self.setting("transaction")} is "own", but the session has written to the'
                    " same SQLite file, which its transaction locks: commit it before the message"
                    ' is sent, or use "auto".'
                )
        return None

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        with storing(self.app, mail, self.name) as trace:
            return self._stored(mail, trace)

    def _stored(self, mail: Outgoing, trace: str | None) -> Receipt:
        options = self.options_of(mail)
        if self._child is not None:
            self._child.check(mail.for_mailer(self.target))
        row = row_of(mail.for_mailer(self.target), self.target, options, self.contents)
        row["trace"] = trace
        try:
            joined = self._session_to_join()
        except SQLAlchemyError as error:  # such as a transaction that has failed already
            raise self._unavailable(error) from None
        if joined is not None:
            return self._stored_in(joined, mail, row)
        number, is_new = self._committed(row)
        if is_new:
            self._call_wake()
        return self.queued(mail, str(number))

    def backlog(self) -> list[QueuedMessage]:
        return backlog_of(self)

    def last_events(self) -> list[DeliveryEvent]:
        return last_events_of(self)

    def shut_down(self) -> None:
        if self._store is not None:
            self._store.dispose()

    def _stored_in(self, session: Session, mail: Outgoing, row: dict[str, Any]) -> Receipt:
        try:
            # Not session.execute(), which would count as a write of the program.
            number, is_new = self.store.insert(session.connection(), row)
        except SQLAlchemyError as error:
            raise self._unavailable(error) from None
        receipt = self.queued(mail, f"{number}, with your transaction")
        if is_new:
            joining.join(session, partial(self._tell_lost, mail), self._call_wake)
        return receipt

    def _committed(self, row: dict[str, Any]) -> tuple[int, bool]:
        try:
            connection = self.store.engine.connect()
        except SQLAlchemyError as error:
            raise self._unavailable(error) from None
        with connection:
            try:
                transaction = connection.begin()
                stored = self.store.insert(connection, row)
            except SQLAlchemyError as error:
                raise self._unavailable(error) from None
            try:
                transaction.commit()
            except DBAPIError as error:
                raise DeliveryUnknown(
                    f"The database failed ({describe_failure(error)}) while it stored the message:"
                    " it may be in the queue.",
                    stage="accept",
                ) from None
        return stored

    def _unavailable(self, error: SQLAlchemyError) -> BackendUnavailable:
        # Without the error, whose parameters are the content of the message.
        return BackendUnavailable(
            f"The message cannot be stored in the queue ({describe_failure(error)}): does the"
            " database respond, and has `flask mail queue create` been run?",
            stage="data",
        )

    def _tell_lost(self, mail: Outgoing, reason: str, in_doubt: bool) -> None:
        error: DeliveryError
        if in_doubt:
            error = DeliveryUnknown(f"The message may be in the queue: {reason}.", stage="accept")
        else:
            error = BackendUnavailable(f"The message is not in the queue any more: {reason}.")
        receipt = self.receipt_of(error, mail, handed_over=False)
        _log.warning("%s %s by queue: %s", mail.message_id, receipt.outcome.value, reason)
        email_failed.notify(
            self.app, message=mail.message, receipt=receipt, error=error, outgoing=mail
        )

    def _call_wake(self) -> None:
        if self._wake is None:
            return
        try:
            _imported(self._wake, self.setting("wake"))()
        except Exception as error:  # noqa: BLE001 (the message is stored, and is found later)
            _log.warning("%s raised %s.", self.setting("wake"), type(error).__name__)


def _imported(path: str, setting: str) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"{setting} must be an import path such as shop.tasks:work; {path!r} cannot be"
            f" imported ({type(error).__name__})."
        ) from None
