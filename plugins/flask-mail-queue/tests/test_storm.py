"""Workers that are killed and suspended: nothing is sent twice, and nothing is lost.

The environment variable ``MAIL_QUEUE_KILLS`` sets the number of kills for each database.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from storm import WINDOW

KILLS = int(os.environ.get("MAIL_QUEUE_KILLS", "32"))
STOPS = max(KILLS // 4, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forks")
def test_workers_that_die_send_nothing_twice_and_lose_nothing(url, tmp_path):
    seed = random.SystemRandom().randrange(1_000_000)
    arguments = [url, tmp_path / "ledger", KILLS, STOPS, seed]
    storm = [sys.executable, Path(__file__).parent / "storm.py", *arguments]
    done = subprocess.run(list(map(str, storm)), capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
    found = json.loads(done.stdout)
    states, accepted = found["states"], found["accepted"]
    of = {state: {each for each in states if states[each] == state} for state in states.values()}
    sent, unknown = of.get("sent", set()), of.get("unknown", set())

    assert len(states) == found["stored"], f"seed {seed}: rows are lost"
    assert set(of) <= {"sent", "unknown"}, f"seed {seed}: rows are left over"
    assert set(accepted.values()) == {1}, f"seed {seed}: a message was sent twice"
    assert sent == accepted.keys() - unknown, f"seed {seed}: an outcome is wrong"
    assert len(unknown) <= (found["killed"] + found["stopped"]) * WINDOW
    assert found["killed"] >= KILLS
    assert found["stopped"] >= STOPS
    assert found["workers"] == 0
