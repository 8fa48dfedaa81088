"""What the gate reports about itself and about its accounts."""

from __future__ import annotations

import contextlib

from prometheus_client import CollectorRegistry, Counter

from pitwire.common import codec, subjects
from pitwire.common.errors import BusUnavailable
from pitwire.common.journal import FencedWriter
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.control import RiskMetrics
from pitwire.common.shell import Shell
from pitwire.risk_gate import core
from pitwire.risk_gate.handlers.market import MarketView


class Metrics:
    """Names start with `pitwire_risk_gate_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        label = ("account",)
        self.records = Counter("pitwire_risk_gate_records", "records appended to the ledger", label, registry=registry)
        self.races = Counter("pitwire_risk_gate_races_lost", "appends that were made anew", label, registry=registry)
        self._of: dict[str, tuple[Counter, Counter]] = {}

    def wrote(self, account: str, writer: FencedWriter, sequence: int) -> None:
        """After each write: `sequence` of the record, 0 where there was none, and the races on the way to it."""
        records, races = self._of.get(account) or self._counters(account)
        if sequence:
            records.inc()
        if writer.races_lost:
            races.inc(writer.races_lost)
            writer.races_lost = 0

    def _counters(self, account: str) -> tuple[Counter, Counter]:
        found = self._of[account] = self.records.labels(account), self.races.labels(account)
        return found


async def publish_figures(service: Shell, state: AccountState, market: MarketView) -> None:
    """Where the account stands against its limits, on the bus; a bus that is away is no fault."""
    figures = core.metrics(state, market.marks, instruments=market.instruments)
    place = {
        "account": state.account,
        "oms_sequence": state.ledger_sequence,
        "ts_market_ns": market.ts_market_ns,
        "ts_ns": service.clock.wall_ns(),
        "doubts": market.told_doubts(state.limits.instruments_allowed if state.limits else ()),
    }
    metrics = RiskMetrics.model_validate(figures | place)
    with contextlib.suppress(BusUnavailable):
        await service.bus.publish(
            subjects.risk_metrics(state.account), codec.encode(metrics), codec.headers_for(metrics)
        )
