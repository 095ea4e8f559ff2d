"""An app whose spans and measurements stay in memory."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flask_mail.telemetry import instrument, uninstrument


class Telemetry:
    """What was recorded of the messages of apps."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self._apps: list[Any] = []

    def __enter__(self) -> Telemetry:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for app in self._apps:
            uninstrument(app)

    def instrument(self, app: Any) -> None:
        instrument(app, tracer_provider=self.tracer_provider, meter_provider=self.meter_provider)
        self._apps.append(getattr(app, "_get_current_object", lambda: app)())

    @property
    def tracer(self) -> Any:
        return self.tracer_provider.get_tracer("shop")

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, in order."""
        return list(self._exporter.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        """Return the data points of a metric."""
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]
