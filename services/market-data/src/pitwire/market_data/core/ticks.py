"""What a venue's adapter hands in, already validated: one trade, one top of book, one bar."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from pitwire.common.enums import Side
from pitwire.common.errors import UsageError
from pitwire.common.units import NS_PER_S

_DAY_NS: Final = 86_400 * NS_PER_S
_UNITS_NS: Final = {"s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3_600 * NS_PER_S, "d": _DAY_NS}


@lru_cache
def interval_ns(interval: str) -> int:
    """Length of `1m`, `4h`, `1d` ... in nanoseconds; `UsageError` for what does not divide a day.

    Candles of such a length open at multiples of it, which is checked; weeks and months do not.
    """
    count, unit = interval[:-1], interval[-1:]
    length = int(count) * _UNITS_NS[unit] if count.isdecimal() and len(count) <= 4 and unit in _UNITS_NS else 0
    if not length or _DAY_NS % length:
        raise UsageError(f"interval {interval!r} must be a number and s, m, h or d that divides a day; for example 1m")
    return length


@dataclass(frozen=True, slots=True)
class TradeTick:
    """`trade_id` rises by one with every trade of the instrument."""

    instrument_id: str
    trade_id: int
    last_price: Decimal
    last_quantity: Decimal
    aggressor_side: Side
    ts_event_ns: int


@dataclass(frozen=True, slots=True)
class QuoteTick:
    """Top of book; `update_id` never falls. The venue sends no time with it."""

    instrument_id: str
    update_id: int
    bid_price: Decimal
    bid_quantity: Decimal
    ask_price: Decimal
    ask_quantity: Decimal


@dataclass(frozen=True, slots=True)
class TimeTick:
    """Nothing but that the venue's clock is this far: a candle that is still open moved."""

    instrument_id: str
    ts_event_ns: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One candle that the venue has closed."""

    instrument_id: str
    interval: str
    open_time_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trade_count: int
    ts_event_ns: int

    def fault(self) -> str:
        """What is impossible about it; empty when nothing is."""
        if self.low > min(self.open, self.close) or self.high < max(self.open, self.close):
            return f"low {self.low} and high {self.high} do not hold open {self.open} and close {self.close}"
        if self.open_time_ns % interval_ns(self.interval):
            return f"open time {self.open_time_ns} is not a multiple of {self.interval}"
        return ""


Tick = TradeTick | QuoteTick | TimeTick | Bar
