"""``python -m benchmarks.storm``: a long storm of Flask-Mail-Queue.

Workers are killed and suspended at random points; then each message must have been accepted at most
once, and have the right outcome. Runs the test of the plugin, which has to be installed with its
extra ``test``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from .environments import CHECKOUT

PLUGIN = CHECKOUT / "plugins" / "flask-mail-queue"


def main() -> int:
    """Run the storm."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storm", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="of workers, for each database")
    parser.add_argument("--only", help="sqlite or postgresql; default: both")
    parsed = parser.parse_args()
    command = [sys.executable, "-m", "pytest", "-v", "-rs", str(PLUGIN / "tests/test_storm.py")]
    if parsed.only:
        command += ["-k", parsed.only]
    environment = {**os.environ, "MAIL_QUEUE_KILLS": str(parsed.kills)}
    return subprocess.run(command, check=False, cwd=PLUGIN, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
