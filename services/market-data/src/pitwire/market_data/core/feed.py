"""One venue's feed: ticks in, messages out, each with its place in the publisher's count and its quality."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from pitwire.common.enums import DataQuality, VenueState
from pitwire.common.ids import symbol_of
from pitwire.common.schemas.market import VenueStatus
from pitwire.common.units import NS_PER_MS, NS_PER_S
from pitwire.market_data.core.book_line import BookLine
from pitwire.market_data.core.candle_lines import CandleLines, Found
from pitwire.market_data.core.candles import HistoryRequest
from pitwire.market_data.core.depth import Diff, Outcome, Snapshot
from pitwire.market_data.core.doubt import Collar, MarketClock
from pitwire.market_data.core.messages import BookOut, QuoteOut, TradeOut, quantity_text
from pitwire.market_data.core.quality import (
    DIVERGENCE_MAX,
    DOUBT_AFTER_NS,
    OFFSET_MAX_NS,
    QUALITY_OF,
    ClockOffset,
    Delays,
    Divergence,
    Doubts,
    Flag,
    Seat,
)
from pitwire.market_data.core.ticks import Bar, QuoteTick, TimeTick, TradeTick

LATE_MAX_NS: Final = 5 * NS_PER_S
"""A trade this far behind the newest event of the venue, or so long under way, is stale."""

DETAIL_MAX: Final = 400


@dataclass(slots=True)
class _Line:
    """What is remembered of one instrument."""

    book: BookLine | None
    doubts: Doubts
    seat: Seat
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
    """State of one venue's feed. `recv_ns` is the wall clock, handed in; the venue's own time is in the ticks.

    `skew_max_ns`: how far the venue's clock may be ahead of ours; None where they are not compared, since the market
    is replayed. `books` are the instruments whose book is followed; `peers` knows the same symbols elsewhere, whose mid
    price ours may be `divergence_max` away from. What is flagged for `doubt_after_ns` without a break is in doubt.
    """

    def __init__(
        self,
        venue: str,
        epoch: str,
        intervals: Mapping[str, tuple[str, ...]],
        *,
        silence_max_ns: int,
        skew_max_ns: int | None = None,
        books: Collection[str] = (),
        peers: Divergence | None = None,
        divergence_max: float = DIVERGENCE_MAX,
        doubt_after_ns: int = DOUBT_AFTER_NS,
    ) -> None:
        self.venue: Final = venue
        self.epoch: Final = epoch
        self.clock = MarketClock()
        self.candles: Final = CandleLines(epoch, intervals, self.clock, self._is_doubted)
        self.rejected = Rejected()
        self.flagged = dict.fromkeys(Flag, 0)
        self._delays = Delays(skew_max_ns, LATE_MAX_NS)
        self.offset: Final = ClockOffset(OFFSET_MAX_NS if skew_max_ns is None else skew_max_ns)
        peers = peers or Divergence()
        self._silence_max_ns = silence_max_ns
        self._divergence_max = divergence_max
        self._lines = {
            name: _Line(
                BookLine(name, epoch) if name in books else None,
                Doubts(doubt_after_ns, silence_max_ns),
                peers.seat(name),
            )
            for name in intervals
        }
        self._state = VenueState.DISCONNECTED
        self._not_trading: tuple[str, ...] = ()
        self._statuses = 0
        self._made: Found = []
        self._has_news = False

    # -- trades and quotes ---------------------------------------------------------------------------------------

    def on_trade(self, tick: TradeTick, recv_ns: int) -> TradeOut | None:
        """GAP: trades before it are missing; SUSPECT: price or time cannot be; STALE: late. None: seen before."""
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
        if self.candles.makes_from_trades:
            self._made += self.candles.on_trade(tick, recv_ns)
        flag, price = self._time_flag(tick.ts_event_ns, recv_ns), float(tick.last_price)
        if flag is not Flag.SKEWED and not line.collar.on_trade(price):
            flag = Flag.OUTLIER
        if flag is None and not line.seat.agrees(price, recv_ns, self._divergence_max):
            flag = Flag.DIVERGED
        if flag is None and skipped:
            flag = Flag.GAP
        return TradeOut(
            tick.instrument_id,
            self.epoch,
            line.trades,
            tick.ts_event_ns,
            recv_ns,
            self._quality(line, "trade", flag, recv_ns),
            str(tick.trade_id),
            tick.last_price,
            tick.last_quantity,
            tick.aggressor_side,
        )

    def on_quote(self, tick: QuoteTick, recv_ns: int) -> QuoteOut | None:
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
        bid, ask = float(tick.bid_price), float(tick.ask_price)
        flag = Flag.CROSSED if bid >= ask else self._price_flag(line, (bid + ask) / 2, recv_ns)
        return QuoteOut(
            tick.instrument_id,
            self.epoch,
            line.quotes,
            self.clock.now_ns,
            recv_ns,
            self._quality(line, "quote", flag, recv_ns),
            tick.bid_price,
            quantity_text(tick.bid_quantity),
            tick.ask_price,
            quantity_text(tick.ask_quantity),
        )

    # -- books ---------------------------------------------------------------------------------------------------

    def on_diff(self, diff: Diff, recv_ns: int) -> BookOut | None:
        """GAP or CROSSED without levels: the book is lost. SUSPECT, STALE: doubtful, but in sequence. None: waits."""
        line = self._lines.get(diff.instrument_id)
        if line is None or line.book is None:
            self.rejected.unknown_instrument += 1
            return None
        line.heard_ns = recv_ns
        book, outcome = line.book, line.book.on_diff(diff)
        if outcome is Outcome.REPEATED:
            self.rejected.repeated += 1
        flag = self._time_flag(diff.ts_event_ns, recv_ns)
        if outcome is Outcome.LOST:
            self._quality(line, "book", flag, recv_ns)
            return self._lost(book, recv_ns)
        if outcome is not Outcome.APPLIED:
            return None
        mid_price = book.mid_price
        if flag is None and mid_price is not None:
            flag = self._price_flag(line, mid_price, recv_ns)
        return book.applied(diff, self._quality(line, "book", flag, recv_ns), recv_ns)

    def snapshot_requests(self) -> list[str]:
        """Instruments whose book waits for a snapshot."""
        return [name for name, line in self._lines.items() if line.book is not None and line.book.wants_snapshot]

    def on_snapshot(self, snapshot: Snapshot, recv_ns: int) -> BookOut | None:
        """The whole book when it is in sequence now. None: too old for the diffs, ask again."""
        line = self._lines[snapshot.instrument_id]
        if line.book is None:
            return None
        outcome = line.book.on_snapshot(snapshot)
        if outcome is Outcome.LOST:
            return self._lost(line.book, recv_ns)
        if outcome is not Outcome.SNAPSHOT:
            return None
        self._has_news = True
        mid_price = line.book.mid_price
        flag = None if mid_price is None else self._price_flag(line, mid_price, recv_ns)
        quality = self._quality(line, "book", flag, recv_ns)
        if quality is DataQuality.OK and self._is_doubted(snapshot.instrument_id, recv_ns):
            quality = DataQuality.SUSPECT
        return line.book.whole(quality, ts_event_ns=self.clock.now_ns, recv_ns=recv_ns)

    def lose_books(self, recv_ns: int) -> list[BookOut]:
        """The stream was interrupted: nobody is to go on with a book as it was."""
        books = [line.book for line in self._lines.values() if line.book is not None and line.book.on_gap()]
        return [book.lost(DataQuality.STALE, ts_event_ns=self.clock.now_ns, recv_ns=recv_ns) for book in books]

    def _lost(self, book: BookLine, recv_ns: int) -> BookOut:
        flag = Flag.CROSSED if book.is_crossed else Flag.GAP
        self.flagged[flag] += 1
        self._has_news = True
        return book.lost(QUALITY_OF[flag], ts_event_ns=self.clock.now_ns, recv_ns=recv_ns)

    def take_news(self) -> bool:
        """Whether a book was lost or came back since the last call: the status says so at once."""
        news, self._has_news = self._has_news, False
        return news

    # -- candles and time ----------------------------------------------------------------------------------------

    def on_time(self, tick: TimeTick, recv_ns: int) -> None:
        """The venue's clock went on."""
        line = self._lines.get(tick.instrument_id)
        if line is None:
            self.rejected.unknown_instrument += 1
            return
        line.heard_ns = recv_ns
        self.rejected.mistimed += not self._moves_clock(line, tick.ts_event_ns, recv_ns)

    def on_bar(self, bar: Bar, recv_ns: int) -> Found:
        """A closed candle: gives candles to publish, unless history is missing before it."""
        line = self._lines.get(bar.instrument_id)
        if line is None or not self.candles.follows(bar):
            self.rejected.unknown_instrument += 1
            return []
        line.heard_ns = recv_ns
        if not self._moves_clock(line, bar.ts_event_ns, recv_ns):
            self.rejected.mistimed += 1
            return []
        repeated = self.candles.repeated
        found = self.candles.on_bar(bar, recv_ns)
        self.rejected.repeated += self.candles.repeated - repeated
        return found

    def _moves_clock(self, line: _Line, event_ns: int, recv_ns: int) -> bool:
        """A stamp that is ahead of what can be does not: the clock never goes back, and all others would be late."""
        flag = self._delays.see(event_ns, recv_ns)
        line.doubts.see("time", flag, recv_ns)
        return flag is not Flag.SKEWED and self.clock.see(event_ns)

    def take_made(self, recv_ns: int) -> Found:
        """Candles made from trades that ended since the last call."""
        found, self._made = self._made + self.candles.on_time(recv_ns), []
        return found

    def resume_candles(self, instrument_id: str, interval: str, *, last_open_ns: int | None) -> None:
        """See `CandleLines.resume`."""
        self.candles.resume(instrument_id, interval, last_open_ns=last_open_ns)

    def history_requests(self) -> list[HistoryRequest]:
        """Every piece of history still missing."""
        return self.candles.history_requests()

    def on_history(self, request: HistoryRequest, bars: list[Bar], recv_ns: int) -> Found:
        """See `CandleLines.on_history`."""
        return self.candles.on_history(request, bars, recv_ns)

    # -- the connection ------------------------------------------------------------------------------------------

    def on_connected(self, recv_ns: int) -> VenueStatus:
        """Something may have been missed: every series asks for history, and counts of the venue may begin anew."""
        self._state = VenueState.CONNECTED
        self.clock.resume()
        for line in self._lines.values():
            line.heard_ns, line.update_id, line.resumed = recv_ns, 0, True
            if line.book is not None:
                line.book.on_gap()
        self.candles.on_gap()
        return self.status(recv_ns, "connected")

    def on_disconnected(self, recv_ns: int, reason: str) -> VenueStatus:
        self._state = VenueState.DISCONNECTED
        return self.status(recv_ns, reason)

    def on_instruments(self, trading: Mapping[str, bool]) -> None:
        """Which instruments the venue trades right now; the others count as stale."""
        self._not_trading = tuple(instrument for instrument in self._lines if not trading.get(instrument, False))

    def on_delisted(self, symbols: Collection[str]) -> None:
        """The venue lists these no longer; what it said of the others still holds."""
        gone = [name for name in self._lines if symbol_of(name) in symbols]
        self._not_trading = tuple(dict.fromkeys([*self._not_trading, *gone]))

    def status(self, recv_ns: int, detail: str = "") -> VenueStatus:
        """State now; instruments silent for too long are stale, and all of them together make the venue STALE."""
        silent = [name for name, line in self._lines.items() if recv_ns - line.heard_ns > self._silence_max_ns]
        state = self._state
        if state is VenueState.CONNECTED and len(silent) == len(self._lines):
            state = VenueState.STALE
        elif state is VenueState.CONNECTED and len(self._not_trading) == len(self._lines):
            state = VenueState.MAINTENANCE
        self._statuses += 1
        least_ns = self._delays.take_least_ns()
        return VenueStatus(
            venue=self.venue,
            state=state,
            epoch=self.epoch,
            sequence=self._statuses,
            ts_event_ns=self.clock.now_ns,
            ts_recv_ns=recv_ns,
            stale_instruments=tuple(dict.fromkeys([*silent, *self._not_trading])),
            unsynced_books=tuple(
                name for name, line in self._lines.items() if line.book is not None and not line.book.is_synced
            ),
            flagged={flag.value: count for flag, count in self.flagged.items() if count},
            rejected={name: count for name in Rejected.__slots__ if (count := getattr(self.rejected, name))},
            delay_ms=None if least_ns is None else least_ns // NS_PER_MS,
            doubted=self._doubted(recv_ns),
            clock_offset_ms=self.offset.offset_ms,
            detail=detail[:DETAIL_MAX],
        )

    # -- doubt ---------------------------------------------------------------------------------------------------

    def _time_flag(self, event_ns: int, recv_ns: int) -> Flag | None:
        flag = self._delays.see(event_ns, recv_ns)
        if flag is Flag.SKEWED:
            return flag
        late = self.clock.now_ns - event_ns > LATE_MAX_NS
        if not self.clock.see(event_ns):
            return Flag.SKEWED
        return Flag.LATE if late else flag

    def _price_flag(self, line: _Line, mid_price: float, recv_ns: int) -> Flag | None:
        if not line.collar.on_quote(mid_price):
            return Flag.OUTLIER
        return None if line.seat.on_mid(mid_price, recv_ns, self._divergence_max) else Flag.DIVERGED

    def _is_doubted(self, instrument_id: str, now_ns: int) -> bool:
        return self.offset.is_skewed or self._lines[instrument_id].doubts.at(now_ns) is not None

    def _doubted(self, now_ns: int) -> dict[str, str]:
        skewed = Flag.SKEWED if self.offset.is_skewed else None
        found = {name: line.doubts.at(now_ns) or skewed for name, line in self._lines.items()}
        return {name: flag.value for name, flag in found.items() if flag}

    def _quality(self, line: _Line, kind: str, flag: Flag | None, recv_ns: int) -> DataQuality:
        if flag is None and line.doubts.is_clear:
            return DataQuality.OK
        line.doubts.see(kind, flag, recv_ns)
        if flag is None:
            return DataQuality.OK
        self.flagged[flag] += 1
        return QUALITY_OF[flag]
