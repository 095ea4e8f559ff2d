"""Storing of messages: the rows of the queue, and what the program is told about them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from flask_mail import MailError, email_failed
from flask_mail.backends import (
    BackendUnavailable,
    DeliveryError,
    DeliveryUnknown,
    Outgoing,
    Receipt,
)

from ..database import mariadb
from ..database.files import Bundles, large_files, undo
from ..database.records import row_of
from ..database.store import describe_failure
from ..tracing import storing
from . import sessions
from .transactions import Transactions, imported

if TYPE_CHECKING:
    from ..backend import QueueBackend

_log = logging.getLogger("flask_mail.queue")
# Octets of the messages that are stored in one statement; databases limit its size.
_LARGEST: Final = 4 * 1024 * 1024
_REPEATS: Final = 3  # after a deadlock, in which nothing was stored
_LINE: Final = 78  # of base64, with its end; it encodes:
_OF_A_LINE: Final = 57
_Row = dict[str, Any]
_T = TypeVar("_T")


def parts_of(mails: Sequence[Outgoing], most: int) -> Iterator[list[Outgoing]]:
    """Yield messages in lists that can be stored in one statement.

    Messages with equal large attachments, which are stored once, stay together.

    :param most: the number of messages; of more, SQLAlchemy would make several statements.
    """
    part: list[Outgoing] = []
    size = 0
    files: list[Any] = []
    for mail in mails:
        before, files = files, large_files(mail)
        octets = sum(map(len, files))
        own = max(mail.size - octets * _LINE // _OF_A_LINE, 0)
        added = own + (octets if files != before else 0)
        if len(part) == most or (part and size + added > _LARGEST):
            yield part
            part, size = [], 0
        size += added if part else own
        part.append(mail)
    if part:
        yield part


class Storing:
    """Stores the messages of a queue in the transaction of the session, or in one of their own.

    :param wake: the option WAKE.
    """

    def __init__(self, queue: QueueBackend, transactions: Transactions, wake: str | None) -> None:
        self._queue = queue
        self._transactions = transactions
        self._wake = wake

    def one(self, mail: Outgoing) -> Receipt:
        """Store a message.

        :raises DeliveryError: it was not stored, or may not have been.
        """
        bundles = Bundles()
        with storing(self._queue.app, mail, self._queue.name) as trace:
            row = self._row(mail, trace, bundles)
            session = self._session()

            def insert(connection: Connection) -> tuple[int, bool]:
                number, is_new = self._queue.store.insertion.one(connection, row)
                self._insert_files(connection, bundles, {number: row} if is_new else {})
                return number, is_new

            try:
                number, is_new = self._inserted(session, insert)
            except SQLAlchemyError as error:
                raise self._unavailable(error) from None
            self._expect_commit(session, [mail] if is_new else [])
            return self._receipt(mail, number, session)

    def many(self, mails: list[Outgoing]) -> list[Receipt]:
        """Store messages in one statement, and return a receipt for each, in order."""
        try:
            stored = self._stored(mails)
        except (SQLAlchemyError, MailError):
            stored = {}  # one of them may be the reason
        return [
            stored[index] if index in stored else self._queue.attempt(mail, None)
            for index, mail in enumerate(mails)
        ]

    def _stored(self, mails: list[Outgoing]) -> dict[int, Receipt]:
        """Store messages; return the receipts, by index, of those that were or may be stored.

        :raises SQLAlchemyError: nothing was stored.
        :raises MailError: nothing was stored.
        """
        bundles = Bundles()
        rows: dict[int, _Row] = {}
        spans: dict[int, ExitStack] = {}
        for index, mail in enumerate(mails):
            # What it raises is raised again if the message is stored alone.
            with suppress(Exception), ExitStack() as span:
                trace = span.enter_context(storing(self._queue.app, mail, self._queue.name))
                rows[index] = self._row(mail, trace, bundles)
                spans[index] = span.pop_all()
        session = self._session()
        given = list(rows.values())

        def insert(connection: Connection) -> list[int | None]:
            found = self._queue.store.insertion.many(connection, given)
            new = {number: row for number, row in zip(found, given, strict=True) if number}
            self._insert_files(connection, bundles, new)
            return found

        try:
            found = self._inserted(session, insert)
        except DeliveryUnknown as error:
            return {each: self._queue.receipt_of(error, mails[each]) for each in rows}
        # Without those whose key exists already.
        numbers = {each: number for each, number in zip(rows, found, strict=True) if number}
        self._expect_commit(session, [mails[each] for each in numbers])
        for each in numbers:
            spans[each].close()
        return {each: self._receipt(mails[each], numbers[each], session) for each in numbers}

    def _insert_files(
        self, connection: Connection, bundles: Bundles, rows: dict[int, _Row]
    ) -> None:
        """Store the bundles of rows that were stored, by their ids."""
        used = {row["files"] for row in rows.values()} - {None}
        if not used:
            return
        tables = self._queue.store.tables
        try:
            bundles.insert(connection, tables, self._queue.contents, used)
        except BaseException:
            # The program may commit its transaction in spite of the error.
            with suppress(SQLAlchemyError):
                undo(connection, tables, list(rows), used)
            raise

    def _row(self, mail: Outgoing, trace: str | None, bundles: Bundles) -> _Row:
        queue = self._queue
        options = queue.options_of(mail)
        mail = mail.for_mailer(queue.target)
        if queue.child is not None:
            queue.child.check(mail)
        row = row_of(mail, queue.target, options, queue.contents, bundles)
        return {**row, "trace": trace}

    def _session(self) -> Session | None:
        try:
            return self._transactions.to_join()
        except SQLAlchemyError as error:  # such as a transaction that has failed already
            raise self._unavailable(error) from None

    def _inserted(self, session: Session | None, insert: Callable[[Connection], _T]) -> _T:
        """Run a statement in the transaction of a session, or in one of its own.

        :raises SQLAlchemyError: it has failed.
        :raises DeliveryUnknown: its own transaction may have been committed.
        """
        if session is not None:
            # Not session.execute(), which would count as a write of the program.
            return insert(sessions.watched(session))
        for _ in range(_REPEATS):
            try:
                return self._inserted_alone(insert)
            except DBAPIError as error:
                if not mariadb.is_deadlock(error):
                    raise
        return self._inserted_alone(insert)

    def _inserted_alone(self, insert: Callable[[Connection], _T]) -> _T:
        with self._queue.store.engine.connect() as connection:
            transaction = connection.begin()
            stored = insert(connection)
            try:
                transaction.commit()
            except DBAPIError as error:
                raise DeliveryUnknown(
                    f"The database failed ({describe_failure(error)}) while it stored the message:"
                    " it may be in the queue.",
                    stage="accept",
                ) from None
        return stored

    def _expect_commit(self, session: Session | None, mails: Sequence[Outgoing]) -> None:
        """Wake the workers as soon as new messages are committed, or say that they are lost."""
        if session is None and mails:
            self._call_wake()
        elif session is not None and mails:
            sessions.join(
                session, [partial(self._tell_lost, each) for each in mails], self._call_wake
            )

    def _receipt(self, mail: Outgoing, number: int, session: Session | None) -> Receipt:
        joined = "" if session is None else ", with your transaction"
        return self._queue.queued(mail, f"{number}{joined}")

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
        receipt = self._queue.receipt_of(error, mail, handed_over=False)
        _log.warning("%s %s by queue: %s", mail.message_id, receipt.outcome.value, reason)
        email_failed.notify(
            self._queue.app, message=mail.message, receipt=receipt, error=error, outgoing=mail
        )

    def _call_wake(self) -> None:
        if self._wake is None:
            return
        try:
            imported(self._wake, self._queue.setting("wake"))()
        except Exception as error:  # noqa: BLE001 (the message is stored, and is found later)
            _log.warning("%s raised %s.", self._queue.setting("wake"), type(error).__name__)
