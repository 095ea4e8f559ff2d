"""``python -m benchmarks.telemetry``: what traces and metrics add to a send.

Messages go to the null backend, in turns with and without telemetry, in one process: once with the
providers of OpenTelemetry's API that record nothing, which shows what Flask-Mail does itself, and
once with those of its SDK, whose spans are dropped. Needs the libraries of the group ``tests``.
"""

from __future__ import annotations

import statistics
import time

from flask import Flask
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider

from flask_mail import Mail, Message
from flask_mail.telemetry import instrument

TURNS, MESSAGES = 60, 100


def shop() -> Mail:
    """Return the Mail of a new app."""
    app = Flask("shop")
    app.config.update(MAIL_BACKEND="null", MAIL_DEFAULT_SENDER="shop@example.com")
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
    plain, ours, whole = shop(), shop(), shop()
    instrument(ours.app, tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    instrument(
        whole.app,
        tracer_provider=TracerProvider(),
        meter_provider=MeterProvider([InMemoryMetricReader()]),
    )
    turns = [[seconds(each) for each in (plain, ours, whole)] for _ in range(TURNS)]
    # The best turn of each: in the others, the machine was busy with something else.
    without, by_us, by_all = (min(each) * 1e6 for each in zip(*turns, strict=True))
    print(
        f"a send: {without:.0f} us; telemetry adds {by_us - without:.1f} us (goal: < 30),"
        f" and the SDK {by_all - by_us:.1f} us"
    )


if __name__ == "__main__":
    main()
