"""Spans and measurements of messages, made from their signals.

Neither holds an address, a subject, content or the text of a reply.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import WeakSet

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..backends.smtp import SmtpBackend
from ..config.converters import is_on
from ..config.telemetry_settings import MESSAGE_ID
from ..delivery.signals import email_deferred, email_dispatched, email_failed, email_queued
from ..receipt import Outcome

if TYPE_CHECKING:
    from flask import Flask

    from ..backends.base import Backend
    from ..delivery.outgoing import Outgoing
    from ..receipt import Receipt

Backlog: TypeAlias = Callable[[], Mapping[str, tuple[int, float]]]
"""Returns for each mailer of a queue how many messages are due, and for how many seconds the oldest
one has been."""

_log = logging.getLogger("flask_mail")
_SCOPE: Final = "flask_mail"
_SIGNALS: Final = (email_dispatched, email_failed, email_queued, email_deferred)
# Those of OpenTelemetry's convention for HTTP, and one for the deadline of a message.
_BOUNDARIES: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20)
_propagator: Final = TraceContextTextMapPropagator()
# The message that a worker reports, with its links: a receiver may send another one meanwhile.
_worked: ContextVar[tuple[object, tuple[Link, ...]]] = ContextVar(
    "flask_mail_worked", default=(None, ())
)
_active: WeakSet[Telemetry] = WeakSet()


class Telemetry:
    """Traces and measures the messages of one app.

    :param tracer_provider: ``None`` for the global one, as `meter_provider`.
    """

    def __init__(
        self,
        app: Flask,
        tracer_provider: trace.TracerProvider | None,
        meter_provider: metrics.MeterProvider | None,
    ) -> None:
        self._app = app
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        self.meter_provider = meter_provider or metrics.get_meter_provider()
        meter = metrics.get_meter(_SCOPE, meter_provider=self.meter_provider)
        # A provider returns the same instruments to all apps of a process.
        self._duration = meter.create_histogram(
            "mail.send.duration",
            "s",
            "Duration of sending a message",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        )
        self._refused = meter.create_counter("mail.refused", "{recipient}", "Refused recipients")
        for number, (name, unit, meaning) in enumerate(_GAUGES):
            observe = partial(_observations, self.meter_provider, number)
            meter.create_observable_gauge(name, [observe], unit, meaning)
        self._backlogs: dict[str, Backlog] = {}
        _active.add(self)
        for signal in _SIGNALS:
            signal.connect(self.record, sender=app)

    def stop(self) -> None:
        """Record nothing any more."""
        _active.discard(self)
        for signal in _SIGNALS:
            # Not of the app only: blinker 1.6 would keep its reference, and take it for that of the
            # next object at the same address.
            signal.disconnect(self.record)

    def record(
        self,
        receipt: Receipt,
        error: BaseException | None = None,
        outgoing: Outgoing | None = None,
    ) -> None:
        """Record a message that has its outcome, or the attempt of a queue's worker."""
        now = time.time_ns()
        backend = self._backend_of(receipt)
        attributes = self._attributes(receipt, outgoing, backend)
        self._measure(receipt, attributes)
        if receipt.outcome is Outcome.QUEUED:
            return  # see queueing()
        kind, links = self._place(outgoing, backend)
        if error is not None:
            attributes["error.type"] = type(error).__qualname__
        span = self._tracer.start_span(
            "mail send",
            kind=kind,
            attributes=attributes,
            links=links,
            start_time=now - round(receipt.seconds * 1e9),
        )
        if error is not None:
            # Without its text, in which servers quote addresses.
            span.set_status(Status(StatusCode.ERROR, receipt.outcome.value))
        span.end(now)

    @contextmanager
    def queueing(self, mail: Outgoing, backend: str) -> Iterator[str | None]:
        """Record the block as a span that stores a message in a queue.

        Yield the ``traceparent`` (W3C Trace Context) of the span, to be stored with the message;
        ``None`` if there is none. If the block raises, the span is dropped, because `email_failed`
        follows. Errors of the library are only logged: the message is stored, or must be.
        """
        attributes = self._attributes_of(mail)
        attributes |= {
            "mail.mailer": mail.mailer,
            "mail.backend": backend,
            "mail.outcome": Outcome.QUEUED.value,
        }
        span: trace.Span = trace.INVALID_SPAN
        carrier: dict[str, str] = {}
        with _only_logged():
            span = self._tracer.start_span(
                "mail queue", kind=SpanKind.PRODUCER, attributes=attributes
            )
            _propagator.inject(carrier, trace.set_span_in_context(span))
        yield carrier.get("traceparent")
        with _only_logged():
            span.end()

    @contextmanager
    def working(self, mail: Outgoing, traceparent: str | None) -> Iterator[None]:
        """Record the outcome of a message in the block as that of a queue's worker.

        :param traceparent: as stored with the message; the span is linked to that one.
        """
        # A value that is not valid has no context.
        found = _propagator.extract({"traceparent": traceparent or ""})
        context = trace.get_current_span(found).get_span_context()
        token = _worked.set((mail, (Link(context),) if context.is_valid else ()))
        try:
            yield
        finally:
            _worked.reset(token)

    def observe(self, queue: str, backlog: Backlog) -> None:
        """Measure the backlog of a queue whenever metrics are collected.

        :param queue: its name, which replaces an earlier one.
        """
        self._backlogs[queue] = backlog

    def observed(self) -> Iterator[tuple[str, tuple[int, float]]]:
        """Yield the backlog of each mailer."""
        for backlog in list(self._backlogs.values()):
            yield from backlog().items()

    def _backend_of(self, receipt: Receipt) -> Backend[Any] | None:
        selection = getattr(self._app.extensions.get("mail"), "selection", None)
        if selection is None:
            return None
        found: Backend[Any] | None = selection.built(receipt.mailer, receipt.backend)
        return found

    def _place(
        self, outgoing: Outgoing | None, backend: Backend[Any] | None
    ) -> tuple[SpanKind, tuple[Link, ...]]:
        worked, links = _worked.get()
        if outgoing is not None and outgoing is worked:
            return SpanKind.CONSUMER, links
        is_queue = backend is not None and backend.is_queue
        return SpanKind.PRODUCER if is_queue else SpanKind.CLIENT, ()

    def _attributes(
        self, receipt: Receipt, outgoing: Outgoing | None, backend: Backend[Any] | None
    ) -> dict[str, str | int]:
        attributes = {} if outgoing is None else self._attributes_of(outgoing)
        attributes["mail.backend"] = receipt.backend
        attributes["mail.outcome"] = receipt.outcome.value
        attributes["mail.attempts"] = receipt.attempts
        if receipt.mailer:
            attributes["mail.mailer"] = receipt.mailer
        if backend is None:
            return attributes
        if (address := backend.server_address) is not None:
            attributes["server.address"], attributes["server.port"] = address
        code = receipt.response[:3]
        if isinstance(backend, SmtpBackend) and code.isdecimal():
            attributes["smtp.status_code"] = int(code)
        return attributes

    def _attributes_of(self, mail: Outgoing) -> dict[str, str | int]:
        attributes: dict[str, str | int] = {
            "mail.recipients": len(mail.envelope.recipients),
            "mail.size": mail.size,
        }
        if is_on(self._app.config.get(MESSAGE_ID)):
            attributes["mail.message_id"] = mail.message_id
        return attributes

    def _measure(self, receipt: Receipt, attributes: Mapping[str, str | int]) -> None:
        of_mailer = {"mail.mailer": receipt.mailer}
        self._duration.record(receipt.seconds, {**of_mailer, "mail.outcome": receipt.outcome.value})
        refused = len(receipt.refused)
        if not refused and receipt.outcome is Outcome.REFUSED:
            refused = int(attributes.get("mail.recipients", 0))
        if refused:
            self._refused.add(refused, of_mailer)


@contextmanager
def _only_logged() -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001 (mail is more important than its traces)
        _log.exception("A message was not traced")


_GAUGES: Final = (
    ("mail.queue.due", "{message}", "Messages of a queue that are due"),
    ("mail.queue.oldest", "s", "Time for which the oldest message that is due has been so"),
)


def _observations(
    provider: metrics.MeterProvider, number: int, options: CallbackOptions
) -> Iterable[Observation]:
    for telemetry in list(_active):
        if telemetry.meter_provider is provider:
            for mailer, backlog in telemetry.observed():
                yield Observation(backlog[number], {"mail.mailer": mailer})
