"""What a venue's adapter hands in, already validated: one trade, one top of book, one bar."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from pitwire.common.enums import Side
from pitwire.common.errors import UsageError
from pitwire.common.units import NS_PER_S
from pitwire.market_data.core.depth import Diff

_MINUTE_NS: Final = 60 * NS_PER_S
_DAY_NS: Final = 1_440 * _MINUTE_NS
_WEEK_NS: Final = 7 * _DAY_NS
_UNITS_NS: Final = {"s": NS_PER_S, "m": _MINUTE_NS, "h": 60 * _MINUTE_NS, "d": _DAY_NS, "w": _WEEK_NS}
_MONDAY_NS: Final = 4 * _DAY_NS
"""The first Monday after the epoch, which was a Thursday."""


@lru_cache
def interval_ns(interval: str) -> int:
    """Length of `10s`, `1m`, `4h`, `1d`, `1w` in nanoseconds; `UsageError` below a second and above a week."""
    count, unit = interval[:-1], interval[-1:]
    known = count.isdecimal() and count.isascii() and len(count) <= 6 and unit in _UNITS_NS
    length = int(count) * _UNITS_NS[unit] if known else 0
    if not NS_PER_S <= length <= _WEEK_NS:
        raise UsageError(f"interval {interval!r} must be a number and s, m, h, d or w, from 1s to 1w; for example 1m")
    return length


def window_start(interval: str, ts_ns: int) -> int:
    """When the candle that holds `ts_ns` opened: weeks on Monday, all others at multiples of their length (UTC)."""
    length = interval_ns(interval)
    offset = _MONDAY_NS if length == _WEEK_NS else 0
    return ts_ns - (ts_ns - offset) % length


class TradeTick(NamedTuple):
    """`trade_id` rises by one with every trade of the instrument. Figures are plain decimals as the venue wrote."""

    instrument_id: str
    trade_id: int
    last_price: str
    last_quantity: str
    aggressor_side: Side
    ts_event_ns: int


class QuoteTick(NamedTuple):
    """Top of book; `update_id` never falls. The venue sends no time with it. Figures as in `TradeTick`."""

    instrument_id: str
    update_id: int
    bid_price: str
    bid_quantity: str
    ask_price: str
    ask_quantity: str


class TimeTick(NamedTuple):
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
        if self.open_time_ns != window_start(self.interval, self.open_time_ns):
            return f"open time {self.open_time_ns} is not where a candle of {self.interval} opens"
        return ""


Tick = TradeTick | QuoteTick | TimeTick | Bar | Diff
