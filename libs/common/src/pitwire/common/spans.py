"""Recorded spans, by the OpenTelemetry SDK; imported only by a process that exports them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pitwire.common.codec import TRACE_HEADER

EXPORT_PERIOD_MS: Final = 1_000
EXPORT_TIMEOUT_S: Final = 1.0
"""Retries included; a stop waits for the last export."""

QUEUE_MAX: Final = 8_192
"""Spans that wait for export; while the collector is away, newer ones are dropped: trading never waits for it."""

SPANS_OF_A_BATCH_MAX: Final = 100


class Recorder:
    """Records the spans of one service and hands them to `exporter` in batches, from a thread of its own."""

    def __init__(self, service: str, exporter: SpanExporter) -> None:
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": f"pitwire-{service}"}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=QUEUE_MAX, schedule_delay_millis=EXPORT_PERIOD_MS)
        )
        self._tracer = self._provider.get_tracer("pitwire")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, parents: Sequence[str], attributes: Mapping[str, str | int]) -> Iterator[str]:
        """As `Tracing.span`; of many parents each is taken once, and no more than `SPANS_OF_A_BATCH_MAX`."""
        distinct = list(dict.fromkeys(filter(None, parents)))[:SPANS_OF_A_BATCH_MAX] or [""]
        spans = [self._start(name, parent, attributes) for parent in distinct]
        try:
            yield self._traceparent(spans[0])
        except Exception as error:
            for span in spans:
                span.record_exception(error)
                span.set_status(otel.StatusCode.ERROR)
            raise
        finally:
            for span in spans:
                span.end()

    def close(self) -> None:
        """Exports what is still waiting."""
        self._provider.shutdown()

    def _start(self, name: str, parent: str, attributes: Mapping[str, str | int]) -> otel.Span:
        context = self._propagator.extract({TRACE_HEADER: parent}) if parent else None
        return self._tracer.start_span(name, context, otel.SpanKind.CONSUMER, attributes)

    def _traceparent(self, span: otel.Span) -> str:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, context=otel.set_span_in_context(span))
        return carrier[TRACE_HEADER]


def otlp_exporter(endpoint: str) -> SpanExporter:
    """To a collector that takes OTLP over HTTP at `endpoint`."""
    return OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
