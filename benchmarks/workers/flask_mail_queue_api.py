"""Flask-Mail-Queue, in an app with Flask-SQLAlchemy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from content import HTML, SENDER, SUBJECT, TEXT
from flask import Flask
from flask_mail_queue.queues import queues_of
from flask_mail_queue.worker.stopping import Stop
from flask_mail_queue.worker.supervisor import Supervisor
from flask_mail_queue.worker.worker import Worker
from flask_sqlalchemy import SQLAlchemy
from queueing import ONE, clock
from sqlalchemy import func, select

from flask_mail import Mail, Message

MANY = "send_many"
_LARGEST = 64 << 20


class Sender:
    """A shop that stores its orders and their mail."""

    def __init__(self, options: dict[str, Any]) -> None:
        settings = options["settings"]
        url = f"sqlite:///{Path(options['folder'], 'flask-mail-queue.db')}"
        if settings["database"] == "postgresql":
            url = f"postgresql+psycopg://postgres@/postgres?host={options['postgresql']}"
        self._app = Flask(__name__)
        self._app.config.update(
            SQLALCHEMY_DATABASE_URI=url,
            MAIL_DEFAULT_SENDER=SENDER,
            MAIL_MAILERS={
                "default": {
                    "BACKEND": "queue",
                    "MAILER": "smtp",
                    "MAX_SIZE": _LARGEST,
                    **settings.get("options", {}),
                },
                "smtp": {"BACKEND": "smtp", "SERVER": options["host"], "PORT": options["port"]},
            },
        )
        self._database = SQLAlchemy(self._app)
        database: Any = self._database

        class Order(database.Model):  # type: ignore[misc]
            id = database.Column(database.Integer, primary_key=True)

        self._order = Order
        self._mail = Mail(self._app)
        self._queues = queues_of(self._app)
        self._store = self._queues[0].store

    def reset(self) -> None:
        """Make the tables, or empty them."""
        with self._app.app_context():
            self._database.create_all()
        self._store.create()
        with self._store.begin() as connection:
            for table in reversed(self._store.tables.all):
                connection.execute(table.delete())

    def enqueue(self, readers: list[str], way: str) -> None:
        """Store a message for each, in the transaction of an order or each in its own."""
        with self._app.app_context():
            if way in {ONE, MANY}:
                self._database.session.add(self._order())
                self._database.session.flush()
            messages = [
                Message(SUBJECT, recipients=[each], body=TEXT, html=HTML) for each in readers
            ]
            if way == MANY:
                receipts = self._mail.send_many(messages)
                if not all(each.taken for each in receipts):
                    raise RuntimeError("A message was not stored.")
            else:
                for message in messages:
                    self._mail.send(message)
            if way in {ONE, MANY}:
                self._database.session.commit()

    def enqueue_large(self, reader: str, data: bytes) -> None:
        """Store a message with an attachment."""
        message = Message(SUBJECT, recipients=[reader], body=TEXT, html=HTML)
        message.attach("large.bin", "application/octet-stream", data)
        with self._app.app_context():
            self._mail.send(message)

    def dispatch(self, processes: int) -> float:
        """Send what is due, as ``flask mail work --once`` does; return the seconds."""
        start = clock()
        if processes == 1:
            self._work()
        elif not Supervisor(self._work_in_fork, Stop(), replace=False).run(processes):
            raise RuntimeError("A worker has failed.")
        return clock() - start

    def _work_in_fork(self) -> int:
        self._store.after_fork()
        self._work()
        return 0

    def _work(self) -> None:
        Worker(self._app, self._queues, once=True).run()

    def left(self) -> int:
        """Return the number of messages that are not finished."""
        queue = self._store.tables.queue
        unfinished = queue.c.state.in_(("queued", "claimed", "sending"))
        with self._store.begin() as connection:
            return int(connection.scalar(select(func.count()).where(unfinished)) or 0)

    def unknown(self) -> list[str]:
        """Return the recipients of messages whose outcome is unknown."""
        queue = self._store.tables.queue
        of_unknown = select(queue.c.record).where(queue.c.state == "unknown")
        with self._store.begin() as connection:
            contents = list(connection.scalars(of_unknown))
        mails = [self._queues[0].contents.mail_of(each) for each in contents]
        return [reader for mail in mails for reader in mail.envelope.recipients]
