"""What the core is told with every event, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from pitwire.common.enums import AlertSeverity
from pitwire.common.money import canonical
from pitwire.common.schemas.control import DecisionTrace
from pitwire.strategy.core.intents import Intent

TEXT_MAX = 500


@dataclass(frozen=True, slots=True)
class Cause:
    """The event that strategies react to: its place, its market time, its trace context, and the wall clock now."""

    now_ns: int
    ts_event_ns: int = 0
    subject: str = ""
    epoch: str = ""
    sequence: int = 0
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person should see."""

    severity: AlertSeverity
    code: str
    text: str
    strategy: str
    account: str


@dataclass(slots=True)
class Outputs:
    """Intents to publish in this order, reasons to show, alarms to raise."""

    intents: list[Intent] = field(default_factory=list)
    traces: list[DecisionTrace] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)

    def add(self, other: Outputs) -> None:
        self.intents += other.intents
        self.traces += other.traces
        self.alarms += other.alarms


def shown(value: object) -> str:
    """A figure as people read it in a reason: floats at ten digits, Decimals in plain notation."""
    if isinstance(value, float):
        return f"{value:.10g}"
    return canonical(value) if isinstance(value, Decimal) else str(value)[:TEXT_MAX]
