"""The working orders of one instrument against its next candle, by the fill model."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from pitwire.backtest.core.candles import Bar
from pitwire.backtest.core.fills import FillModel, LimitFill
from pitwire.common import money
from pitwire.common.enums import Liquidity, OrderType, Side, TimeInForce
from pitwire.common.money import ZERO
from pitwire.common.schemas.ledger import Approved
from pitwire.common.schemas.market import Instrument
from pitwire.common.units import NS_PER_MS

NEVER_NS: Final = 2**63 - 1


class End(StrEnum):
    """How an order ended without being filled whole."""

    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


@dataclass(slots=True)
class WorkingOrder:
    """An approved order at the simulated venue. It takes part in candles that open in [`arrives_ns`, `cancel_ns`)."""

    approved: Approved
    arrives_ns: int
    left: Decimal
    cancel_ns: int = NEVER_NS
    triggered: bool = False
    is_new: bool = True

    @property
    def client_order_id(self) -> str:
        return self.approved.client_order_id

    @property
    def side(self) -> Side:
        return self.approved.intent.side

    @property
    def is_stop(self) -> bool:
        return self.approved.intent.order_type in {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT}


@dataclass(frozen=True, slots=True)
class Execution:
    """What one order may fill in this candle, before its account's balance is asked."""

    order: WorkingOrder
    price: Decimal
    quantity: Decimal
    liquidity: Liquidity


@dataclass(frozen=True, slots=True)
class Ended:
    """An order that the venue takes off its book, and why."""

    order: WorkingOrder
    end: End
    reason: str


class Matcher:
    """Matches one order with one candle. Keeps no state but what stands in the order."""

    def __init__(self, model: FillModel, instrument: Instrument) -> None:
        self._model = model
        self._instrument = instrument
        self._latency_ns = model.latency_ms * NS_PER_MS

    def accept(self, approved: Approved, *, now_ns: int) -> WorkingOrder:
        return WorkingOrder(approved, now_ns + self._latency_ns, approved.intent.quantity)

    def cancel(self, order: WorkingOrder, *, now_ns: int) -> None:
        """The cancel arrives as late as an order would; until then the order may fill."""
        order.cancel_ns = min(order.cancel_ns, now_ns + self._latency_ns)

    def match(self, order: WorkingOrder, bar: Bar) -> Execution | Ended | None:
        """What this candle does to the order; None: it goes on waiting."""
        open_ns = bar.open_time_ns
        if open_ns >= order.cancel_ns:
            return Ended(order, End.CANCELED, "canceled on request")
        if open_ns < order.arrives_ns:
            return None
        first, order.is_new = order.is_new, False
        intent = order.approved.intent
        if intent.stop_price is not None and not order.triggered:
            return self._stop(order, bar, intent.stop_price)
        if intent.limit_price is None:
            return self._take(order, bar.open, bar)
        return self._limit(order, bar, intent.limit_price, first=first)

    def _stop(self, order: WorkingOrder, bar: Bar, stop: Decimal) -> Execution | None:
        """A sell stop and a buy take-profit trigger from above, the other two from below."""
        falls = (order.side is Side.SELL) is order.is_stop
        if (bar.low > stop) if falls else (bar.high < stop):
            return None
        order.triggered = True
        if order.approved.intent.limit_price is not None:
            return None
        jumped = bar.open < stop if falls else bar.open > stop
        return self._take(order, bar.open if jumped else stop, bar)

    def _limit(self, order: WorkingOrder, bar: Bar, limit: Decimal, *, first: bool) -> Execution | Ended | None:
        buys, intent = order.side is Side.BUY, order.approved.intent
        if (bar.open <= limit) if buys else (bar.open >= limit):
            if first and intent.post_only:
                return Ended(order, End.REJECTED, "post-only, but it would have taken")
            if intent.time_in_force is TimeInForce.FOK and self._available(order, bar) < order.left:
                return Ended(order, End.EXPIRED, "fill-or-kill: the candle has not enough volume")
            return self._take(order, bar.open, bar, limit=limit) if first else self._at(order, limit, bar)
        if intent.time_in_force is not TimeInForce.GTC:
            return Ended(order, End.EXPIRED, f"{intent.time_in_force}: not marketable at the open")
        reach = bar.low if buys else bar.high
        beyond = reach < limit if buys else reach > limit
        touched = self._model.limit_fill is LimitFill.TOUCH and reach == limit
        return self._at(order, limit, bar) if beyond or touched else None

    def _at(self, order: WorkingOrder, limit: Decimal, bar: Bar) -> Execution | None:
        """A resting order is filled at its own price, by whoever came to it."""
        quantity = self._available(order, bar)
        return Execution(order, limit, quantity, Liquidity.MAKER) if quantity else None

    def _take(self, order: WorkingOrder, price: Decimal, bar: Bar, *, limit: Decimal | None = None) -> Execution | None:
        quantity = self._available(order, bar)
        if not quantity:
            return None
        price = self._model.taker_price(
            price,
            side=order.side,
            quantity=quantity,
            volume=float(bar.volume),
            tick_size=self._instrument.tick_size,
        )
        if limit is not None:
            price = min(price, limit) if order.side is Side.BUY else max(price, limit)
        return Execution(order, price, quantity, Liquidity.TAKER)

    def _available(self, order: WorkingOrder, bar: Bar) -> Decimal:
        """What is left of the order, within its share of the candle's volume, in whole lots."""
        if self._model.volume_share is None:
            return order.left
        share = money.product(bar.volume, money.from_float(self._model.volume_share))
        return min(order.left, max(money.floor_to(share, self._instrument.lot_size), ZERO))
