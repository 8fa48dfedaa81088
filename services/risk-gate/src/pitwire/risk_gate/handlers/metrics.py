"""What the gate reports about itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from pitwire.common.journal import FencedWriter


class Metrics:
    """Names start with `pitwire_risk_gate_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        label = ("account",)
        self.records = Counter("pitwire_risk_gate_records", "records appended to the ledger", label, registry=registry)
        self.races = Counter("pitwire_risk_gate_races_lost", "appends that were made anew", label, registry=registry)

    def wrote(self, account: str, writer: FencedWriter, sequence: int) -> None:
        """After each write: `sequence` of the record, 0 where there was none, and the races on the way to it."""
        self.records.labels(account).inc(1 if sequence else 0)
        self.races.labels(account).inc(writer.races_lost)
        writer.races_lost = 0
