"""Logs as JSON lines, metrics, and W3C trace context through every message: set up once, the same everywhere."""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pitwire.common.clock import random_token
from pitwire.common.lean import without

with without("rich"):
    import structlog

if TYPE_CHECKING:
    from pitwire.common.spans import Recorder

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
    """Spans of one service. Without a recorder the context travels on as it came, nothing is recorded or exported."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        self._recorder = recorder

    def span(self, name: str, *parents: str, **attributes: str | int) -> AbstractContextManager[str]:
        """A span in each trace that `parents` (W3C traceparents) name, or in a new one where they name none.

        Yields the traceparent to send on: that of the first span.
        """
        if self._recorder is not None:
            return self._recorder.span(name, parents, attributes)
        return nullcontext(next(filter(None, parents), "") or new_traceparent())

    def close(self) -> None:
        """Exports what is still waiting."""
        if self._recorder is not None:
            self._recorder.close()


def set_up_tracing(service: str, otlp_endpoint: str) -> Tracing:
    """Exports spans to a collector (OTLP over HTTP) where an endpoint is given."""
    if not otlp_endpoint:
        return Tracing()
    from pitwire.common import spans  # noqa: PLC0415 - only a process that exports pays 15 MB and a third of a second

    return Tracing(spans.Recorder(service, spans.otlp_exporter(otlp_endpoint)))


def new_traceparent() -> str:
    """The beginning of a trace."""
    return f"00-{random_token(16)}-{random_token(8)}-01"


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
