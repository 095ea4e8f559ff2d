"""The recipe for Celery, started as it is printed, and what a real worker does with receipts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from celery import Celery
from servers import mail_to, smtp_server

from flask_mail import Message

PAGE = Path(__file__).parents[2] / "docs" / "recipes" / "celery.md"
_FILE = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.M | re.S)
_COMMAND = re.compile(r"^celery -A .*$", re.M)


@pytest.fixture
def printed(tmp_path):
    """A folder with the files that the page prints, and its command."""
    text = PAGE.read_text("utf-8")
    for name, body in _FILE.findall(text):
        (tmp_path / name).write_text(body, "utf-8")
    [command] = _COMMAND.findall(text)
    return tmp_path, command


@pytest.mark.exhaustive
def test_the_worker_starts_as_printed(printed):
    folder, command = printed
    # Another broker, in its own memory; and one process is enough.
    options = ["-b", "memory://", *command.split()[1:], "--concurrency", "1"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", *options],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(60, os.killpg, (worker.pid, signal.SIGKILL))
    watchdog.start()
    lines = []
    try:
        assert worker.stdout is not None
        for line in worker.stdout:
            lines.append(line)
            if " ready." in line:
                break
        else:
            pytest.fail("".join(lines))
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=60)
        assert worker.returncode == 0
    finally:
        watchdog.cancel()
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait(60)


def test_celery_finds_its_app_and_the_task(printed):
    program = """
from celery.app.utils import find_app
from celery import Celery

app = find_app("tasks")
assert type(app) is Celery
assert "tasks.deliver" in app.tasks
"""
    subprocess.run([sys.executable, "-c", program], cwd=printed[0], check=True, timeout=60)


def test_a_receipt_is_the_result_of_a_task():
    """As a result backend gets it, in JSON."""
    queue = Celery("shop", broker="memory://", backend="cache+memory://")
    queue.conf.update(task_always_eager=True, task_store_eager_result=True)
    with smtp_server() as server:
        mail = mail_to(server.port)

        @queue.task
        def deliver(record):
            return mail.send(Message.from_dict(record))

        message = Message("Hello", ["ann@example.com"], "Hi", sender="me@example.com")
        result = deliver.delay(message.to_dict())

    stored = json.loads(queue.backend.get(queue.backend.get_key_for_task(result.id)))
    assert stored["status"] == "SUCCESS"
    assert stored["result"]["outcome"] == "sent"
    assert stored["result"]["message_id"] == message.msgId
