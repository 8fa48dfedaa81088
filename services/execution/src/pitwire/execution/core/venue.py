"""What a venue is asked and what it says, in FIX words. Values only; adapters translate, cores decide."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pitwire.common.enums import Liquidity, OrderStatus, OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True)
class NewOrder:
    """One order as it is to stand at the venue. `client_order_id` is ours and never used twice."""

    client_order_id: str
    instrument_id: str
    venue_symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    post_only: bool = False


@dataclass(frozen=True, slots=True)
class VenueTrade:
    """One trade of ours. `trade_id` is unique per instrument; `fee` is the venue's own figure, negative a rebate."""

    trade_id: str
    venue_order_id: str
    instrument_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str | None
    ts_event_ns: int
    liquidity: Liquidity | None = None


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """One order as the venue shows it at `ts_event_ns` (market clock)."""

    client_order_id: str
    venue_order_id: str
    instrument_id: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    status: OrderStatus
    cum_quantity: Decimal
    ts_event_ns: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """The venue's word on one order: how it stands, and trades of it, none of which need be new."""

    order: VenueOrder
    trades: tuple[VenueTrade, ...] = ()
    exec_id: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """The venue took the order."""

    facts: OrderFacts


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue did not take the order, and says so beyond doubt."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Nobody knows whether the venue took the order: no answer, or one that means so."""

    text: str


SubmitAnswer = Placed | Refused | InDoubt


@dataclass(frozen=True, slots=True)
class Canceled:
    """The venue confirms that the order works no longer."""

    facts: OrderFacts


@dataclass(frozen=True, slots=True)
class NothingToCancel:
    """The venue has no open order of that id: finished, or not (yet) there."""


@dataclass(frozen=True, slots=True)
class CancelFailed:
    """No usable answer; asking again is safe."""

    text: str


CancelAnswer = Canceled | NothingToCancel | CancelFailed
