"""The database of a queue, and the transaction of the program that a message joins."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, Literal

from flask import current_app, has_app_context
from sqlalchemy.orm import Session

from flask_mail.backends import ConfigurationError, Secret

from . import sessions

if TYPE_CHECKING:
    from ..backend import QueueBackend


class Transactions:
    """Finds the database of a queue, and the session whose transaction a message joins.

    The parameters are the options of the queue.
    """

    def __init__(
        self,
        queue: QueueBackend,
        url: Secret | None,
        transaction: Literal["auto", "session", "own"],
        session: Any,
    ) -> None:
        self._queue = queue
        self._url = url
        self._transaction = transaction
        self._session = session

    def check_options(self) -> None:
        """Raise ConfigurationError if the options contradict each other."""
        if self._transaction == "session" and self._url is not None and self._session is None:
            raise ConfigurationError(
                f'{self._queue.setting("transaction")} is "session", but'
                f" {self._queue.setting('url')} names a database of its own: leave it out, or set"
                f" {self._queue.setting('session')}."
            )

    def database(self) -> Any:
        """Return the URL or engine of the queue.

        :raises ConfigurationError: no database is set.
        """
        if self._url is not None:
            return self._url.reveal()
        extension = self._flask_sqlalchemy()
        if extension is None and (session := self.session()) is not None:
            return session.get_bind().engine
        if extension is None:
            raise ConfigurationError(
                f"The queue has no database: set {self._queue.setting('url')}, or install"
                " Flask-SQLAlchemy and call its init_app()."
            )
        with self._queue.app.app_context():
            return extension.engine

    def _flask_sqlalchemy(self) -> Any:
        return getattr(self._queue.app, "extensions", {}).get("sqlalchemy")

    def _is_in_context(self) -> bool:
        # Outside of it, Flask-SQLAlchemy has no session.
        return has_app_context() and bool(current_app == self._queue.app)

    def session(self) -> Session | None:
        """Return the current session of the program, whose transaction a message may join."""
        found = self._session
        if isinstance(found, str):
            found = self._session = imported(found, self._queue.setting("session"))
        if found is None and self._url is None and self._is_in_context():
            found = getattr(self._flask_sqlalchemy(), "session", None)
        session = found() if callable(found) and not isinstance(found, Session) else found
        if session is not None and not isinstance(session, Session):
            raise ConfigurationError(
                f"{self._queue.setting('session')} must return a Session of SQLAlchemy."
            )
        return session

    def to_join(self) -> Session | None:
        """Return the session whose transaction the next message joins, or ``None``.

        :raises ConfigurationError: the app has no session to join, or its transaction would block
            the one of the message.
        """
        session = self.session()
        if self._transaction == "session":
            if session is None:
                raise ConfigurationError(
                    f'{self._queue.setting("transaction")} is "session", but the app has no'
                    f" session: set {self._queue.setting('session')}, or use Flask-SQLAlchemy."
                )
            return session
        if session is None or not sessions.has_written(session):
            return None
        if self._transaction == "auto":
            return session
        if self._queue.store.is_sqlite and session.get_bind() is not None:
            files = (session.get_bind().engine.url.database, self._queue.store.engine.url.database)
            if len({os.path.realpath(each or "") for each in files}) == 1:
                raise ConfigurationError(
                    f'{self._queue.setting("transaction")} is "own", but the session has written'
                    " to the same SQLite file, which its transaction locks: commit it before the"
                    ' message is sent, or use "auto".'
                )
        return None


def imported(path: str, setting: str) -> Any:
    """Return what an import path names.

    :param setting: the setting that contains the path, for errors.
    :raises ConfigurationError: it cannot be imported.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"{setting} must be an import path such as shop.tasks:work; {path!r} cannot be"
            f" imported ({type(error).__name__})."
        ) from None
