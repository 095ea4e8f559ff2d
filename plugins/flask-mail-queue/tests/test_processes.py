"""Several workers of one command.

The environment variable ``MAIL_QUEUE_DUE`` sets the number of messages for eight of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask.cli import ScriptInfo
from flask_mail_queue.cli.work import work
from flask_mail_queue.database.store import Store
from flask_mail_queue.worker.stopping import Interrupted, Stop
from flask_mail_queue.worker.supervisor import Supervisor
from shop import Shop
from sqlalchemy import create_engine, select, text

DUE = int(os.environ.get("MAIL_QUEUE_DUE", "200"))

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forks")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/mail.db"


@contextmanager
def command(url, *arguments):
    """Run ``flask mail work`` in a process of its own."""
    program = [sys.executable, Path(__file__).parent / "processes.py", url, *arguments]
    with subprocess.Popen(
        list(map(str, program)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process, beginning):
    """Return the rest of the next line of its output that begins so."""
    for line in process.stdout:
        if line.startswith(beginning):
            return line.removeprefix(beginning).strip()
    raise AssertionError(f"no line begins with {beginning!r}: {process.stderr.read()}")


def test_two_processes_send_what_is_due_and_end(shop, url):
    for number in range(12):
        shop.send(f"Mail {number}")
    with command(url, "--processes", "2", "--once", "--batch", "3") as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output.count("Worker: ") == 2
    assert sorted(output.splitlines()).count("Messages: 0") < 2
    assert shop.states() == ["sent"] * 12


def deadlocks(shop):
    """Return the number of deadlocks since the server was started."""
    found = {
        "postgresql": "SELECT sum(deadlocks) FROM pg_stat_database",
        "mariadb": "SELECT variable_value FROM information_schema.global_status"
        " WHERE variable_name = 'INNODB_DEADLOCKS'",
    }
    with shop.store.begin() as connection:
        return int(connection.scalar(text(found[connection.dialect.name])))


def test_eight_processes_send_each_message_once_without_a_deadlock(server):
    with Shop(server.url) as shop:
        shop.store.metadata.drop_all(shop.store.engine)
        shop.store.create()
        for number in range(DUE):
            shop.send(f"Mail {number}")
        before = deadlocks(shop)
        with command(server.url, "--processes", "8", "--once", "--batch", "20") as process:
            output, errors = process.communicate()
        assert process.returncode == 0, errors
        sent = Counter(each for each in output.splitlines() if each.startswith("Sending: "))
        assert len(sent) == DUE
        assert set(sent.values()) == {1}
        assert set(shop.states()) == {"sent"}
        assert "database of the queue fails" not in errors
        assert deadlocks(shop) == before


def test_a_process_that_dies_is_replaced_until_sigterm(shop, url):
    with command(url, "--processes", "2") as process:
        first, second = (int(until(process, "Worker: ")) for _ in range(2))
        os.kill(first, signal.SIGKILL)
        third = int(until(process, "Worker: "))
        assert third not in (first, second)
        shop.send()
        assert until(process, "Sending: ") == "Hello"
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output.count("Messages: ") == 2, "both of them have ended by themselves"
    assert f"Worker {first} ended with signal 9" in errors
    assert shop.states() == ["sent"]


def test_a_signal_to_all_processes_interrupts_none_of_them(shop, url):
    """As a service manager sends it to all processes of a service."""
    shop.send("wait")
    with command(url, "--processes", "2") as process:
        workers = [int(until(process, "Worker: ")) for _ in range(2)]
        until(process, "Sending: ")
        for each in (process.pid, *workers):
            os.kill(each, signal.SIGTERM)
        until(process, "Messages: ")  # the one that sends nothing ends
        _, errors = process.communicate()  # ends the wait of the other one
    assert process.returncode == 0, errors
    assert shop.states() == ["sent"]


def test_a_second_signal_interrupts_the_workers(shop, url):
    shop.send("wait")
    with command(url, "--processes", "2") as process:
        until(process, "Sending: ")
        process.send_signal(signal.SIGTERM)
        until(process, "Messages: ")
        process.send_signal(signal.SIGTERM)
        output = process.stdout.read()  # until the last one has ended
        assert process.wait() == 1, output
        assert "Interrupted while mail was being sent" in process.stderr.read()
    assert shop.states() == ["unknown"]


def test_an_interrupt_after_the_end_of_a_worker_is_raised(monkeypatch):
    supervisor, wait = Supervisor(lambda: 0, Stop(), replace=False), os.waitpid

    def wait_and_interrupt(process, options):
        if wait(process, options)[0]:
            raise Interrupted
        return 0, 0

    monkeypatch.setattr(os, "waitpid", wait_and_interrupt)
    with pytest.raises(Interrupted):
        supervisor.run(1)


def test_workers_end_if_the_command_is_killed(shop, url):
    with command(url, "--processes", "2") as process:
        for _ in range(2):
            until(process, "Worker: ")
        process.kill()
        assert process.stdout.read().count("Messages: 0") == 2
    with shop.store.begin() as connection:
        assert connection.execute(select(shop.store.tables.worker)).all() == []


def test_a_worker_that_cannot_start_fails_the_command(shop, url):
    shop.store.tables.attempt.drop(shop.store.engine)
    with command(url, "--processes", "2", "--once") as process:
        _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.count("flask mail queue create") == 2
    assert errors.endswith("Error: A worker has failed.\n")


def test_processes_cannot_share_a_database_in_memory():
    with Shop("sqlite://") as shop:
        info = ScriptInfo(create_app=lambda: shop.app)
        done = shop.app.test_cli_runner().invoke(work, ["--processes", "2"], obj=info)
    assert "cannot share a database in memory" in done.output


def test_the_engine_of_the_app_is_not_shared_with_a_fork(url):
    engine = create_engine(url)
    store = Store(engine)
    with engine.connect():
        pass
    assert engine.pool.checkedin() == 1
    before = engine.pool
    store.after_fork()
    assert engine.pool is not before
    before.dispose()
    engine.dispose()
