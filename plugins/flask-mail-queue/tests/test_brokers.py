"""Real Redis, with workers of Celery and RQ that are killed whole: nothing is sent twice."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

HERE = Path(__file__).parent
ROUNDS = 3
PER_ROUND = 3
# Sends messages, as a web server does.
SENDING = f"""
from broker_shop import app, mail
from flask_mail import Message

with app.app_context():
    for number in range({PER_ROUND}):
        assert mail.send(Message("Hello", ["ann@example.com"], "Hello.")).outcome.value == "queued"
"""
WORKERS = {
    "celery": ["celery", "-A", "broker_shop:celery", "worker", "-c", "1", "-P", "prefork"],
    "rq": ["flask", "--app", "broker_shop", "rq", "worker"],
}
MODULES = {"celery": "celery", "rq": "flask_rq"}


@pytest.fixture
def redis(tmp_path):
    """The URL of a Redis server."""
    if shutil.which("redis-server") is None:
        pytest.skip("Redis is not installed")
    path = tmp_path / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", tmp_path]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert any("ready to accept connections" in line.lower() for line in process.stdout)
            yield path
        finally:
            process.kill()


class Broker:
    """The app, the queue and the workers of an engine."""

    def __init__(self, engine, redis, folder):
        self.engine = engine
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.url = f"sqlite:///{folder}/mail.db"
        scheme = "redis+socket" if engine == "celery" else "unix"
        self.environment = {
            **os.environ,
            "ENGINE": engine,
            "URL": self.url,
            "LEDGER": str(self.ledger),
            "REDIS": f"{scheme}://{redis}",
            "PYTHONPATH": str(HERE),
        }
        self.log = folder / "log"

    def python(self, *arguments):
        subprocess.run(
            [sys.executable, *arguments], env=self.environment, check=True, timeout=120, cwd=HERE
        )

    @contextmanager
    def worker(self, point=0):
        """Run a worker, which dies as a whole at a point, or is killed at the end."""
        with (
            self.log.open("ab") as log,
            subprocess.Popen(
                [sys.executable, "-m", *WORKERS[self.engine]],
                env={**self.environment, "POINT": str(point)},
                cwd=HERE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            ) as process,
        ):
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def execute(self, statement):
        engine = create_engine(self.url)
        with engine.begin() as connection:
            found = connection.execute(text(statement))
            rows = [tuple(row) for row in found] if found.returns_rows else []
        engine.dispose()
        return rows

    def states(self):
        return dict(self.execute("SELECT message_id, state FROM mail_queue"))


@pytest.mark.parametrize("engine", ["celery", "rq"])
def test_workers_that_are_killed_whole_send_nothing_twice(engine, redis, tmp_path):
    if importlib.util.find_spec(MODULES[engine]) is None:
        pytest.skip(f"{engine} is not installed")
    seed = random.SystemRandom().randrange(1_000_000)
    chance = random.Random(seed)
    broker = Broker(engine, redis, tmp_path)
    broker.python("-m", "flask", "--app", "broker_shop", "mail", "queue", "create")
    for _ in range(ROUNDS):
        broker.python("-c", SENDING)
        with broker.worker(chance.randint(1, 2 * PER_ROUND)) as process:
            assert process.wait(120) == -signal.SIGKILL, f"seed {seed}: {broker.log.read_text()}"
        broker.execute("UPDATE mail_queue_worker SET until = 0")
    broker.python("-c", SENDING)
    with broker.worker() as process:
        final = {"sent", "unknown"}
        for _ in range(1200):
            if set(broker.states().values()) <= final:
                break
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)
    states = broker.states()
    accepted = Counter(broker.ledger.read_text("ascii").split())
    about = f"seed {seed}: {json.dumps(states)} {dict(accepted)}"
    assert len(states) == (ROUNDS + 1) * PER_ROUND, about
    assert set(states.values()) <= final, about
    assert set(accepted.values()) == {1}, f"{about}: a message was sent twice"
    sent = {each for each, state in states.items() if state == "sent"}
    unknown = states.keys() - sent
    assert sent == accepted.keys() - unknown, about
    assert len(unknown) <= ROUNDS * 5, about
