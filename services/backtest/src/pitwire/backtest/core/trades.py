"""Fills as a backtest keeps them, and the round trips that they make."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from pitwire.backtest.core.candles import Candles
from pitwire.common.enums import Side
from pitwire.common.money import ZERO, difference, product, total


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill. `row` is its candle in the series of its instrument; `ts_ns` that candle's open.

    `realised_pnl` is before fees, `position` what the strategy holds after it; fees are in quote currency.
    """

    ts_ns: int
    row: int
    instrument_id: str
    strategy: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    is_maker: bool
    realised_pnl: Decimal
    position: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """From flat to flat. `pnl` is after fees; `worst` and `best` are the deepest and highest unrealised profit seen.

    Sources: maximum adverse and favourable excursion as in Sweeney, Campaign Trading (1996), here in quote currency
    at the lows and highs of the candles between first and last fill, on the largest quantity held.
    """

    instrument_id: str
    strategy: str
    opened_ns: int
    closed_ns: int
    quantity: Decimal
    cost: Decimal
    pnl: Decimal
    fees: Decimal
    worst: float
    best: float

    @property
    def return_percent(self) -> float:
        return 100.0 * float(self.pnl) / float(self.cost) if self.cost else 0.0


@dataclass(slots=True)
class _Open:
    first: Trade
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    pnl: Decimal = ZERO
    fees: Decimal = ZERO


def round_trips(trades: Iterable[Trade], candles: Mapping[str, Candles]) -> list[RoundTrip]:
    """Closed round trips in the order in which they closed; what is still open is not among them."""
    found: list[RoundTrip] = []
    open_now: dict[tuple[str, str], _Open] = {}
    for trade in trades:
        key = trade.strategy, trade.instrument_id
        trip = open_now.get(key)
        if trip is None:
            trip = open_now[key] = _Open(trade)
        if trade.side is Side.BUY:
            trip.cost = total(trip.cost, product(trade.quantity, trade.price))
            trip.quantity = total(trip.quantity, trade.quantity)
        trip.pnl = total(trip.pnl, difference(trade.realised_pnl, trade.fee))
        trip.fees = total(trip.fees, trade.fee)
        if not trade.position:
            del open_now[key]
            found.append(_closed(trip, trade, candles[trade.instrument_id]))
    return found


def _closed(trip: _Open, last: Trade, candles: Candles) -> RoundTrip:
    first = trip.first
    rows = slice(first.row, max(last.row, first.row + 1))
    average = float(trip.cost) / float(trip.quantity) if trip.quantity else float(first.price)
    lowest, highest = _extremes(candles.low[rows], candles.high[rows])
    return RoundTrip(
        instrument_id=first.instrument_id,
        strategy=first.strategy,
        opened_ns=first.ts_ns,
        closed_ns=last.ts_ns,
        quantity=trip.quantity,
        cost=trip.cost,
        pnl=trip.pnl,
        fees=trip.fees,
        worst=min(0.0, (min(lowest, float(last.price)) - average) * float(trip.quantity)),
        best=max(0.0, (max(highest, float(last.price)) - average) * float(trip.quantity)),
    )


def _extremes(low: array[float], high: array[float]) -> tuple[float, float]:
    return min(low), max(high)
