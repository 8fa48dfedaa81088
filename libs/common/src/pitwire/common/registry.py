"""Every flow on the bus once: subject, models, who writes, who reads, which stream keeps it.

Stream configuration, accounts, permissions, JSON Schema, AsyncAPI and the reference pages are made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pitwire.common import subjects, topology
from pitwire.common.schemas import control, deliveries, execution, ledger, market, orders, research
from pitwire.common.schemas.base import Message


@dataclass(frozen=True, slots=True)
class Flow:
    """One kind of traffic. `writers` and `readers` are principal names; `*` means every principal."""

    subject: str
    models: tuple[type[Message], ...]
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    stream: topology.Stream | None
    doc: str


FLOWS: Final = (
    Flow(
        subjects.INTENT,
        (orders.OrderIntent, orders.CancelIntent),
        ("strategy",),
        ("risk-gate",),
        topology.INTENTS,
        "what one strategy wants; its own literal subject",
    ),
    Flow(
        subjects.LEDGER,
        (
            ledger.IncarnationStarted,
            ledger.RiskDecision,
            ledger.MarksRecorded,
            ledger.DayRolled,
            ledger.LimitsApplied,
            ledger.CapitalRecorded,
            ledger.StrategyRegistered,
            ledger.StrategyPaused,
            ledger.LeaderChanged,
        ),
        ("risk-gate",),
        ("risk-gate", "execution", "strategy", "persistence", "operator", "auditor"),
        topology.OMS,
        "the account's ledger, by compare-and-set",
    ),
    Flow(
        subjects.EXEC,
        (
            execution.Submitting,
            execution.NotSent,
            execution.ExecReport,
            execution.AlgoStep,
            ledger.LeaderChanged,
        ),
        ("execution",),
        ("risk-gate", "execution", "strategy", "persistence", "operator", "auditor"),
        topology.OMS,
        "what was tried at the venue and what it said, by compare-and-set",
    ),
    Flow(
        subjects.HALT,
        (ledger.Halt,),
        ("operator", "risk-gate", "execution"),
        ("risk-gate", "execution", "strategy", "persistence", "operator", "auditor"),
        topology.OMS,
        "one halt, add-only; the source is the writer's own token",
    ),
    Flow(
        subjects.RESUME,
        (ledger.Resume,),
        ("risk-gate",),
        ("risk-gate", "execution", "strategy", "persistence", "operator", "auditor"),
        topology.OMS,
        "ids of the halts that hold no longer",
    ),
    Flow(
        subjects.FIRM,
        (ledger.GrantMoved,),
        (),
        ("risk-gate", "operator"),
        topology.OMS,
        "grants of limits that several accounts share; written by the allocator",
    ),
    Flow(
        subjects.COMMAND,
        (control.Command,),
        ("operator",),
        ("risk-gate", "persistence", "operator"),
        topology.CONTROL,
        "an operator's command",
    ),
    Flow(
        subjects.COMMAND_RESULT,
        (control.CommandResult,),
        ("risk-gate",),
        ("persistence", "operator"),
        topology.CONTROL,
        "the answer to one command",
    ),
    Flow(
        subjects.HALT_SEEN,
        (control.HaltSeen,),
        ("execution",),
        ("persistence", "operator"),
        topology.CONTROL,
        "execution's acknowledgement of one halt",
    ),
    Flow(subjects.TRADE, (market.Trade,), ("market-data",), ("strategy", "risk-gate"), None, "trades of the venue"),
    Flow(
        subjects.QUOTE,
        (market.Quote,),
        ("market-data",),
        ("strategy", "risk-gate", "execution"),
        None,
        "top of book",
    ),
    Flow(subjects.BOOK, (market.BookUpdate,), ("market-data",), ("strategy",), None, "order books"),
    Flow(
        subjects.CANDLE,
        (market.Candle,),
        ("market-data",),
        ("strategy", "risk-gate", "persistence", "auditor"),
        topology.CANDLES,
        "closed candles",
    ),
    Flow(
        subjects.INSTRUMENT,
        (market.Instrument,),
        ("market-data",),
        ("strategy", "risk-gate", "execution", "persistence", "operator", "auditor"),
        topology.INSTRUMENTS,
        "what can be traded, in which steps",
    ),
    Flow(
        subjects.VENUE_STATUS,
        (market.VenueStatus,),
        ("market-data",),
        ("strategy", "risk-gate", "execution"),
        None,
        "state of a venue's feed",
    ),
    Flow(
        subjects.DECISION_TRACE,
        (control.DecisionTrace,),
        ("strategy",),
        ("persistence",),
        topology.TRACES,
        "why a strategy did or did not trade",
    ),
    Flow(
        subjects.DELIVERED,
        (deliveries.Deliveries,),
        ("strategy",),
        ("auditor",),
        topology.DELIVERED,
        "what a strategy process gave to its strategies, in order",
    ),
    Flow(
        subjects.RISK_METRICS,
        (control.RiskMetrics,),
        ("risk-gate",),
        ("strategy", "operator"),
        topology.STATE,
        "the account against its limits",
    ),
    Flow(subjects.ALERT, (control.Alert,), ("*",), ("persistence",), topology.ALERTS, "a person should look"),
    Flow(
        subjects.HEARTBEAT,
        (control.Heartbeat,),
        ("*",),
        ("risk-gate", "execution", "operator"),
        topology.STATE,
        "alive, how far, how far behind",
    ),
    Flow(
        subjects.DEAD_LETTER,
        (control.DeadLetter,),
        ("*",),
        ("persistence",),
        topology.DEAD_LETTERS,
        "quarantine",
    ),
    Flow(
        subjects.LEASE,
        (control.Lease,),
        ("risk-gate", "execution"),
        ("risk-gate", "execution"),
        topology.LEASES,
        "who leads a process slot, by compare-and-set",
    ),
    Flow(
        subjects.SNAPSHOT,
        (control.Snapshot,),
        ("risk-gate", "execution"),
        ("risk-gate", "execution"),
        topology.SNAPSHOTS,
        "folded states to start from, the last three of each",
    ),
    Flow(
        subjects.BACKTEST_JOB,
        (research.BacktestJob,),
        ("researcher",),
        ("backtest",),
        topology.JOBS,
        "one parameter set of a sweep, until its result is stored",
    ),
    Flow(
        subjects.BACKTEST_RESULT,
        (research.BacktestResult,),
        ("backtest",),
        ("backtest", "researcher"),
        topology.RESULTS,
        "the one result of a run, by compare-and-set",
    ),
    Flow(
        subjects.BACKTEST_PROGRESS,
        (research.BacktestProgress,),
        ("backtest",),
        ("researcher",),
        None,
        "how far a worker is with its run",
    ),
)

SUBJECTS_CACHED_MAX: Final = 4_096
SCHEMAS: Final = {model.schema_name(): model for flow in FLOWS for model in flow.models}


@lru_cache(maxsize=SUBJECTS_CACHED_MAX)
def flow_of(subject: str) -> Flow | None:
    """The flow that a concrete subject belongs to; None for one that nobody declared."""
    for flow in FLOWS:
        if subjects.tokens(flow.subject, subject) is not None:
            return flow
    return None


def model_of(subject: str, schema: str | None) -> type[Message] | None:
    """The model for a message: named by its `Schema` header, or the only one its flow has. None = refuse."""
    flow = flow_of(subject)
    if flow is None:
        return None
    if schema is None:
        return flow.models[0] if len(flow.models) == 1 else None
    model = SCHEMAS.get(schema)
    return model if model in flow.models else None
