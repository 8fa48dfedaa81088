"""The gate's decisions: pure functions of an account's state, a batch of intents, the marks and the clocks."""

from pitwire.risk_gate.core.decision import APPROVAL_TTL_NS, decide, decided, named
from pitwire.risk_gate.core.pricing import MARKET_COLLAR_PERCENT
from pitwire.risk_gate.core.question import DecisionContext, IntentInput
from pitwire.risk_gate.core.schedule import (
    MARKS_MAX,
    MARKS_PERIOD_NS,
    Place,
    day_due,
    marks_due,
    marks_record,
    metrics,
    new_marks,
    quarantine_due,
    session_day,
)
from pitwire.risk_gate.core.trust import STATUS_AGE_MAX_NS, MarketTrust
from pitwire.risk_gate.core.withdrawal import reached, told, withdrawal

__all__ = [
    "APPROVAL_TTL_NS",
    "MARKET_COLLAR_PERCENT",
    "MARKS_MAX",
    "MARKS_PERIOD_NS",
    "STATUS_AGE_MAX_NS",
    "DecisionContext",
    "IntentInput",
    "MarketTrust",
    "Place",
    "day_due",
    "decide",
    "decided",
    "marks_due",
    "marks_record",
    "metrics",
    "named",
    "new_marks",
    "quarantine_due",
    "reached",
    "session_day",
    "told",
    "withdrawal",
]
