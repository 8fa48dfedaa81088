"""Logs as JSON lines, metrics, and W3C trace context through every message: set up once, the same everywhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import orjson
import structlog
from opentelemetry import trace as otel
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pitwire.common.codec import TRACE_HEADER

Log = structlog.stdlib.BoundLogger
TEXT_MAX: Final = 2_000
"""Characters of one logged value: hostile input must not fill the disk."""

LATENCY_BUCKETS_S: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip


def _bounded(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: value[:TEXT_MAX] if isinstance(value, str) else value for key, value in event.items()}


def _render(_: Any, __: str, event: structlog.typing.EventDict) -> str:
    return orjson.dumps(event, default=str).decode()


def set_up_logging(service: str, slot: str, level: str) -> Log:
    """One JSON object a line on standard error; standard output stays free for answers."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _bounded,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger().bind(service=service, slot=slot)
    return log


class Tracing:
    """Spans of one service. Without an OTLP endpoint the context still travels, and nothing is exported."""

    def __init__(self, service: str, otlp_endpoint: str) -> None:
        self._provider = TracerProvider(resource=Resource.create({"service.name": f"pitwire-{service}"}))
        if otlp_endpoint:
            self._export_to(otlp_endpoint)
        self._tracer = self._provider.get_tracer("pitwire")
        self._propagator = TraceContextTextMapPropagator()

    def _export_to(self, endpoint: str) -> None:
        # protobuf and requests cost 15 MB, so only a process that exports loads them
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - only a process that exports pays for it
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - only a process that exports pays for it

        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))

    @contextmanager
    def span(self, name: str, parent: str = "", **attributes: str | int) -> Iterator[str]:
        """A span under `parent` (a W3C traceparent, or empty for a new trace); yields its own traceparent."""
        context = self._propagator.extract({TRACE_HEADER: parent}) if parent else None
        with self._tracer.start_as_current_span(name, context=context, attributes=attributes) as span:
            carrier: dict[str, str] = {}
            self._propagator.inject(carrier, context=otel.set_span_in_context(span))
            yield carrier[TRACE_HEADER]

    def close(self) -> None:
        self._provider.shutdown()


class ShellMetrics:
    """What every service reports about itself."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        label = ("service",)
        self.messages = Counter("pitwire_messages", "records handled", ("service", "subject"), registry=registry)
        self.quarantined = Counter("pitwire_quarantined", "records set aside", label, registry=registry).labels(service)
        self.bus_trouble = Counter("pitwire_bus_trouble", "errors of the bus", label, registry=registry).labels(service)
        self.answers_awaited = Gauge(
            "pitwire_bus_answers_awaited", "requests on the bus without an answer yet", label, registry=registry
        ).labels(service)
        self.cursor = Gauge("pitwire_cursor", "journal sequence fully handled", label, registry=registry).labels(
            service
        )
        self.lag = Gauge("pitwire_lag", "journal records not yet handled", label, registry=registry).labels(service)
        self.market_time = Gauge(
            "pitwire_market_time_seconds", "newest market time fully handled", label, registry=registry
        ).labels(service)
        self.ready = Gauge("pitwire_ready", "1 when able to work", label, registry=registry).labels(service)
        self.handling = Histogram(
            "pitwire_handling_seconds",
            "time from arrival to effect",
            label,
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        ).labels(service)
