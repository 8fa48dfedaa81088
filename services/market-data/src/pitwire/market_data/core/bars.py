"""Candles made here, from trades or from smaller candles: closed once, and only when nothing of them was missed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from enum import Enum
from typing import Final

from pitwire.common.errors import UsageError
from pitwire.common.units import NS_PER_MS
from pitwire.market_data.core.ticks import Bar, TradeTick, interval_ns, window_start

GRACE_NS: Final = 500 * NS_PER_MS
"""How far the market clock goes beyond the end of a candle before it closes: trades of one instrument may lag."""

EMPTY_MAX: Final = 10_000
"""Empty candles made at once; a longer silence is a gap."""

ZERO: Final = Decimal(0)


class EmptyBars(Enum):
    """What a venue makes of a time without a trade: Binance carries the close on, Coinbase has no candle."""

    CARRY = "carry"
    SKIP = "skip"


class BarBuilder:
    """One instrument and interval. What it was not there for from the first moment, it does not give out."""

    def __init__(self, instrument_id: str, interval: str, empty: EmptyBars) -> None:
        self._instrument_id = instrument_id
        self._interval = interval
        self._length_ns = interval_ns(interval)
        self._empty = empty
        self._since_ns: int | None = None
        self._bar: Bar | None = None
        self._start_ns = 0
        self._close: Decimal | None = None
        self.late = 0

    def on_gap(self) -> None:
        """Something may have been missed: the candle that is open now will not be given out, nor the close carried."""
        self._since_ns = self._bar = self._close = None

    def on_trade(self, tick: TradeTick) -> list[Bar]:
        """Gives the candles that this trade ends; one that comes after its candle closed is counted as late."""
        price, quantity = Decimal(tick.last_price), Decimal(tick.last_quantity)
        part = Bar(
            instrument_id=self._instrument_id,
            interval=self._interval,
            open_time_ns=window_start(self._interval, tick.ts_event_ns),
            open=price,
            high=price,
            low=price,
            close=price,
            volume=quantity,
            quote_volume=price * quantity,
            trade_count=1,
            ts_event_ns=tick.ts_event_ns,
        )
        return self._add(part, tick.ts_event_ns + 1)

    def on_bar(self, bar: Bar) -> list[Bar]:
        """A smaller closed candle, each once and in order; the one that ends this candle closes it at once.

        `UsageError` when candles of that length do not fill one of ours.
        """
        if self._length_ns % interval_ns(bar.interval):
            raise UsageError(f"candles of {bar.interval} do not fill one of {self._interval}")
        found = self._add(bar, bar.open_time_ns)
        ends_ns = bar.open_time_ns + interval_ns(bar.interval)
        return found + (self._advance(ends_ns) if ends_ns == self._start_ns + self._length_ns else [])

    def on_time(self, now_ns: int) -> list[Bar]:
        """The market clock: closes what ended, with or without a trade."""
        if self._since_ns is None:
            self._begin(now_ns)
            return []
        return self._advance(window_start(self._interval, now_ns - GRACE_NS))

    def _begin(self, since_ns: int) -> None:
        self._since_ns, self._start_ns = since_ns, window_start(self._interval, since_ns)

    def _add(self, part: Bar, since_ns: int) -> list[Bar]:
        if self._since_ns is None:
            self._begin(since_ns)
        start_ns = window_start(self._interval, part.open_time_ns)
        if start_ns < self._start_ns:
            self.late += 1
            return []
        found = self._advance(start_ns)
        self._bar = part if self._bar is None else _joined(self._bar, part)
        self._close = part.close
        return found

    def _advance(self, to_ns: int) -> list[Bar]:
        """Closes every candle that opened before `to_ns`."""
        found: list[Bar] = []
        if (to_ns - self._start_ns) // self._length_ns > EMPTY_MAX:
            self.on_gap()
            self._begin(to_ns)
        while self._start_ns < to_ns:
            bar, self._bar = self._bar, None
            if bar is None and self._empty is EmptyBars.CARRY and self._close is not None:
                bar = self._carried(self._close)
            if bar is not None and self._since_ns is not None and self._since_ns <= self._start_ns:
                found.append(self._closed(bar))
            self._start_ns += self._length_ns
        return found

    def _closed(self, bar: Bar) -> Bar:
        return replace(bar, interval=self._interval, open_time_ns=self._start_ns)

    def _carried(self, close: Decimal) -> Bar:
        return Bar(
            instrument_id=self._instrument_id,
            interval=self._interval,
            open_time_ns=self._start_ns,
            open=close,
            high=close,
            low=close,
            close=close,
            volume=ZERO,
            quote_volume=ZERO,
            trade_count=0,
            ts_event_ns=self._start_ns + self._length_ns - 1,
        )


def _joined(bar: Bar, part: Bar) -> Bar:
    """Both together. What nothing was traded in has only a carried price: it is no open, high, low or close."""
    traded, other = (bar, part) if bar.volume else (part, bar)
    if not other.volume:
        newest_ns = max(bar.ts_event_ns, part.ts_event_ns)
        return replace(traded, open_time_ns=bar.open_time_ns, ts_event_ns=newest_ns)
    return Bar(
        instrument_id=bar.instrument_id,
        interval=bar.interval,
        open_time_ns=bar.open_time_ns,
        open=bar.open,
        high=max(bar.high, part.high),
        low=min(bar.low, part.low),
        close=part.close,
        volume=bar.volume + part.volume,
        quote_volume=bar.quote_volume + part.quote_volume,
        trade_count=bar.trade_count + part.trade_count,
        ts_event_ns=max(bar.ts_event_ns, part.ts_event_ns),
    )
