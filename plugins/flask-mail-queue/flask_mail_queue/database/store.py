"""The database of a queue: its engine, its transactions, and what is stored by senders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Column, Engine, MetaData, create_engine, event, inspect
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from flask_mail.backends import ConfigurationError

from . import mariadb
from .insertion import Insertion
from .schema import Tables

_DIALECTS: Final = ("sqlite", "postgresql", *mariadb.NAMES)
_READS: Final = "flask_mail_queue_reads"
_BUSY: Final = 10.0  # seconds that a transaction on SQLite waits for another one


class Store:
    """The tables of a queue in one database.

    :param url: the URL of the database, or the engine of the app.
    :param tables: the name of the table of messages.
    """

    def __init__(self, url: str | Engine, tables: str = "mail_queue") -> None:
        self._shared = url if isinstance(url, Engine) else None
        self._url = url.url if isinstance(url, Engine) else _parsed(url)
        if self._url.get_backend_name() not in _DIALECTS:
            raise ConfigurationError(
                f"The queue cannot use {self._url.get_backend_name()}: use PostgreSQL, MariaDB"
                " or SQLite."
            )
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._is_mariadb = self._url.get_backend_name() in mariadb.NAMES
        # By default, MariaDB also locks what does not exist, and workers would wait for each other.
        self._options: dict[str, Any] = (
            {"isolation_level": "READ COMMITTED"} if self._is_mariadb else {}
        )
        self.metadata = MetaData()
        self.tables = Tables(self.metadata, tables)
        self.insertion = Insertion(self.tables, self._url.get_backend_name())
        self._engines: dict[int, Engine] = {}

    def __repr__(self) -> str:
        return f"Store({self._url.render_as_string(hide_password=True)!r})"

    @cached_property
    def identity(self) -> tuple[str, str]:
        """Equal for two stores of the same tables. Contains the password of the database."""
        return self._url.render_as_string(hide_password=False), self.tables.name

    @property
    def is_in_memory(self) -> bool:
        """True if the database is part of this process."""
        return self.is_sqlite and self._url.database in (None, "", ":memory:")

    @property
    def engine(self) -> Engine:
        """The engine of this process: connections must not be used after a fork."""
        process = os.getpid()
        engine = self._engines.get(process)
        if engine is None:
            engine = self._engines[process] = self._made()
        return engine

    def _made(self) -> Engine:
        # On SQLite the queue needs connections of its own, whose transactions lock the database
        # when they begin: one that reads first and writes later may fail halfway.
        if self._shared is not None and (not self.is_sqlite or self.is_in_memory):
            # Both have the pool of the app.
            return (
                self._shared.execution_options(**self._options) if self._options else self._shared
            )
        try:
            engine = create_engine(self._url, **self._options)
        except ImportError as error:
            raise ConfigurationError(
                f"The driver of the queue's database is not installed: {error.name}."
            ) from None
        if self.is_sqlite:
            event.listen(engine, "connect", _tune)
            event.listen(engine, "begin", _begin_immediate)
        return engine

    def after_fork(self) -> None:
        """Use no connection of the parent process."""
        if self._shared is not None:
            self._shared.dispose(close=False)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yield a connection in a transaction, which is committed at the end of the block."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection for one query, which waits for no transaction on SQLite."""
        options = {_READS: True}
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    def create(self) -> list[str]:
        """Create the tables, columns and indexes that do not exist; return the added columns."""
        added = []
        with self.begin() as connection:
            self._check_server(connection)
            self.metadata.create_all(connection)
            for table in self.tables.all:
                found = {each["name"] for each in inspect(connection).get_columns(table.name)}
                for column in table.columns:
                    if column.name not in found:
                        self._add(connection, column)
                        added.append(str(column))
                for index in table.indexes:
                    index.create(connection, checkfirst=True)
        return added

    def missing(self) -> list[str]:
        """Return the names of the tables and columns that :meth:`create` would add."""
        with self.reading() as connection:
            self._check_server(connection)
            inspector = inspect(connection)
            there = set(inspector.get_table_names())
            missing = [each.name for each in self.tables.all if each.name not in there]
            for table in self.tables.all:
                if table.name in there:
                    columns = {each["name"] for each in inspector.get_columns(table.name)}
                    missing += [str(each) for each in table.columns if each.name not in columns]
        return missing

    def _check_server(self, connection: Connection) -> None:
        """Raise ConfigurationError for a server of the MySQL family that the queue cannot use."""
        if not self._is_mariadb:
            return
        dialect: Any = connection.dialect
        if not dialect.is_mariadb or dialect.server_version_info < mariadb.OLDEST:
            version = ".".join(map(str, dialect.server_version_info))
            raise ConfigurationError(
                "The queue needs MariaDB 10.6 or later, PostgreSQL or SQLite; its database is"
                f" {'MariaDB' if dialect.is_mariadb else 'MySQL'} {version}."
            )

    def _add(self, connection: Connection, column: Column[Any]) -> None:
        dialect = connection.dialect
        table = dialect.identifier_preparer.format_table(column.table)
        definition = CreateColumn(column).compile(dialect=dialect)
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {definition}")

    def dispose(self) -> None:
        """Close the idle connections of an engine of its own."""
        engine = self._engines.pop(os.getpid(), None)
        if engine is not None and (self._shared is None or engine.pool is not self._shared.pool):
            engine.dispose()


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        pass
    # Raised here, without the error above, which shows the URL.
    del url
    raise ConfigurationError(
        "The URL of the queue is not one of SQLAlchemy, such as sqlite:////var/lib/shop/mail.db."
    )


def _tune(connection: Any, record: object) -> None:
    connection.isolation_level = None  # transactions begin as _begin_immediate says
    for pragma in (
        f"busy_timeout = {round(_BUSY * 1000)}",
        "journal_mode = WAL",
        # With NORMAL a power cut may take back the last commits: mail would be sent again.
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_immediate(connection: Connection) -> None:
    if connection.get_execution_options().get(_READS):
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def describe_failure(error: SQLAlchemyError) -> str:
    """Return the kind of an error of the database; its text may show parameters and addresses."""
    original = getattr(error, "orig", None)
    return type(original or error).__name__
