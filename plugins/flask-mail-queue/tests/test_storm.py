"""Workers that are killed and suspended: nothing is sent twice, and nothing is lost.

The environment variable ``MAIL_QUEUE_KILLS`` sets the number of kills for each database. Servers
are also restarted, and end connections, while workers send.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from storm import FAILURES, WINDOW

KILLS = int(os.environ.get("MAIL_QUEUE_KILLS", "32"))
STOPS = max(KILLS // 4, 1)
ROUNDS = max(KILLS // 40, 1) * len(FAILURES)


def run_storm(errors, arguments, failures):
    """Run a storm, let the server fail when it says so; return its exit status and its result.

    :param failures: functions by the line that the storm prints.
    """
    program = [sys.executable, Path(__file__).parent / "storm.py", *arguments]
    count, line = 0, ""
    with (
        errors.open("w") as file,
        subprocess.Popen(
            list(map(str, program)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        ) as storm,
    ):
        limit = threading.Timer(1800, storm.kill)
        limit.start()
        try:
            for line in storm.stdout:
                if line.strip() in failures:
                    failures[line.strip()]()
                    count += 1
                    storm.stdin.write("\n")
                    storm.stdin.flush()
        finally:
            limit.cancel()
    return storm.returncode, line, count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forks")
def test_workers_that_die_send_nothing_twice_and_lose_nothing(database, tmp_path):
    seed = random.SystemRandom().randrange(1_000_000)
    failures = {}
    if not database.url.startswith("sqlite"):
        failures = {"restart": database.restart, "end": database.end_connections}
    rounds = ROUNDS if failures else 0
    arguments = [database.url, tmp_path / "ledger", KILLS, STOPS, rounds, seed]
    status, output, failed = run_storm(tmp_path / "errors", arguments, failures)
    assert status == 0, f"seed {seed}: {output}{(tmp_path / 'errors').read_text()}"
    found = json.loads(output)
    states, accepted = found["states"], found["accepted"]
    of = {state: {each for each in states if states[each] == state} for state in states.values()}
    sent, unknown = of.get("sent", set()), of.get("unknown", set())

    assert len(states) == found["stored"], f"seed {seed}: rows are lost"
    assert set(of) <= {"sent", "unknown"}, f"seed {seed}: rows are left over"
    assert set(accepted.values()) == {1}, f"seed {seed}: a message was sent twice"
    assert sent == accepted.keys() - unknown, f"seed {seed}: an outcome is wrong"
    # None of a failure of the server: the results are kept until it is back.
    assert len(unknown) <= (found["killed"] + found["stopped"]) * WINDOW
    assert found["killed"] >= KILLS
    assert found["stopped"] >= STOPS
    assert failed == rounds
    assert found["workers"] == 0
    assert found["bundles"] == found["files"], f"seed {seed}: attachments are lost or left over"
    assert len(found["files"]) <= len(unknown)
