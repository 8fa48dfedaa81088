"""What the core wants done. The shell does it, in the order given, and tells the core what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from pitwire.common.enums import AlertSeverity
from pitwire.common.schemas.execution import ExecReport, NotSent


@dataclass(frozen=True, slots=True)
class Submit:
    """Sign this approved order and append its `Submitting`."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class Send:
    """The own `Submitting` stands in the journal and was read back: ask `ExecutionCore.release`, then send."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Append this execution event; the writer puts its place (`exec_no`, `epoch`)."""

    event: ExecReport | NotSent


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the venue to cancel, again and again until the order is over."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class Investigate:
    """Nobody knows what became of the order: ask the venue until it is proven."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class FetchTrades:
    """The venue filled more than the trades we have seen."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """A person should know."""

    severity: AlertSeverity
    code: str
    text: str
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class Deposed:
    """Another process leads this account: send and write nothing more, end."""

    detail: str


Action = Submit | Send | Tell | Cancel | Investigate | FetchTrades | Alarm | Deposed
