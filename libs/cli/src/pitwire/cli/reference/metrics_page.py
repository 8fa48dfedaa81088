"""Every metric that a service exposes, with its type, labels and meaning."""

from __future__ import annotations

from pitwire.cli.reference import markdown as md


def metrics_page() -> str:
    """One row per metric."""
    from prometheus_client import CollectorRegistry

    from pitwire.common.telemetry import ShellMetrics

    registry = CollectorRegistry()
    ShellMetrics(registry, "SERVICE")
    rows = [[md.code(metric.name), metric.type, metric.documentation] for metric in registry.collect()]
    return md.page(
        "Metrics",
        "`pitwire.common.telemetry` and the metrics modules of the services",
        "Each process serves them at `/metrics` of its health port, in Prometheus text form.",
        md.table(["metric", "type", "meaning"], sorted(rows)),
    )
