"""One venue's feed: ticks in, messages out, each with its place in the publisher's count and its quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from pitwire.common.enums import DataQuality, VenueState
from pitwire.common.schemas.market import Candle, Quote, Trade, VenueStatus
from pitwire.common.units import NS_PER_S
from pitwire.market_data.core.candles import BehindStore, CandleSeries, Closed, HistoryRequest, Hole, Step
from pitwire.market_data.core.doubt import Collar, MarketClock, is_near
from pitwire.market_data.core.ticks import Bar, QuoteTick, TimeTick, TradeTick, interval_ns

LATE_MAX_NS: Final = 5 * NS_PER_S
"""A trade this far behind the newest event of the venue is stale (market clock)."""

DETAIL_MAX: Final = 400


@dataclass(slots=True)
class _Line:
    """What is remembered of one instrument."""

    collar: Collar = field(default_factory=Collar)
    trade_id: int = 0
    update_id: int = 0
    trades: int = 0
    quotes: int = 0
    heard_ns: int = 0
    resumed: bool = False


@dataclass(slots=True)
class Rejected:
    """Messages that were not published, by reason."""

    repeated: int = 0
    untimed: int = 0
    mistimed: int = 0
    unknown_instrument: int = 0


class FeedCore:
    """State of one venue's feed. `recv_ns` is the wall clock, handed in; the venue's own time is in the ticks."""

    def __init__(
        self, venue: str, epoch: str, intervals: Mapping[str, tuple[str, ...]], *, silence_max_ns: int
    ) -> None:
        self.venue: Final = venue
        self.epoch: Final = epoch
        self.clock = MarketClock()
        self.rejected = Rejected()
        self._silence_max_ns = silence_max_ns
        self._lines = {instrument: _Line() for instrument in intervals}
        self._series: dict[tuple[str, str], CandleSeries] = {}
        self._candles: dict[tuple[str, str], int] = {}
        self._closes: dict[tuple[str, str], Decimal] = {}
        self._state = VenueState.DISCONNECTED
        self._not_trading: tuple[str, ...] = ()
        self._statuses = 0

    def resume_candles(self, instrument_id: str, interval: str, *, last_open_ns: int | None) -> None:
        """Begins a series after the candle published last, whoever published it; None when there is none."""
        self._series[instrument_id, interval] = CandleSeries(instrument_id, interval, last_open_ns=last_open_ns)
        self._candles[instrument_id, interval] = 0
        if last_open_ns is not None:
            self.clock.see(last_open_ns + interval_ns(interval))

    def history_requests(self) -> list[HistoryRequest]:
        """Every piece of history still missing."""
        return [series.request for series in self._series.values() if series.request is not None]

    def on_trade(self, tick: TradeTick, recv_ns: int) -> Trade | None:
        """GAP: trades before it are missing; SUSPECT: outside the collar; STALE: late. None: seen before."""
        line = self._lines.get(tick.instrument_id)
        if line is None:
            self.rejected.unknown_instrument += 1
            return None
        line.heard_ns = recv_ns
        if tick.trade_id <= line.trade_id and not line.resumed:
            self.rejected.repeated += 1
            return None
        skipped = line.trade_id and tick.trade_id != line.trade_id + 1
        line.trade_id, line.resumed = tick.trade_id, False
        line.trades += 1
        late = self.clock.now_ns - tick.ts_event_ns > LATE_MAX_NS
        quality = DataQuality.OK
        if not self.clock.see(tick.ts_event_ns) or not line.collar.on_trade(tick.last_price):
            quality = DataQuality.SUSPECT
        elif late:
            quality = DataQuality.STALE
        elif skipped:
            quality = DataQuality.GAP
        return Trade(
            instrument_id=tick.instrument_id,
            epoch=self.epoch,
            sequence=line.trades,
            ts_event_ns=tick.ts_event_ns,
            ts_recv_ns=recv_ns,
            quality=quality,
            trade_id=str(tick.trade_id),
            last_price=tick.last_price,
            last_quantity=tick.last_quantity,
            aggressor_side=tick.aggressor_side,
        )

    def on_quote(self, tick: QuoteTick, recv_ns: int) -> Quote | None:
        """Timed by the newest event of the venue, since the venue sends none. None: seen before, or no time known."""
        line = self._lines.get(tick.instrument_id)
        if line is None:
            self.rejected.unknown_instrument += 1
            return None
        line.heard_ns = recv_ns
        if tick.update_id < line.update_id:
            self.rejected.repeated += 1
            return None
        if not self.clock.now_ns:
            self.rejected.untimed += 1
            return None
        line.update_id = tick.update_id
        line.quotes += 1
        quality = DataQuality.OK
        if tick.bid_price >= tick.ask_price:
            quality = DataQuality.CROSSED
        elif not line.collar.on_quote((tick.bid_price + tick.ask_price) / 2):
            quality = DataQuality.SUSPECT
        return Quote(
            instrument_id=tick.instrument_id,
            epoch=self.epoch,
            sequence=line.quotes,
            ts_event_ns=self.clock.now_ns,
            ts_recv_ns=recv_ns,
            quality=quality,
            bid_price=tick.bid_price,
            bid_quantity=tick.bid_quantity,
            ask_price=tick.ask_price,
            ask_quantity=tick.ask_quantity,
        )

    def on_time(self, tick: TimeTick, recv_ns: int) -> None:
        """The venue's clock went on."""
        line = self._lines.get(tick.instrument_id)
        if line is None:
            self.rejected.unknown_instrument += 1
            return
        line.heard_ns = recv_ns
        self.rejected.mistimed += not self.clock.see(tick.ts_event_ns)

    def on_bar(self, bar: Bar, recv_ns: int) -> list[Candle | Hole | BehindStore]:
        """A closed candle: gives candles to publish, unless history is missing before it."""
        line, series = self._lines.get(bar.instrument_id), self._series.get((bar.instrument_id, bar.interval))
        if line is None or series is None:
            self.rejected.unknown_instrument += 1
            return []
        line.heard_ns = recv_ns
        if not self.clock.see(bar.ts_event_ns):
            self.rejected.mistimed += 1
            return []
        repeated = series.repeated
        found = series.on_live(bar)
        self.rejected.repeated += series.repeated - repeated
        return self._candles_of(found, recv_ns)

    def on_history(self, request: HistoryRequest, bars: list[Bar], recv_ns: int) -> list[Candle | Hole | BehindStore]:
        """The venue's answer to one of `history_requests`, and the live candles that waited for it."""
        series = self._series[request.instrument_id, request.interval]
        return self._candles_of(series.on_history(request, bars), recv_ns)

    def on_connected(self, recv_ns: int) -> VenueStatus:
        """Something may have been missed: every series asks for history, and counts of the venue may begin anew."""
        self._state = VenueState.CONNECTED
        self.clock.resume()
        for line in self._lines.values():
            line.heard_ns, line.update_id, line.resumed = recv_ns, 0, True
        for series in self._series.values():
            series.on_gap()
        return self.status(recv_ns, "connected")

    def on_disconnected(self, recv_ns: int, reason: str) -> VenueStatus:
        self._state = VenueState.DISCONNECTED
        return self.status(recv_ns, reason)

    def on_instruments(self, trading: Mapping[str, bool]) -> None:
        """Which instruments the venue trades right now; the others count as stale."""
        self._not_trading = tuple(instrument for instrument in self._lines if not trading.get(instrument, False))

    def status(self, recv_ns: int, detail: str = "") -> VenueStatus:
        """State now; instruments silent for too long are stale, and all of them together make the venue STALE."""
        silent = [name for name, line in self._lines.items() if recv_ns - line.heard_ns > self._silence_max_ns]
        state = self._state
        if state is VenueState.CONNECTED and len(silent) == len(self._lines):
            state = VenueState.STALE
        elif state is VenueState.CONNECTED and len(self._not_trading) == len(self._lines):
            state = VenueState.MAINTENANCE
        self._statuses += 1
        return VenueStatus(
            venue=self.venue,
            state=state,
            epoch=self.epoch,
            sequence=self._statuses,
            ts_event_ns=self.clock.now_ns,
            ts_recv_ns=recv_ns,
            stale_instruments=tuple(dict.fromkeys([*silent, *self._not_trading])),
            detail=detail[:DETAIL_MAX],
        )

    def _candles_of(self, found: list[Step], recv_ns: int) -> list[Candle | Hole | BehindStore]:
        return [self._candle(each, recv_ns) if isinstance(each, Closed) else each for each in found]

    def _candle(self, closed: Closed, recv_ns: int) -> Candle:
        bar = closed.bar
        key = bar.instrument_id, bar.interval
        self._candles[key] += 1
        close_time_ns = bar.open_time_ns + interval_ns(bar.interval)
        if closed.backfilled:
            self.clock.resume()
        self.clock.see(close_time_ns)
        before, self._closes[key] = self._closes.get(key), bar.close
        believed = before is None or (is_near(bar.high, before) and is_near(bar.low, before))
        return Candle(
            instrument_id=bar.instrument_id,
            epoch=self.epoch,
            sequence=self._candles[key],
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
