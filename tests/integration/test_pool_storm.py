"""Many threads, few idle connections and a server that closes at random; and forks in between."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fault_server import fault_server
from faults import CLOSING, TRANSACTION, Fault
from servers import mail_to

from flask_mail import DeliveryError, Message, Outcome
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.smtp.growth import Growth

pytestmark = pytest.mark.exhaustive

SUPPORT = str(Path(__file__).parents[1] / "support")

THREADS, SENDS, POOL = 16, 500, 4
SEED = 20260

MODES = [(), ("PIPELINING",), ("CHUNKING",), ("PIPELINING", "CHUNKING")]


class Weather:
    """Closes one of the connections now and then, at any stage of a transaction; always the same
    for the same connection and message."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def extensions(self, connection: int) -> tuple[str, ...]:
        return MODES[connection % len(MODES)]

    def choose(self, stage: str, connection: int, message: int) -> Fault | None:
        dice = random.Random(f"{self._seed} {connection} {message}")
        if stage not in TRANSACTION or dice.random() > 0.06:
            return None
        fault = Fault(dice.choice(TRANSACTION), dice.choice(CLOSING), None, dice.random() < 0.5)
        return fault if fault.stage == stage else None


def outcome_of(mail, number):
    message = Message(
        f"Number {number}",
        ["a@example.com", "b@example.com", "c@example.com"],
        f"For {number} alone.",
        sender=f"from{number}@example.com",
    )
    try:
        receipt = mail.send(message)
    except DeliveryError as error:
        receipt = error.receipt
    assert receipt.message_id == message.msgId
    return receipt.outcome


def number_of(accepted):
    number = int(accepted.sender.removeprefix("from").removesuffix("@example.com"))
    assert f"Subject: Number {number}\r\n".encode() in accepted.content
    assert f"\r\n\r\nFor {number} alone.".encode() in accepted.content
    return number


def test_pool_under_contention_reports_each_outcome():
    """Each of 8,000 is accepted once at most, and each receipt agrees with the server's record."""
    start = threading.Barrier(THREADS)
    weather = Weather(SEED)
    options = {"choose": weather.choose, "extensions": weather.extensions, "connections": 10_000}

    def work(thread):
        start.wait(30)
        numbers = range(thread, THREADS * SENDS, THREADS)
        return [(number, outcome_of(mail, number)) for number in numbers]

    with fault_server(**options) as server:
        mail = mail_to(server.port, MAIL_BACKEND=SmtpBackend, MAIL_POOL_SIZE=POOL, MAIL_TIMEOUT=60)
        with ThreadPoolExecutor(THREADS) as pool:
            told = dict(pair for pairs in pool.map(work, range(THREADS)) for pair in pairs)
        server.wait_for_open(POOL)
    assert server.violations == []
    accepted = Counter(number_of(each) for each in server.accepted)
    assert set(accepted.values()) == {1}
    wrong = {
        number: outcome
        for number, outcome in told.items()
        if outcome is not Outcome.UNKNOWN and (outcome is Outcome.SENT) != (number in accepted)
    }
    assert wrong == {}
    assert sorted(told) == list(range(THREADS * SENDS))
    # All of it came to pass, or the weather was too fair.
    counts = Counter(told.values())
    assert counts[Outcome.SENT] > 0.9 * len(told)
    assert counts[Outcome.UNKNOWN] > 10
    assert {fault.stage for fault, _, _ in server.fired} == set(TRANSACTION)


