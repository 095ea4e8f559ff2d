"""An app with a queue, whose mailer is a script of outcomes."""

from __future__ import annotations

from flask import Flask
from flask_mail_queue.database import queries
from flask_mail_queue.queues import queues_of
from flask_mail_queue.worker.worker import Worker
from sqlalchemy.schema import DropIndex

from flask_mail import (
    Mail,
    Message,
    email_deferred,
    email_dispatched,
    email_failed,
    email_queued,
)
from flask_mail.backends import Backend, Feature


class Peer(Backend[None]):
    """Delivers as its script says: an error for each message, or ``None`` to take it."""

    name = "peer"
    features = frozenset(Feature)

    def __init__(self) -> None:
        self.script = []
        self.opening = []
        self.taken = []
        self.before = lambda mail: None

    def open(self):
        if self.opening and (error := self.opening.pop(0)) is not None:
            raise error

    def deliver(self, mail, session):
        self.before(mail)
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        self.taken.append(mail)
        return self.accepted(mail, response=f"250 {mail.envelope.recipients[0]} is pleased")


class Shop:
    """An app with the mailers "default", which is a queue, and "peer"."""

    def __init__(self, url, *, extensions=(), **options):
        self.app = Flask("shop")
        given = {"BACKEND": "queue", "MAILER": "peer", "LEASE": 5, "URL": url, **options}
        self.app.config.update(
            MAIL_DEFAULT_SENDER="shop@example.com",
            MAIL_MAILERS={"default": given, "peer": {"BACKEND": Peer}},
            SQLALCHEMY_DATABASE_URI=url,
        )
        for extension in extensions:
            extension(self.app)
        self.mail = Mail(self.app)
        self.told = []
        for signal in (email_queued, email_deferred, email_dispatched, email_failed):
            signal.connect(self._receiver(signal.name), self.app, weak=False)
        self._signals = (email_queued, email_deferred, email_dispatched, email_failed)

    def _receiver(self, name):
        def note(app, message, receipt):
            self.told.append((name, message.subject, receipt.outcome.value))

        return note

    def __enter__(self):
        self.store.create()
        return self

    def __exit__(self, *exception):
        self.store.dispose()
        for signal in self._signals:
            for receiver in list(signal.receivers_for(self.app)):
                signal.disconnect(receiver, self.app)

    @property
    def queue(self):
        return queues_of(self.app)[0]

    @property
    def store(self):
        return self.queue.store

    @property
    def peer(self):
        return self.app.extensions["mail"].selection.build("peer")

    def send(self, subject="Hello", **fields):
        return self.mail.send(Message(subject, ["ann@example.com"], "Hello, Ann.", **fields))

    def worker(self, **options):
        return Worker(self.app, queues_of(self.app), **{"once": True, **options})

    def work(self, **options):
        worker = self.worker(**options)
        worker.run()
        return worker

    def rows(self):
        with self.store.begin() as connection:
            return list(reversed(queries.listed(connection, self.store.tables, [], 1e6, 100_000)))

    def row(self, number):
        with self.store.begin() as connection:
            return queries.row(connection, self.store.tables, number)

    def states(self):
        return [row["state"] for row in self.rows()]

    def execute(self, statement):
        with self.store.begin() as connection:
            connection.execute(statement)

    def drop_index(self, name):
        """Remove an index of the table of messages."""
        indexes = {each.name: each for each in self.store.tables.queue.indexes}
        self.execute(DropIndex(indexes[f"ix_mail_queue_{name}"]))

    def make_due(self):
        """Let the time pass until every row is due."""
        queue = self.store.tables.queue
        self.execute(queue.update().where(queue.c.state == "queued").values(due_at=0))
