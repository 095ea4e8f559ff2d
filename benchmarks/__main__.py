"""``python -m benchmarks``: measure, print, write."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import delivering, making, measure, queueing, readme, report
from .cells import FULL, QUICK, Group
from .environments import (
    CHECKOUT,
    LIBRARIES,
    NODEMAILER,
    OURS,
    Environments,
    Missing,
    find_python,
)
from .programs import program

NOTES = Path(__file__).resolve().parent / "notes.md"
GROUPS = [*making.GROUPS, *delivering.GROUPS, *queueing.GROUPS]


def families(group: Group) -> tuple[str, str]:
    """Return the names by which a group is chosen: ``queue`` for all of ``queue-...``."""
    return group.name.partition("-")[0], group.name


def arguments() -> argparse.Namespace:
    """Read the command line."""
    names = list(dict.fromkeys(family for group in GROUPS for family in families(group)))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="20 ms only, few messages, each once: five minutes")
    add("--only", action="append", choices=names, metavar="NAME", help=f"of: {', '.join(names)}")
    add("--python", help="the Python for all libraries, 3.12 or newer")
    add("--workdir", type=Path, default=CHECKOUT / ".bench", help="for environments and results")
    add("--queue", type=Path, help="a folder for Postfix's queue (default: for temporary files)")
    add("--limit", type=float, default=2700, help="seconds after which nothing more is started")
    add("--markdown", type=Path, help="write the results here, too")
    add(
        "--write",
        action="store_true",
        help=f"write {readme.RESULTS.name}: not with --quick or --only",
    )
    add("--render", type=Path, metavar="JSON", help="write what an earlier run has found instead")
    parsed = parser.parse_args()
    if parsed.write and (parsed.quick or parsed.only):
        parser.error("--write is for a whole run; --markdown FILE for a part.")
    return parsed


def machine(environments: Environments, libraries: Iterable[str]) -> dict[str, str]:
    """Return what the figures depend on."""
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    version = subprocess.run(
        [program("postconf"), "-dh", "mail_version"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout.strip()
    return {
        "Processor": f"{processor}, {len(os.sched_getaffinity(0))} cores",
        "Kernel": f"{platform.system()} {platform.release()}",
        **environments.versions(LIBRARIES[OURS]),
        "Libraries": ", ".join(libraries),
        "Postfix": version,
    }


def run(parsed: argparse.Namespace) -> dict[str, Any]:
    """Measure what the arguments ask for."""
    program("postfix")
    workdir = parsed.workdir.resolve()
    environments = Environments(workdir, find_python(parsed.python))
    plan = QUICK if parsed.quick else FULL
    groups = [group for group in GROUPS if not parsed.only or {*families(group)} & {*parsed.only}]
    needed = {entry.library for entry in measure.entries_of(groups, plan)}
    pythons = {
        name: environments.python_of(each) for name, each in LIBRARIES.items() if name in needed
    }
    nodemailer: Path | str = ""
    if NODEMAILER in needed:
        try:
            nodemailer = environments.nodemailer()
        except Missing as missing:
            nodemailer = str(missing)
    about = machine(environments, pythons)
    words = ["python -m benchmarks", *(["--quick"] if parsed.quick else [])]
    words += [f"--only {name}" for name in parsed.only or ()]
    (workdir / measure.LOG).unlink(missing_ok=True)
    found = measure.run(
        groups,
        plan,
        pythons=pythons,
        nodemailer=nodemailer,
        folder=workdir,
        queue=parsed.queue,
        limit=parsed.limit,
    )
    today = datetime.datetime.now(datetime.timezone.utc).date()
    results = {"date": today.isoformat(), "command": " ".join(words), "machine": about, **found}
    saved = workdir / f"results-{time.strftime('%Y%m%d-%H%M%S')}.json"
    saved.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten: {saved}\n")
    return results


def main() -> int:
    """Measure, or read what was measured; print and write it."""
    parsed = arguments()
    for number in (signal.SIGINT, signal.SIGTERM):  # the servers are stopped then, too
        signal.signal(number, lambda *_: sys.exit("stopped"))
    results = json.loads(parsed.render.read_text()) if parsed.render else run(parsed)
    print(report.plain(results))
    text = report.markdown(results, NOTES.read_text() if NOTES.exists() else "")
    if parsed.write:
        readme.RESULTS.write_text(text)
        readme.write()
    if parsed.markdown:
        parsed.markdown.write_text(text)
    return 1 if report.failures(results) else 0


if __name__ == "__main__":
    sys.exit(main())
