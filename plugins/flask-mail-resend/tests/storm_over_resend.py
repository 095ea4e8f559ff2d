"""The storm of the queue, with Resend as the service, as a program.

``python storm_over_resend.py URL LEDGER KILLS STOPS SEED`` prints what is in the database and what
Resend has accepted, as JSON. Workers are killed and suspended at random points, also while they
talk to Resend, which sometimes closes the connection without an answer, before or after it has
accepted a message. It runs in a process of its own.
"""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "flask-mail-queue" / "tests"))

from flask_mail_queue.database.schema import State, now
from flask_mail_resend import ResendBackend
from service import ACCEPT_AND_HANG_UP, HANG_UP, KEY, Service
from storm import Storm

ROUNDS = 50
ODDS = 0.1


class Dying(ResendBackend):
    """Passes points at which its process may die."""

    name = "dying"

    def point(self):
        """Replaced in a worker."""

    def request(self, mail):
        self.point()
        return super().request(mail)

    def outcome(self, mail, answer):
        self.point()
        return super().outcome(mail, answer)


class StormOverResend(Storm):
    def mailer(self, ledger):
        return {"BACKEND": Dying, "KEY": KEY, "URL": ledger, "TIMEOUT": 30}

    def enqueue(self):
        super().enqueue()
        self.make_due()

    def make_due(self):
        """Let rows that wait for another attempt be due, and return their number."""
        queue = self.store.tables.queue
        waiting = queue.update().where(queue.c.state == State.QUEUED.value)
        with self.store.begin() as connection:
            count = connection.execute(waiting.values(due_at=now())).rowcount
        self.store.dispose()
        return count

    def finish_all(self):
        for _ in range(ROUNDS):
            self.finish()
            if not self.make_due():
                return
        raise SystemExit("Rows are left.")


def start_resend(ledger, seed):
    """Start the service; return its process and its URL. At the end it writes what it accepted."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        with os.fdopen(reading) as pipe:
            return process, pipe.read()
    chance = random.Random(seed)
    with Service() as service:
        service.decide = lambda _: (
            chance.choice((HANG_UP, ACCEPT_AND_HANG_UP)) if chance.random() < ODDS else None
        )
        os.write(writing, service.url.encode())
        os.close(writing)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        try:
            service.serve_forever()
        finally:
            tags = [
                {each["name"]: each["value"] for each in one["tags"]} for one in service.accepted
            ]
            ids = [base64.urlsafe_b64decode(each["flask_mail_id"] + "==").decode() for each in tags]
            Path(ledger).write_text("\n".join(ids), encoding="ascii")
            os._exit(0)


def main(url, ledger, kills, stops, seed):
    process, resend = start_resend(ledger, int(seed))
    try:
        storm = StormOverResend(url, resend, int(seed))
        killed = stopped = 0
        while killed < int(kills):
            killed += storm.kill()
        while stopped < int(stops):
            stopped += storm.suspend()
        storm.finish_all()
    finally:
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)
    json.dump({**storm.result(ledger), "killed": killed, "stopped": stopped}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
