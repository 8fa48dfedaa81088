"""What can go wrong in trading, and how each of it is told here: raised, returned as a refusal, or a status."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from pitwire.common import errors, refusals
from pitwire.common.enums import DataQuality, ExecType, OrderStatus, VenueState
from pitwire.common.order_transitions import AnomalyCode
from pitwire.execution.adapters.binance.errors import ErrorClass
from pitwire.execution.core.venue import NothingToCancel
from pitwire.persistence.ports import StoreRefused
from pitwire.strategy.core.runner import WARMING_UP

Telling = type | Enum | str


class Trouble(NamedTuple):
    """One line of the table: `told` are the classes, statuses and signals that carry it."""

    family: str
    what: str
    told: tuple[Telling, ...]
    note: str


TROUBLES: Final = (
    Trouble("order", "invalid", (refusals.InvalidOrder, ErrorClass.INVALID_ORDER), "denied with the rule it breaks"),
    Trouble(
        "order", "rejected", (OrderStatus.REJECTED, ErrorClass.REJECTED), "the venue's word, in the report's reason"
    ),
    Trouble("order", "not found", (refusals.UnknownOrder, ErrorClass.ORDER_NOT_FOUND), "ours, and the venue's"),
    Trouble(
        "order", "already filled", (OrderStatus.FILLED, NothingToCancel), "a cancel still passes and finds nothing"
    ),
    Trouble("order", "cancelled", (OrderStatus.CANCELED, NothingToCancel), "the same"),
    Trouble("order", "outcome not known", (ExecType.UNKNOWN, OrderStatus.UNKNOWN), "asked for, never sent again"),
    Trouble(
        "order",
        "filled when it should not be",
        (AnomalyCode.FILL_AFTER_TERMINAL, AnomalyCode.OVERFILL, AnomalyCode.LATE_FILL),
        "booked, and an alert",
    ),
    Trouble(
        "order",
        "insufficient balance",
        (refusals.InsufficientBalance, refusals.SellExceedsHolding, ErrorClass.INSUFFICIENT_FUNDS),
        "needed and available",
    ),
    Trouble("market data", "connection lost", (errors.ConnectionLost, VenueState.DISCONNECTED), "reconnects by itself"),
    Trouble("market data", "timeout", (errors.AnswerTimeout, VenueState.STALE), "place and seconds"),
    Trouble("market data", "invalid data", (errors.DecodeError, DataQuality.SUSPECT), "quarantined, never shown as OK"),
    Trouble(
        "market data",
        "symbol not found",
        (errors.SymbolNotFound, refusals.UnknownInstrument),
        "at the start, or by the gate",
    ),
    Trouble("market data", "rate limited", (errors.RateLimited, ErrorClass.RATE_LIMITED), "seconds to wait, obeyed"),
    Trouble("market data", "stale or absent price", (refusals.StaleMark, refusals.NoMark), "no order on an old price"),
    Trouble("market data", "doubtful feed", (refusals.DoubtfulMarket,), "the reason, as the venue's status had it"),
    Trouble("strategy", "initialisation", (errors.StrategyNotMade,), "at the start, with file and reason"),
    Trouble("strategy", "insufficient data", (WARMING_UP,), "a state with its count, no error: `pitwire why`"),
    Trouble("strategy", "invalid parameter", (errors.InvalidParameter,), "name, value, what was expected"),
    Trouble("risk", "position size", (refusals.PositionSizeExceeded,), "limit and observed"),
    Trouble("risk", "order value", (refusals.OrderValueExceeded,), "limit and observed"),
    Trouble("risk", "daily loss", (refusals.DailyLossExceeded,), "limit and observed"),
    Trouble("risk", "drawdown", (refusals.DrawdownExceeded,), "limit and observed"),
    Trouble("risk", "too many positions", (refusals.OpenPositionsExceeded,), "limit and observed"),
    Trouble("risk", "a limit price that must be a mistake", (refusals.PriceCollarExceeded,), "limit and observed"),
    Trouble(
        "risk", "too much in one place", (refusals.ConcentrationExceeded, refusals.StrategyExposureExceeded), "both"
    ),
    Trouble("risk", "too many orders", (refusals.OrderRateExceeded,), "limit and observed"),
    Trouble("risk", "symbol restricted", (refusals.SymbolRestricted,), "which list"),
    Trouble("risk", "trading stopped", (refusals.Stopped,), "the halts that cover it"),
    Trouble("configuration", "a wrong setting", (errors.ConfigError, errors.UsageError), "the process does not start"),
    Trouble("database", "no answer", (errors.StoreUnavailable,), "retried; nothing is lost, trading goes on"),
    Trouble("database", "refused", (StoreRefused,), "the row is set aside"),
    Trouble("network", "the bus", (errors.BusUnavailable, errors.OutcomeUnknown), "read back, then go on"),
    Trouble("network", "the venue", (errors.VenueTrouble,), "reads are repeated, orders never"),
)


def spelled(telling: Telling) -> str:
    """The name a program meets: the stable code of a class, else the name of a group, a member or a signal."""
    if isinstance(telling, Enum):
        return f"{type(telling).__name__}.{telling.name}"
    if isinstance(telling, str):
        return telling
    return f"{telling.__name__} {getattr(telling, 'code', '')}".strip()
