"""The candles of one venue: those it closes itself, and those made from them or from trades."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from pitwire.common.enums import DataQuality
from pitwire.common.schemas.market import Candle
from pitwire.market_data.core.bars import BarBuilder, EmptyBars
from pitwire.market_data.core.candles import BehindStore, CandleSeries, Closed, HistoryRequest, Hole, Step
from pitwire.market_data.core.doubt import MarketClock, is_near
from pitwire.market_data.core.ticks import Bar, TradeTick, interval_ns

BASE_INTERVAL: Final = "1m"
"""Followed for every instrument, whoever needs it: rows of `candles`, warm-up, and what longer candles are made of."""

Found = list[Candle | Hole | BehindStore]
Key = tuple[str, str]


def is_made_of_base(interval: str) -> bool:
    """Whether one-minute candles fill it; other ones are made from trades."""
    return interval != BASE_INTERVAL and interval_ns(interval) % interval_ns(BASE_INTERVAL) == 0


class CandleLines:
    """Every series of one venue. Whatever a candle comes from, its series lets it through once and in order.

    `is_doubted`: whether an instrument is in doubt at a time of the wall clock; a candle closed then is SUSPECT.
    """

    def __init__(
        self,
        epoch: str,
        intervals: Mapping[str, tuple[str, ...]],
        clock: MarketClock,
        is_doubted: Callable[[str, int], bool],
    ) -> None:
        self._epoch = epoch
        self._clock = clock
        self._is_doubted = is_doubted
        self._series: dict[Key, CandleSeries] = {}
        self._counts: dict[Key, int] = {}
        self._closes: dict[Key, Decimal] = {}
        self._from_base: dict[str, list[BarBuilder]] = {}
        self._from_trades: dict[str, list[BarBuilder]] = {}
        for instrument, wanted in intervals.items():
            made = [interval for interval in wanted if interval != BASE_INTERVAL]
            self._from_base[instrument] = [
                BarBuilder(instrument, interval, EmptyBars.CARRY) for interval in made if is_made_of_base(interval)
            ]
            self._from_trades[instrument] = [
                BarBuilder(instrument, interval, EmptyBars.CARRY) for interval in made if not is_made_of_base(interval)
            ]
        self.makes_from_trades: Final = any(self._from_trades.values())

    def resume(self, instrument_id: str, interval: str, *, last_open_ns: int | None) -> None:
        """Begins a series after the candle published last, whoever published it; None when there is none."""
        self._series[instrument_id, interval] = CandleSeries(instrument_id, interval, last_open_ns=last_open_ns)
        self._counts[instrument_id, interval] = 0
        if last_open_ns is not None:
            self._clock.see(last_open_ns + interval_ns(interval))

    def history_requests(self) -> list[HistoryRequest]:
        """Every piece of history still missing."""
        return [series.request for series in self._series.values() if series.request is not None]

    def follows(self, bar: Bar) -> bool:
        return (bar.instrument_id, bar.interval) in self._series

    @property
    def repeated(self) -> int:
        """Live candles that were there already."""
        return sum(series.repeated for series in self._series.values())

    def on_bar(self, bar: Bar, recv_ns: int) -> Found:
        """A candle the venue closed, of a series that is followed."""
        return self._let_out(self._series[bar.instrument_id, bar.interval].on_live(bar), recv_ns)

    def on_history(self, request: HistoryRequest, bars: list[Bar], recv_ns: int) -> Found:
        """The venue's answer to one of `history_requests`, and the live candles that waited for it."""
        series = self._series[request.instrument_id, request.interval]
        return self._let_out(series.on_history(request, bars), recv_ns)

    def on_trade(self, tick: TradeTick, recv_ns: int) -> Found:
        """Candles that this trade ends."""
        bars = [bar for builder in self._from_trades[tick.instrument_id] for bar in builder.on_trade(tick)]
        return [each for bar in bars for each in self.on_bar(bar, recv_ns)]

    def on_time(self, recv_ns: int) -> Found:
        """Candles that the market clock ends."""
        now_ns = self._clock.now_ns
        bars = [bar for made in self._from_trades.values() for builder in made for bar in builder.on_time(now_ns)]
        return [each for bar in bars for each in self.on_bar(bar, recv_ns)]

    def on_gap(self) -> None:
        """The stream was interrupted: every series asks for what it may have missed."""
        for series in self._series.values():
            series.on_gap()
        for builders in self._from_trades.values():
            for builder in builders:
                builder.on_gap()

    def _let_out(self, steps: list[Step], recv_ns: int) -> Found:
        found: Found = []
        for step in steps:
            if isinstance(step, Closed):
                found.append(self._candle(step, recv_ns))
                if step.bar.interval == BASE_INTERVAL:
                    found += self._made_of(step, recv_ns)
            else:
                found.append(step)
                if isinstance(step, Hole) and interval_ns(BASE_INTERVAL) == step.length_ns:
                    for builder in self._from_base[step.instrument_id]:
                        builder.on_gap()
        return found

    def _made_of(self, base: Closed, recv_ns: int) -> Found:
        """What a base candle completes. Behind history only history is trusted: the longer series asks for its own."""
        bars = [bar for builder in self._from_base[base.bar.instrument_id] for bar in builder.on_bar(base.bar)]
        return [] if base.backfilled else [each for bar in bars for each in self.on_bar(bar, recv_ns)]

    def _candle(self, closed: Closed, recv_ns: int) -> Candle:
        bar = closed.bar
        key = bar.instrument_id, bar.interval
        self._counts[key] += 1
        close_time_ns = bar.open_time_ns + interval_ns(bar.interval)
        if closed.backfilled:
            self._clock.resume()
        self._clock.see(close_time_ns)
        before, self._closes[key] = self._closes.get(key), bar.close
        believed = before is None or all(is_near(float(price), float(before)) for price in (bar.high, bar.low))
        if not closed.backfilled and self._is_doubted(bar.instrument_id, recv_ns):
            believed = False
        return Candle(
            instrument_id=bar.instrument_id,
            epoch=self._epoch,
            sequence=self._counts[key],
            ts_event_ns=bar.ts_event_ns,
            ts_recv_ns=recv_ns,
            quality=DataQuality.OK if believed else DataQuality.SUSPECT,
            interval=bar.interval,
            open_time_ns=bar.open_time_ns,
            close_time_ns=close_time_ns,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            quote_volume=bar.quote_volume,
            trade_count=bar.trade_count,
            backfilled=closed.backfilled,
        )
