"""Workers of the queue that die while they send: nothing is sent twice, nothing left unknown.

The environment variable ``MAIL_QUEUE_KILLS`` sets the number of kills.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("flask_mail_queue")

KILLS = int(os.environ.get("MAIL_QUEUE_KILLS", "8"))
STOPS = max(KILLS // 4, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forks")
def test_workers_that_die_send_everything_once(tmp_path):
    seed = random.SystemRandom().randrange(1_000_000)
    program = Path(__file__).parent / "storm_over_resend.py"
    arguments = [f"sqlite:///{tmp_path}/mail.db", tmp_path / "ledger", KILLS, STOPS, seed]
    done = subprocess.run(
        list(map(str, [sys.executable, program, *arguments])),
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
    found = json.loads(done.stdout)

    assert len(found["states"]) == found["stored"], f"seed {seed}: rows are lost"
    assert set(found["states"].values()) == {"sent"}, f"seed {seed}: {found['states']}"
    assert found["accepted"] == dict.fromkeys(found["states"], 1), f"seed {seed}: sent twice"
    assert found["killed"] >= KILLS
    assert found["stopped"] >= STOPS
    assert found["workers"] == 0
