"""An app whose mail is sent by workers of Celery or RQ, which die at random points.

Environment: ``URL`` of the database, ``LEDGER`` of the peer, ``REDIS``, ``ENGINE``, and ``POINT``:
the number of the point at which the worker dies as a whole, or 0.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from flask import Flask

from flask_mail import Mail
from flask_mail.backends import Backend, Feature

points = int(os.environ.get("POINT", "0"))


def pass_point():
    global points
    points -= 1
    if points == 0:
        os.kill(os.getppid(), signal.SIGKILL)  # the worker, of which this is a child
        os.killpg(os.getpgrp(), signal.SIGKILL)


class Ledger(Backend[None]):
    """Accepts a message by a line in a file."""

    name = "ledger"
    features = frozenset(Feature)

    def deliver(self, mail, session):
        pass_point()
        with Path(os.environ["LEDGER"]).open("a", encoding="ascii") as ledger:
            ledger.write(f"{mail.message_id}\n")
        pass_point()
        return self.accepted(mail)


app = Flask("shop")
engine = os.environ["ENGINE"]
app.config.update(
    MAIL_DEFAULT_SENDER="shop@example.com",
    MAIL_MAILERS={
        "default": {
            "BACKEND": "queue",
            "MAILER": "ledger",
            "URL": os.environ["URL"],
            "LEASE": 60,
            "WAKE": f"flask_mail_queue.{engine}:wake_up",
        },
        "ledger": {"BACKEND": Ledger},
    },
    RQ_CONNECTION=os.environ["REDIS"],
)
mail = Mail(app)

if engine == "celery":
    from celery import Celery, Task

    class FlaskTask(Task):
        def __call__(self, *args, **kwargs):
            with app.app_context():
                return self.run(*args, **kwargs)

    celery = Celery("shop", broker=os.environ["REDIS"], task_cls=FlaskTask)
    celery.conf.update(
        # Redis delivers tasks of dead workers again, and those that take longer than a second.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        broker_transport_options={"visibility_timeout": 1},
        broker_connection_retry_on_startup=True,
        worker_prefetch_multiplier=1,
        include=["flask_mail_queue.celery"],
    )
    celery.set_default()
else:
    from flask_rq import RQ

    RQ(app)
