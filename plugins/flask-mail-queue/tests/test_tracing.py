"""Traces from the program that stores a message to the worker that sends it."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from flask_mail import BackendUnavailable, Message
from flask_mail.telemetry import instrument, uninstrument


class Traced:
    """Spans of the messages of a shop."""

    def __init__(self, app):
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.tracer = tracers.get_tracer("shop")
        instrument(app, tracer_provider=tracers, meter_provider=meters)

    @property
    def spans(self):
        return list(self._exporter.get_finished_spans())

    def values(self):
        """Return the points of each metric: mailer -> value."""
        data = self._reader.get_metrics_data()
        return {
            metric.name: {
                point.attributes["mail.mailer"]: getattr(point, "value", None)
                for point in metric.data.data_points
            }
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def traced(shop):
    yield Traced(shop.app)
    uninstrument(shop.app)


def test_an_attempt_is_linked_to_the_span_that_stored_the_message(shop, traced):
    with traced.tracer.start_as_current_span("order") as order:
        shop.send()
    shop.peer.script = [BackendUnavailable("busy")]
    shop.work()
    shop.make_due()
    shop.work()
    queued, _, deferred, sent = traced.spans
    assert (queued.name, queued.kind) == ("mail queue", SpanKind.PRODUCER)
    assert queued.parent == order.get_span_context()
    for span, outcome in ((deferred, "not sent"), (sent, "sent")):
        assert (span.name, span.kind) == ("mail send", SpanKind.CONSUMER)
        assert [link.context.span_id for link in span.links] == [queued.context.span_id]
        assert (span.attributes["mail.mailer"], span.attributes["mail.outcome"]) == (
            "peer",
            outcome,
        )
        assert span.end_time > span.start_time


def test_no_span_has_an_address(shop, traced):
    shop.send()
    shop.work()
    assert len(traced.spans) == 2
    assert not any("ann@" in span.to_json() for span in traced.spans)


def test_a_message_that_expires_is_linked_too(shop, traced):
    shop.send(options={"queue": {"expires": 1}})
    shop.execute(shop.store.tables.queue.update().values(expires_at=0))
    shop.work()
    queued, expired = traced.spans
    assert (expired.kind, expired.attributes["mail.outcome"]) == (SpanKind.CONSUMER, "not sent")
    assert [link.context.span_id for link in expired.links] == [queued.context.span_id]


def test_the_backlog_is_measured_while_a_worker_exists(shop, traced):
    assert "mail.queue.due" not in traced.values()
    shop.work()
    shop.send()
    shop.send()
    shop.send(options={"queue": {"delay": 60}})
    found = traced.values()
    assert found["mail.queue.due"] == {"peer": 2}
    assert 0 <= found["mail.queue.oldest"]["peer"] < 60
    shop.work()
    found = traced.values()
    assert (found["mail.queue.due"], found["mail.queue.oldest"]) == ({"peer": 0}, {"peer": 0.0})


def test_measuring_the_backlog_waits_for_no_transaction(shop, traced):
    shop.work()
    shop.send()
    with shop.store.begin():
        assert traced.values()["mail.queue.due"] == {"peer": 1}


def test_a_backlog_that_cannot_be_measured_is_left_out(shop, traced, caplog):
    shop.work()
    with shop.store.begin() as connection:
        shop.store.metadata.drop_all(connection)
    assert "mail.queue.due" not in traced.values()
    assert "The backlog was not measured: " in caplog.text


def test_without_telemetry_no_context_is_stored(shop):
    shop.send()
    assert shop.row(1)["trace"] is None
    shop.work()
    assert shop.states() == ["sent"]


def test_each_message_of_a_list_has_a_span_of_its_own(shop, traced):
    keyed = [Message("Hello", ["ann@example.com"], "Hello.", key=key) for key in ("a", "b", "a")]
    shop.mail.send_many(keyed)
    assert [each.name for each in traced.spans] == ["mail queue"] * 3
    spans = {f"{each.get_span_context().span_id:016x}" for each in traced.spans}
    assert {row["trace"].split("-")[2] for row in shop.rows()} <= spans
