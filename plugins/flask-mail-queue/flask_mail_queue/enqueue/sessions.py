"""Sessions of SQLAlchemy whose transactions a message joins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from ..database import mariadb
from .surroundings import Surroundings

_log = logging.getLogger("flask_mail.queue")
_KEY: Final = "flask_mail_queue"


@dataclass
class Joined:
    """Messages that were stored in the transaction of a session."""

    savepoints: list[object]
    lost: Sequence[Callable[[str, bool], None]]
    """One for each message. Called with the reason if the transaction ends without a commit, and
    False; or with True if the commit was interrupted, so that it may be in the queue."""
    committed: Callable[[], None]

    def end(self, reason: str, *, in_doubt: bool = False) -> None:
        """Say that the messages were not committed."""
        for each in self.lost:
            each(reason, in_doubt)


@dataclass
class _Transaction:
    """The current root transaction of a session."""

    wrote: bool = False
    ended: str = ""
    in_doubt: bool = False
    """True if a commit has begun on the connection of the queue, and has not provably failed."""
    is_committing: bool = False
    """True until an error, which is that of the commit."""
    is_prepared: bool = False
    joined: list[Joined] = field(default_factory=list)
    surroundings: Surroundings | None = None


_of_connections: WeakKeyDictionary[Connection, _Transaction] = WeakKeyDictionary()


def has_written(session: Session) -> bool:
    """Return True if a session has written in its transaction, or will at the next flush."""
    if session.new or session.dirty or session.deleted:
        return True
    if not session.in_transaction():
        return False
    known = session.info.get(_KEY)
    if known is not None and known.wrote:
        return True
    if session.connection().dialect.name == "postgresql":
        # Events do not show statements that bypass the session; the database knows them all.
        found = session.connection().exec_driver_sql("SELECT pg_current_xact_id_if_assigned()")
        return found.scalar() is not None
    # If it began before this module was imported, only the driver can say. If it cannot, joining is
    # safe: a transaction that is not committed is reported.
    driver: Any = session.connection().connection.dbapi_connection
    return known is None and bool(getattr(driver, "in_transaction", True))


def watched(session: Session) -> Connection:
    """Return the connection of a session, whose errors and commits are noticed from now on."""
    known = session.info.setdefault(_KEY, _Transaction())
    connection = session.connection()
    if connection not in _of_connections:
        _listen(connection)
    _of_connections[connection] = known
    return connection


def join(
    session: Session,
    lost: Sequence[Callable[[str, bool], None]],
    committed: Callable[[], None],
) -> None:
    """Call `committed`, or each of `lost`, when the transaction of a session ends."""
    known = _of_connections[watched(session)]
    savepoints: list[object] = []
    nested: Any = session.get_nested_transaction()
    while nested is not None:
        savepoints.append(nested)
        nested = nested.parent
    known.surroundings = known.surroundings or Surroundings()
    known.joined.append(Joined(savepoints, lost, committed))


def _listen(connection: Connection) -> None:
    # Once for each connection: a session may be bound to one for its whole life. Not for all of
    # them, as that would slow down each statement of the app.
    event.listen(connection, "commit", _begin_commit)
    event.listen(connection, "prepare_twophase", _begin_prepare)
    event.listen(connection, "commit_twophase", _begin_second_phase)
    event.listen(connection, "rollback_twophase", _roll_back_prepared)
    # SQLAlchemy has this event only for a whole engine. Listening again has no effect.
    event.listen(connection.engine, "handle_error", _failed)


@event.listens_for(Session, "after_transaction_create")
def _begun(session: Session, transaction: Any) -> None:
    if transaction.parent is None:
        session.info.setdefault(_KEY, _Transaction())


@event.listens_for(Session, "do_orm_execute")
def _executed(context: Any) -> None:
    session = context.session
    if context.is_select:
        return
    if not session.in_transaction():  # the statement will begin one
        session.info.setdefault(_KEY, _Transaction())
    known = session.info.get(_KEY)
    if known is not None:
        known.wrote = True


@event.listens_for(Session, "after_flush")
def _flushed(session: Session, context: object) -> None:
    known = session.info.get(_KEY)
    if known is not None:
        known.wrote = True


def _begin_commit(connection: Connection) -> None:
    known = _of_connections.get(connection)
    # Nothing is sent to the database if the connection is lost.
    if known is not None and not connection.invalidated:
        known.in_doubt = known.is_committing = True


def _begin_prepare(connection: Connection, xid: object) -> None:
    # If the connection is lost, the database keeps what it has prepared until somebody commits it.
    _begin_commit(connection)


def _begin_second_phase(connection: Connection, xid: object, is_prepared: bool) -> None:
    known = _of_connections.get(connection)
    if known is not None:
        known.in_doubt, known.is_prepared = True, is_prepared


def _roll_back_prepared(connection: Connection, xid: object, is_prepared: bool) -> None:
    known = _of_connections.get(connection)
    # Nothing is sent to the database if the connection is lost. If it is not known to be prepared,
    # the rollback does not end what may be.
    if known is not None and is_prepared and not connection.invalidated:
        known.in_doubt, known.is_prepared = False, True


def _failed(context: Any) -> None:
    # Without a connection if a new one, or the ping of an idle one, has failed.
    known = None if context.connection is None else _of_connections.get(context.connection)
    if known is None:
        return
    if known.is_prepared:
        known.in_doubt = True  # neither committed nor rolled back
    elif known.is_committing and not context.is_disconnect:
        # Rejected by the database. An exception of a signal, such as a time limit, proves nothing.
        known.in_doubt = context.sqlalchemy_exception is None
    known.is_committing = False  # a rollback that fails proves nothing either
    if context.dialect.name in mariadb.NAMES and mariadb.has_rolled_back(
        context.original_exception
    ):
        # With the next statement it would begin another transaction, without what was stored. After
        # the loss of a connection, SQLAlchemy demands a rollback first.
        context.is_disconnect, context.invalidate_pool_on_disconnect = True, False


@event.listens_for(Session, "after_commit")
def _committed(session: Session) -> None:
    known = session.info.get(_KEY)
    # It is also called when a savepoint is released.
    if known is not None and session.get_nested_transaction() is None:
        known.ended = "commit"


@event.listens_for(Session, "after_rollback")
def _rolled_back(session: Session) -> None:
    known = session.info.get(_KEY)
    if known is not None and session.get_nested_transaction() is None:
        known.ended = "rollback"


@event.listens_for(Session, "after_soft_rollback")
def _savepoint_rolled_back(session: Session, previous: Any) -> None:
    known = session.info.get(_KEY)
    if known is None or not previous.nested:
        return
    lost = [each for each in known.joined if previous in each.savepoints]
    known.joined = [each for each in known.joined if each not in lost]
    for each in lost:
        each.end("the savepoint was rolled back")


@event.listens_for(Session, "after_transaction_end")
def _ended(session: Session, transaction: Any) -> None:
    if transaction.parent is not None:
        return
    known = session.info.pop(_KEY, None)
    if known is None:
        return
    if known.ended == "commit":
        for each in known.joined:
            each.committed()
        return
    # Also if the session has another connection, whose commit has failed after this one's.
    if known.in_doubt:
        for each in known.joined:
            each.end("the commit of its transaction was interrupted", in_doubt=True)
        return
    # A request that fails takes its mail back, as it does with a rollback.
    has_failed = known.surroundings is not None and known.surroundings.have_failed()
    if known.joined and known.ended != "rollback" and not has_failed:
        _log.error(
            "A session was closed without a commit, and %d messages in its transaction are not"
            " sent: commit it after the message, or set TRANSACTION of the mailer to 'own'.",
            sum(len(each.lost) for each in known.joined),
        )
    reason = "rolled back" if known.ended == "rollback" else "closed without a commit"
    for each in known.joined:
        each.end(f"the transaction was {reason}")
