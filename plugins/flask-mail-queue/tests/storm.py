"""A storm: workers that are killed or suspended at random points, as a program.

``python storm.py URL LEDGER KILLS STOPS FAILURES SEED`` prints what is in the database and in the
ledger of the peer, as JSON. Each worker is a fork, which sends SIGKILL or SIGSTOP to itself: before
or after any statement of SQL, before a commit, and before or after the peer accepts a message. At
such a point it also lets the server of the database fail: it prints the line "restart" or "end"
(all connections), and goes on when it gets a line.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

from flask import Flask
from flask_mail_queue.queues import queues_of
from flask_mail_queue.worker.worker import Worker
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from flask_mail import Mail, Message
from flask_mail.backends import Backend, Feature

WINDOW = 5
WORKERS = 2
PER_ROUND = 6
PER_FAILURE = 20
MOST_POINTS = 120
# All points of a worker that sends so many messages, after its first one.
POINTS_OF_FAILURE = 60
FAILURES = ("restart", "end")


class Ledger(Backend[None]):
    """Accepts a message by a line in a file."""

    name = "ledger"
    features = frozenset(Feature)

    def __init__(self, *, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.point = lambda: None

    def deliver(self, mail, session):
        self.point()
        os.write(self._file, f"{mail.message_id}\n".encode())
        self.point()
        return self.accepted(mail, response="250 ok")


class Countdown:
    """Does something at the n-th point of this process."""

    def __init__(self, points, action):
        self.points, self.action = points, action

    def __call__(self, *arguments):
        self.points -= 1
        if self.points == 0:
            self.action()


def ask(line):
    """Let the program that runs this one do something, and wait until it is done."""
    os.write(1, f"{line}\n".encode())
    os.read(0, 1)


class Storm:
    def __init__(self, url, ledger, seed):
        self.random = random.Random(seed)
        self.app = Flask("storm")
        self.app.config.update(
            MAIL_DEFAULT_SENDER="shop@example.com",
            MAIL_MAILERS={
                "default": {
                    "BACKEND": "queue",
                    "MAILER": "ledger",
                    "URL": url,
                    "WINDOW": WINDOW,
                    "LEASE": 60,
                },
                "ledger": self.mailer(ledger),
            },
        )
        self.mail = Mail(self.app)
        self.store = queues_of(self.app)[0].store
        self.store.create()
        self.sent = 0

    def mailer(self, ledger):
        """Return the settings of the mailer that workers use, which has an attribute `point`."""
        return {"BACKEND": Ledger, "PATH": ledger}

    def enqueue(self, count=PER_ROUND):
        # Two of each round share their large attachment, which takes two pieces.
        shared = [self.message(), self.message()]
        for each in shared:
            each.attach("a.bin", "application/octet-stream", bytes(300_000))
        self.mail.send_many(shared)
        for _ in range(count - len(shared)):
            self.mail.send(self.message())
        self.store.dispose()  # before the next fork

    def message(self):
        self.sent += 1
        return Message(f"Mail {self.sent}", ["ann@example.com"], "Hello.")

    def fork(self, number=0):
        """Start a worker, which gets the signal at a random point, and return its id."""
        points = self.random.randrange(1, MOST_POINTS) if number else 0
        return self.fork_with(Countdown(points, lambda: os.kill(os.getpid(), number)))

    def fork_with(self, countdown, *, from_the_start=True):
        """Start a worker whose points are counted, and return its id.

        :param from_the_start: False: those after it has begun to send.
        """
        child = os.fork()
        if child:
            return child
        try:
            engine = self.store.engine

            def count(*arguments):
                for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
                    event.listen(engine, name, countdown)
                peer.point = countdown

            peer = self.app.extensions["mail"].selection.build("ledger")
            peer.point = count
            if from_the_start:
                count()
            Worker(self.app, queues_of(self.app), once=True, batch=7).run()
        except BaseException:
            logging.getLogger("storm").exception("A worker failed")
            os._exit(1)
        os._exit(0)

    def expire(self, process):
        """Let the lease of a worker end."""
        worker = self.store.tables.worker
        with self.store.begin() as connection:
            connection.execute(worker.update().where(worker.c.pid == process).values(until=0))
        self.store.dispose()

    def kill(self):
        """Run workers that are killed at random points, and return how many were."""
        self.enqueue()
        processes = [self.fork(signal.SIGKILL) for _ in range(WORKERS)]
        killed = 0
        for process in processes:
            status = os.waitpid(process, 0)[1]
            killed += self.judged(status)
            self.expire(process)
        return killed

    def suspend(self):
        """Suspend a worker, let another one take over, and let the first one go on."""
        self.enqueue()
        process = self.fork(signal.SIGSTOP)
        status = os.waitpid(process, os.WUNTRACED)[1]
        if not os.WIFSTOPPED(status):
            self.judged(status)
            return 0
        # On SQLite, one that is suspended within a transaction locks the database.
        if self.is_locked(process):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            self.expire(process)
            return 0
        try:
            self.expire(process)
            self.finish()
        except BaseException:
            os.kill(process, signal.SIGKILL)  # it would keep the output of this program open
            raise
        os.kill(process, signal.SIGCONT)
        self.judged(os.waitpid(process, 0)[1])
        return 1

    def fail(self, failure):
        """Let the server fail while a worker sends, and another one works.

        Return 0 if the other one has left it too few messages to reach that point.
        """
        self.enqueue(PER_FAILURE)
        points = self.random.randrange(1, POINTS_OF_FAILURE)
        has_failed = mmap.mmap(-1, 1)  # shared with the worker

        def let_fail():
            has_failed[0] = 1
            ask(failure)

        process = self.fork_with(Countdown(points, let_fail), from_the_start=False)
        other = self.fork()
        self.judged(os.waitpid(process, 0)[1])
        os.waitpid(other, 0)  # one that had no connection yet ends with an error
        for each in (process, other):  # which could not sign off
            self.expire(each)
        return has_failed[0]

    def is_locked(self, process):
        """Return True if a suspended worker has locked what this program needs."""
        worker = self.store.tables.worker
        with self.store.engine.connect() as connection:
            if self.store.is_sqlite:
                connection.connection.execute("PRAGMA busy_timeout = 0").close()
            try:
                mine = select(worker).where(worker.c.pid == process)
                connection.execute(mine.with_for_update(nowait=True))
            except OperationalError:
                return True
            finally:
                connection.invalidate()
        self.store.dispose()
        return False

    def finish(self):
        # What was tried again after a failure of the server is due later.
        queue = self.store.tables.queue
        with self.store.begin() as connection:
            # MariaDB would wait for rows that a suspended worker has not committed.
            queued = select(queue.c.id).where(queue.c.state == "queued")
            found = list(connection.scalars(queued.with_for_update(skip_locked=True)))
            connection.execute(queue.update().where(queue.c.id.in_(found)).values(due_at=0))
        self.store.dispose()
        self.judged(os.waitpid(self.fork(), 0)[1])

    def judged(self, status):
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise SystemExit("A worker failed.")
        return os.WIFSIGNALED(status)

    def result(self, ledger):
        queue = self.store.tables.queue
        file = self.store.tables.file
        with self.store.begin() as connection:
            rows = connection.execute(
                select(queue.c.message_id, queue.c.state, queue.c.files)
            ).all()
            bundles = list(connection.scalars(select(file.c.bundle).distinct()))
            left = connection.execute(select(self.store.tables.worker)).all()
        accepted = Counter(Path(ledger).read_text(encoding="ascii").split())
        return {
            "stored": self.sent,
            "states": {row.message_id: row.state for row in rows},
            "accepted": accepted,
            "bundles": sorted(bundles),
            "files": sorted({row.files for row in rows if row.files}),
            "workers": len(left),
        }


def main(url, ledger, kills, stops, failures, seed):
    storm = Storm(url, ledger, int(seed))
    killed = stopped = failed = 0
    while killed < int(kills):
        killed += storm.kill()
    while stopped < int(stops):
        stopped += storm.suspend()
    while failed < int(failures):
        failed += storm.fail(FAILURES[failed % len(FAILURES)])
    storm.finish()
    json.dump({**storm.result(ledger), "killed": killed, "stopped": stopped}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