@pytest.mark.parametrize("connections", [1, 3, 8])
def test_batches_over_several_connections_report_each_outcome(connections, monkeypatch):
    """Each of 4,000 is accepted once at most, and each receipt agrees with the server's record."""
    monkeypatch.setattr(Growth, "seconds_left", lambda self, count: 0.0)  # opens them eagerly
    threads, batches, size = 4, 20, 50
    weather = Weather(SEED + connections)
    options = {"choose": weather.choose, "extensions": weather.extensions, "connections": 10_000}

    def message(number):
        return Message(
            f"Number {number}",
            ["a@example.com", "b@example.com", "c@example.com"],
            f"For {number} alone.",
            sender=f"from{number}@example.com",
        )

    def work(thread):
        found = []
        for batch in range(batches):
            first = (thread * batches + batch) * size
            numbers = range(first, first + size)
            messages = [message(number) for number in numbers]
            receipts = mail.send_many(iter(messages))
            assert [each.message_id for each in receipts] == [each.msgId for each in messages]
            found += zip(numbers, (each.outcome for each in receipts), strict=True)
        return found

    with fault_server(**options) as server:
        mail = mail_to(
            server.port,
            MAIL_BACKEND=SmtpBackend,
            MAIL_POOL_SIZE=POOL,
            MAIL_TIMEOUT=60,
            MAIL_BATCH_CONNECTIONS=connections,
        )
        with ThreadPoolExecutor(threads) as pool:
            told = dict(pair for pairs in pool.map(work, range(threads)) for pair in pairs)
        server.wait_for_open(POOL)
    assert server.violations == []
    accepted = Counter(number_of(each) for each in server.accepted)
    assert set(accepted.values()) == {1}
    wrong = {
        number: outcome
        for number, outcome in told.items()
        if outcome is not Outcome.UNKNOWN and (outcome is Outcome.SENT) != (number in accepted)
    }
    assert wrong == {}
    assert sorted(told) == list(range(threads * batches * size))
    counts = Counter(told.values())
    assert counts[Outcome.SENT] > 0.8 * len(told)
    assert counts[Outcome.UNKNOWN] > 10


FORKING = """\
import os, sys
sys.path.insert(0, sys.argv[2])
from flask_mail import Message
from servers import mail_to

def send(who, count):
    for number in range(count):
        sender = f"{who}{number}@example.com"
        assert mail.send(Message("Hello", ["to@example.com"], "Hi", sender=sender)).sent

mail = mail_to(int(sys.argv[1]), MAIL_POOL_SIZE=4)
with mail.connect(), mail.connect():
    pass
send("before", 2)
child = os.fork()
send("parent" if child else "child", 20)
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    send("after", 2)
"""

FORKING_BESIDE_THREADS = """\
import os, sys, threading
from concurrent.futures import ThreadPoolExecutor
sys.path.insert(0, sys.argv[2])
from flask_mail import Message
from servers import mail_to

def send(who, count):
    for number in range(count):
        sender = f"{who}-{number}@example.com"
        assert mail.send(Message("Hello", ["to@example.com"], "Hi", sender=sender)).sent
        sent.release()

mail = mail_to(int(sys.argv[1]), MAIL_POOL_SIZE=4)
sent = threading.Semaphore(0)
with ThreadPoolExecutor(4) as threads:
    done = [threads.submit(send, f"parent{n}", 50) for n in range(4)]
    for number in range(3):
        for _ in range(30):
            assert sent.acquire(timeout=30)
        child = os.fork()
        if not child:
            send(f"child{number}", 5)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for each in done:
        each.result()
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def run(program, server):
    # Python 3.12 warns of forks beside threads, which is what this is about.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    subprocess.run([*command, str(server.port), SUPPORT], check=True, timeout=90)


def connections_of(server, who):
    return {each.connection for each in server.accepted if each.sender.startswith(who)}


@needs_fork
@pytest.mark.parametrize("mode", MODES, ids="-".join)
def test_child_opens_its_own_connections_and_parent_keeps_its_pool(mode):
    """Nothing that a child says, or leaves unsaid at its end, comes between its parent's words."""
    with fault_server(extensions=mode) as server:
        run(FORKING, server)
    assert len(server.accepted) == len({each.sender for each in server.accepted}) == 2 + 40 + 2
    assert server.violations == []
    assert len(server.conversations) == 3
    own = {who: connections_of(server, who) for who in ("before", "parent", "child", "after")}
    assert own["before"] == own["parent"] == own["after"]
    assert own["before"] < {1, 2}
    assert own["child"] == {3}
    # Each says goodbye at its exit, on its own connections alone.
    assert [each.commands.count("QUIT") for each in server.conversations] == [1, 1, 1]


@needs_fork
def test_forks_beside_threads_that_send_leave_every_message_to_arrive_once():
    with fault_server(extensions=MODES[-1], connections=500) as server:
        run(FORKING_BESIDE_THREADS, server)
    senders = [each.sender for each in server.accepted]
    assert len(senders) == len(set(senders)) == 4 * 50 + 3 * 5
    assert server.violations == []
    parents = connections_of(server, "parent")
    children = [connections_of(server, f"child{number}") for number in range(3)]
    assert all(len(each) == 1 for each in children)
    assert len(parents.union(*children)) == len(parents) + 3
