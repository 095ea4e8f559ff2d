"""``python -m benchmarks.composing``: what mailers made of others cost beside a plain mailer.

All of it in one process, in turns, so that the ratios hold on a busy machine too. Needs Postfix's
smtp-sink, and root for the line.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from flask import Flask

from flask_mail import Mail, Message, Outgoing
from flask_mail.backends.null import NullBackend
from flask_mail.backends.routes import RoutesBackend

from .network import SERVERS, enter_servers, lines
from .servers import sink

TURNS = {0: 300, 20: 100}  # by the milliseconds of a round trip
OPTIONS = "keepalive=60&pool_size=4"  # all apps of a process share the idle connections to a server
CONDITIONS = (
    lambda number: {"tag": f"tag-{number}"},
    lambda number: {"to": f"*@shop-{number}.example.com"},
    lambda number: {"sender": f"shop-{number}@example.com"},
    lambda number: {"metadata": {"shop": str(number)}},
)


def compare(calls: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Return the median seconds of each call; they take turns."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(turns + 10):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number >= 10:
                samples[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in samples.items()}


def letter() -> Message:
    """Return a message that no rule matches."""
    fields: dict[str, Any] = {"tags": ["welcome"], "metadata": {"shop": "none"}}
    return Message("Hi", ["ann@example.org"], "Hello, Ann.", sender="me@example.net", **fields)


def plain() -> Message:
    """Return a message that every backend can deliver."""
    return Message("Hi", ["ann@example.org"], "Hello, Ann.", sender="me@example.net")


def sending(default: object, **mailers: object) -> Callable[[], object]:
    """Return a function that sends a message by an app with these mailers."""
    app = Flask("bench")
    app.config["MAIL_MAILERS"] = {"default": default, **mailers}
    mail = Mail(app)
    return lambda: mail.send(plain())


def failover(server: str, turns: int) -> None:
    """Print what failover costs beside a plain mailer of the same server."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        down = f"smtp://127.0.0.1:{unused.getsockname()[1]}"
    tables = {"BACKEND": "failover", "MAILERS": ["one", "two"]}
    found = compare(
        {
            "plain": sending(server),
            "healthy": sending(tables, one=server, two=down),
            "at rest": sending(tables, one=down, two=server),
        },
        turns,
    )
    for name in ("healthy", "at rest"):
        print(
            f"failover, first mailer {name}: {found[name] * 1e6:.0f} µs, plain"
            f" {found['plain'] * 1e6:.0f} µs, ratio {found[name] / found['plain']:.3f}"
        )


def routes() -> None:
    """Print what 20 rules cost, of which the last one applies."""
    rules: list[dict[str, Any]] = [
        {**CONDITIONS[number % 4](number), "mailer": "bulk"} for number in range(19)
    ]
    target = NullBackend()
    backend = RoutesBackend.from_options(
        {"rules": [*rules, {"mailer": "bulk"}]}, lambda reference: target
    )
    mail = Outgoing.of(letter())
    found = compare({"routes": lambda: backend.route(mail), "send": sending("null")}, 2000)
    print(
        f"routes, 20 rules: {found['routes'] * 1e6:.1f} µs, mail.send to null"
        f" {found['send'] * 1e6:.1f} µs, ratio {found['routes'] / found['send']:.2f}"
    )


def main() -> None:
    """Measure and print; each line in a process at its end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.composing", description=__doc__)
    parser.add_argument("--server", help=argparse.SUPPRESS)
    parser.add_argument("--turns", type=int, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.server is not None:
        failover(parsed.server, parsed.turns)
        return
    enter_servers()
    with ExitStack() as stack:
        server = f"smtp://{SERVERS}:{stack.enter_context(sink())}?{OPTIONS}"
        for milliseconds, prefix in stack.enter_context(lines(TURNS)).items():
            print(f"{milliseconds} ms round trip:", flush=True)
            own = [*prefix, sys.executable, "-m", "benchmarks.composing", "--server", server]
            subprocess.run([*own, "--turns", str(TURNS[milliseconds])], check=True)
    routes()


if __name__ == "__main__":
    main()
