"""What execution reports about itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pitwire.common.telemetry import LATENCY_BUCKETS_S


class Metrics:
    """Names start with `pitwire_execution_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent = Counter(
            "pitwire_execution_orders_sent", "requests for new orders put on the wire", registry=registry
        )
        self.not_sent = Counter(
            "pitwire_execution_orders_not_sent", "approved orders that went no further", ("reason",), registry=registry
        )
        self.unknown = Counter("pitwire_execution_orders_unknown", "orders that came into doubt", registry=registry)
        self.cancels = Counter("pitwire_execution_cancels_sent", "cancel requests put on the wire", registry=registry)
        self.events = Counter(
            "pitwire_execution_events", "execution events appended to the journal", ("kind",), registry=registry
        )
        self.races = Counter("pitwire_execution_races_lost", "appends that were made anew", registry=registry)
        self.differences = Counter(
            "pitwire_execution_reconcile_differences",
            "events that only a reconcile brought",
            ("venue_account",),
            registry=registry,
        )
        self.reconciles = Counter(
            "pitwire_execution_reconciles", "completed reconciles", ("venue_account",), registry=registry
        )
        self.connected = Gauge(
            "pitwire_execution_venue_ready", "1 when orders can be sent", ("venue_account",), registry=registry
        )
        self.queued = Gauge("pitwire_execution_events_queued", "events on their way to the journal", registry=registry)
        self.approval_to_wire = Histogram(
            "pitwire_execution_approval_to_wire_seconds",
            "from reading an approval to its request on the wire",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.wire_to_answer = Histogram(
            "pitwire_execution_submit_to_ack_seconds",
            "from the request on the wire to the venue's answer",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
