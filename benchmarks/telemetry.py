"""``python -m benchmarks.telemetry``: what traces and metrics add to a send.

Messages go to the null backend, in turns with and without telemetry, in one process. Spans and
measurements are made by the SDK and dropped. Needs the libraries of the group ``tests``.
"""

from __future__ import annotations

import statistics
import time

from flask import Flask
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from flask_mail import Mail, Message
from flask_mail.telemetry import instrument

TURNS, MESSAGES = 40, 200


def shop(*, is_traced: bool) -> Mail:
    """Return the Mail of a new app."""
    app = Flask("shop")
    app.config.update(MAIL_BACKEND="null", MAIL_DEFAULT_SENDER="shop@example.com")
    if is_traced:
        tracers, meters = TracerProvider(), MeterProvider([InMemoryMetricReader()])
        instrument(app, tracer_provider=tracers, meter_provider=meters)
    return Mail(app)


def seconds(mail: Mail) -> float:
    """Return the median seconds of a send."""
    samples = []
    for _ in range(MESSAGES):
        message = Message("Hello", ["ann@example.org"], "Hello, Ann.", sender="shop@example.com")
        start = time.perf_counter()
        mail.send(message)
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def main() -> None:
    """Measure and print."""
    plain, traced = shop(is_traced=False), shop(is_traced=True)
    differences = [seconds(traced) - seconds(plain) for _ in range(TURNS)]
    print(f"telemetry adds {statistics.median(differences) * 1e6:.1f} us to a send (goal: < 30)")


if __name__ == "__main__":
    main()
