"""Celery with Redis: a task for each message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import redis
from content import HTML, SUBJECT, TEXT

_COMMAND = ["-m", "celery", "-A", "celery_tasks", "worker", "-c", "1", "-l", "error"]
_LIMIT = 90.0  # seconds


class Sender:
    """An app that hands its mail over to Celery."""

    def __init__(self, options: dict[str, Any]) -> None:
        os.environ["BENCH_OPTIONS"] = json.dumps(options)
        import celery_tasks

        self._tasks = celery_tasks
        self._redis = redis.Redis(unix_socket_path=options["redis"])

    def reset(self) -> None:
        """Empty the broker."""
        self._redis.flushall()

    def enqueue(self, readers: list[str], way: str) -> None:
        """Store a task for each: there are no transactions."""
        for each in readers:
            self._tasks.deliver.delay(SUBJECT, each, TEXT, HTML)

    def dispatch(self, processes: int) -> float:
        """Run a worker of one process until nothing is left; return the seconds.

        The time for its start is no part of it: each task notes when it has ended.
        """
        times = Path(self._tasks.TIMES)
        times.unlink(missing_ok=True)
        until = time.monotonic() + _LIMIT
        with subprocess.Popen([sys.executable, *_COMMAND]) as worker:
            while self.left() and time.monotonic() < until:
                time.sleep(0.05)
            worker.terminate()
        ended = [float(each) for each in times.read_text().split()] if times.exists() else []
        if len(ended) < 2:
            return 0.0
        return (ended[-1] - ended[0]) * len(ended) / (len(ended) - 1)

    def left(self) -> int:
        """Return the number of tasks that are waiting, or are not acknowledged."""
        return int(self._redis.llen("celery")) + int(self._redis.hlen("unacked"))

    def unknown(self) -> list[str]:
        """Return nothing: it does not know."""
        return []
