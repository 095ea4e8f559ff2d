"""The trace of a request goes on in the worker of Celery, which the documentation says."""

from __future__ import annotations

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from flask import Flask
from telemetry_support import Telemetry

from flask_mail import Mail, Message

celery_traces = pytest.importorskip("opentelemetry.instrumentation.celery")


@pytest.fixture
def telemetry():
    instrumentor = celery_traces.CeleryInstrumentor()
    with Telemetry() as telemetry:
        instrumentor.instrument(
            tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
        )
        yield telemetry
        instrumentor.uninstrument()


@pytest.mark.exhaustive
def test_the_span_of_a_message_is_below_that_of_its_task(telemetry):
    app = Flask("shop")
    app.config.update(MAIL_BACKEND="null", MAIL_DEFAULT_SENDER="me@example.com")
    mail = Mail(app)
    telemetry.instrument(app)
    celery = Celery("shop", broker="memory://", backend="cache+memory://")

    @celery.task
    def deliver(record):
        with app.app_context():
            mail.send(Message.from_dict(record))

    record = Message("Hello", ["ann@example.com"], "Hi").to_dict()
    with start_worker(celery, pool="solo", perform_ping_check=False):
        with telemetry.tracer.start_as_current_span("request") as request:
            result = deliver.delay(record)
        result.get(timeout=30)
    spans = {span.name: span for span in telemetry.spans}
    task = spans["run/" + deliver.name]
    assert spans["mail send"].parent == task.get_span_context()
    assert task.context.trace_id == request.get_span_context().trace_id
