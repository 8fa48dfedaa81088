"""Every metric that a process exposes, with its type, labels and meaning: made by registering them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from pitwire.cli.reference import markdown as md
from pitwire.common.telemetry import ShellMetrics
from pitwire.execution.handlers.metrics import Metrics as ExecutionMetrics
from pitwire.market_data.handlers.metrics import Metrics as MarketDataMetrics
from pitwire.persistence.handlers.report import ShellReport
from pitwire.risk_gate.handlers.metrics import Metrics as GateMetrics
from pitwire.strategy.handlers.outbox import Outbox
from pitwire.venue_sim.handlers.metrics import exposition

REGISTER: Final[Mapping[str, Callable[[Any], object]]] = {
    "every service": lambda registry: ShellMetrics(registry, "SERVICE"),
    "market-data": MarketDataMetrics,
    "strategy": lambda registry: Outbox(_shell(registry), {}, registry),
    "risk-gate": GateMetrics,
    "execution": ExecutionMetrics,
    "persistence": lambda registry: ShellReport(_shell(registry), ()),
}
"""Who exposes it, and what registers it as the process does."""


def metric_names() -> frozenset[str]:
    """Every documented metric."""
    return frozenset(row[0].strip("`") for row in _rows())


def metrics_page() -> str:
    """One row per metric."""
    notes = (
        "Each process serves them at `/metrics` of its health port (the simulated venue: of its control port), in "
        "Prometheus text form, where a counter's name ends in `_total`, a histogram's in `_bucket`, `_sum`, `_count`."
    )
    return md.page(
        "Metrics",
        "the registries of the processes",
        notes,
        md.table(["metric", "exposed by", "type", "labels", "meaning"], _rows()),
    )


def _rows() -> list[list[str]]:
    rows: list[list[str]] = []
    for who, register in REGISTER.items():
        registry = CollectorRegistry()
        register(registry)
        for metric, labels in zip(registry.collect(), _labels(registry), strict=True):
            rows.append([md.code(metric.name), who, metric.type, md.codes(labels), metric.documentation])
    return rows + _venue_rows()


def _labels(registry: CollectorRegistry) -> list[tuple[str, ...]]:
    """The label names of each metric, in the order in which they are collected."""
    collectors: dict[Any, list[str]] = registry._collector_to_names  # noqa: SLF001 - the library keeps them nowhere else
    return [tuple(getattr(collector, "_labelnames", ())) for collector in collectors]


def _venue_rows() -> list[list[str]]:
    status: dict[str, object] = {"market_ms": 0, "bars": 0, "speed": 0, "speed_reached": 0}
    text = exposition(_venue(), frames=0, connections=0, status=status).decode()
    return [
        [md.code(metric.name), "venue-sim", metric.type, "", metric.documentation]
        for metric in text_string_to_metric_families(text)
    ]


def _shell(registry: CollectorRegistry) -> Any:
    """As much of a service as a report of metrics needs."""
    return SimpleNamespace(registry=registry)


def _venue() -> Any:
    counters = SimpleNamespace(accepted=0, rejected=0, trades=0, cancels=0)
    return SimpleNamespace(counters=counters, exchange=SimpleNamespace(listings={}))
