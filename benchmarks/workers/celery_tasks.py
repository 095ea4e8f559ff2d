"""The task of Celery, as its documentation and that of Flask-Mail show it.

The environment variable ``BENCH_OPTIONS`` has the options of the worker.
"""

from __future__ import annotations

import json
import os
import time

from celery import Celery
from content import SENDER
from flask import Flask

from flask_mail import Mail, Message

OPTIONS = json.loads(os.environ["BENCH_OPTIONS"])
TIMES = f"{OPTIONS['folder']}/celery-times"

flask = Flask(__name__)
flask.config.update(
    MAIL_SERVER=OPTIONS["host"], MAIL_PORT=OPTIONS["port"], MAIL_DEFAULT_SENDER=SENDER
)
mail = Mail(flask)
celery = Celery("celery_tasks", broker=f"redis+socket://{OPTIONS['redis']}")
celery.conf.update(
    task_ignore_result=True,
    broker_transport_options=OPTIONS["settings"].get("options", {}),
)


@celery.task
def deliver(subject: str, reader: str, text: str, html: str) -> None:
    """Send one message."""
    with flask.app_context():
        mail.send(Message(subject, recipients=[reader], body=text, html=html))
    with open(TIMES, "a", encoding="ascii") as file:  # noqa: PTH123
        file.write(f"{time.time()}\n")
