"""The queue backend: stores messages in a database, from which workers send them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from flask_mail.backends import (
    Backend,
    BackendUnavailable,
    ConfigurationError,
    DeliveryEvent,
    Feature,
    Outgoing,
    ProbeStep,
    QueuedMessage,
    Receipt,
    Secret,
)

from .database.contents import Contents, Keep
from .database.files import piece_of
from .database.records import LONGEST, QueueOptions
from .database.store import Store, describe_failure
from .enqueue.storing import Storing, parts_of
from .enqueue.transactions import Transactions
from .inspection import backlog_of, last_events_of, tried

if TYPE_CHECKING:
    from typing_extensions import Self

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
    batch_size = 100

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
        self.child: Backend[Any] | None = None
        self._tables = tables
        self._store: Store | None = None
        self._transactions = Transactions(self, url, transaction, session)
        self._storing = Storing(self, self._transactions, wake)
        self.lease, self.window = lease, window
        self.give_up, self.retention = give_up, retention
        self.max_size = max_size
        self._key, self._keep = key, keep
        self.suppression = suppression
        self._can_read = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any], build: Callable[[str], Backend[Any]]) -> Self:
        made = super().from_options(options, build)
        made.child = build(made.target)
        made.bind(app=None, mailer="", key_of=getattr(options, "key_of", None))
        made._check_options()  # noqa: SLF001 (its own class)
        return made

    def _check_options(self) -> None:
        # Not in the constructor, which does not know the settings of its options.
        if not 1 <= self.lease <= 3600:
            raise ConfigurationError(f"{self.setting('lease')} must be 1 to 3600 seconds.")
        if not 1 <= self.window <= 1000:
            raise ConfigurationError(f"{self.setting('window')} must be 1 to 1000 messages.")
        self._transactions.check_options()
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
        from .feedback.receivers import listen

        listen(app)

    @classmethod
    def parts(cls, options: Mapping[str, Any]) -> Sequence[Any]:
        return [options["mailer"]] if "mailer" in options else []

    @cached_property
    def contents(self) -> Contents:
        """The content of the rows of this queue."""
        return Contents(self._key, self._keep, self.setting("key"), self._read_piece)

    def _read_piece(self, bundle: str, n: int) -> bytes | None:
        try:
            with self.store.reading() as connection:
                return piece_of(connection, self.store.tables, bundle, n)
        except SQLAlchemyError as error:
            raise BackendUnavailable(
                f"The database of the queue failed ({describe_failure(error)}) while an attachment"
                " was read.",
                stage="data",
                retry_after=1.0,
            ) from None

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
            self._store = Store(self._transactions.database(), self._tables)
            if self.app is not None:
                self.prepare_app(self.app)  # it was configured after Mail(app)
        return self._store

    def read(self, query: Callable[[Connection], _T]) -> _T:
        """Return the result of a query, which is run in the transaction of the session if possible.

        A second connection could wait for it, and takes time.
        """
        session = self._transactions.session()
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

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        return self._storing.one(mail)

    def deliver_many(self, mails: Iterable[Outgoing], session: None) -> Iterator[Receipt]:
        """Store the messages of a list in one statement, and those of an iterator one by one."""
        if not isinstance(mails, list):
            yield from super().deliver_many(mails, session)
            return
        for part in parts_of(mails, self.batch_size):
            yield from self._storing.many(part)

    def backlog(self) -> list[QueuedMessage]:
        return backlog_of(self)

    def probe(self, sender: str | None = None) -> Iterator[ProbeStep]:
        """Look for the tables; ``flask mail check`` tries the mailer of the queue as well."""
        yield tried(self)

    def last_events(self) -> list[DeliveryEvent]:
        return last_events_of(self)

    def shut_down(self) -> None:
        if self._store is not None:
            self._store.dispose()
