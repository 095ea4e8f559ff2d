"""Looks for values that break a promise, for as long as it is told to."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

import flask_mail

sys.path.insert(0, str(Path(__file__).parents[1]))
from fuzz.targets import SEEDS, TARGETS, VALUES, seeds_of

SLOW = 1.0
"""Seconds that no value may take: at the lengths that are allowed, quadratic time is longer."""

PACKAGE = Path(flask_mail.__file__).parent

_WATCHED = {
    *(PACKAGE / "address").glob("*.py"),
    *(PACKAGE / "mime").glob("*.py"),
    *(PACKAGE / "message" / name for name in ("parse.py", "rendering.py", "validation.py")),
    PACKAGE / "util" / "text.py",
}


class Watch:
    """Branches of the code that were taken so far."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, int, int]] = set()

    def is_new(self, run: Callable[[], None]) -> bool:
        """Return True if `run` takes a branch that no earlier run took."""
        before = len(self._seen)
        others = sys.gettrace()
        sys.settrace(self._enter)
        try:
            run()
        finally:
            sys.settrace(others)
        return len(self._seen) > before

    def _enter(self, frame: FrameType, event: str, arg: object) -> Any:
        path = Path(frame.f_code.co_filename)
        if path not in _WATCHED:
            return None
        last = 0

        def step(frame: FrameType, event: str, arg: object) -> Any:
            nonlocal last
            self._seen.add((str(path), last, frame.f_lineno))
            last = frame.f_lineno
            return step

        return step


def keep(target: str, value: Any) -> None:
    """Add a value to the seeds."""
    line = json.dumps(value)
    if line not in {json.dumps(each) for each in seeds_of(target)}:
        with (SEEDS / f"{target}.jsonl").open("a", encoding="ascii") as file:
            file.write(f"{line}\n")


def fuzz(target: str, seconds: float, watch: Watch | None, start: int) -> None:
    """Try values until the time is over; keep and raise what breaks a promise."""
    check = TARGETS[target]
    tried: list[Any] = [None]
    count, slowest, failed = 0, 0.0, False
    interesting: list[Any] = []
    if watch:
        for value in seeds_of(target):
            watch.is_new(lambda value=value: check(value))  # type: ignore[misc]

    end = time.monotonic() + seconds

    @settings(
        max_examples=200,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(VALUES[target])
    def one(value: Any) -> None:
        nonlocal count, slowest, failed
        if time.monotonic() > end and not failed:
            return  # what has failed is shrunk all the same
        count += 1
        try:
            if watch is None:
                began = time.process_time()
                check(value)
                took = time.process_time() - began
                assert took < SLOW
                slowest = max(slowest, took)
            elif watch.is_new(lambda: check(value)):
                interesting.append(value)
        except Exception:
            failed = True
            tried[0] = value
            raise

    number = start
    while time.monotonic() < end:
        try:
            seed(number)(one)()
        except Exception:
            keep(target, tried[0])
            print(f"{target}: {tried[0]!a} breaks a promise:")
            raise
        number += 1
    for value in interesting:
        keep(target, value)
    found = f"{len(interesting)} take new ways" if watch else f"{slowest:.4f} s at most"
    print(f"{target}: {count} values, {found}")


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60, help="for each target (60)")
    parser.add_argument("--keep", action="store_true", help="keep values that take new ways")
    parser.add_argument("--start", type=int, help="the number of the first round (the time)")
    arguments = parser.parse_args(given)
    start = int(time.time()) if arguments.start is None else arguments.start
    for target in arguments.targets or TARGETS:
        fuzz(target, arguments.seconds, Watch() if arguments.keep else None, start)


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
