"""What the market printed on one symbol: recent trades, one-minute candles, and figures computed from them."""

from array import array
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from pitwire.venue_sim.core.intervals import open_of
from pitwire.venue_sim.core.path import BAR_MS, quote_value
from pitwire.venue_sim.core.types import MarketTrade
from pitwire.venue_sim.core.units import SCALE

RECENT_TRADES_MAX = 1000
CANDLES_MAX = 100_000
"""Closed one-minute candles kept per symbol (69 days); the oldest tenth goes when it is full."""


class Candle(NamedTuple):
    """One candle; prices, volumes and values are integers of 10^-8. `first_id` is -1 while it has no trade."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    trades: int
    taker_volume: int
    taker_quote_volume: int
    first_id: int
    last_id: int


class Tape:
    """Recent trades and candles of one symbol, fed by the market in time order."""

    def __init__(self) -> None:
        self.trades: deque[MarketTrade] = deque(maxlen=RECENT_TRADES_MAX)
        self.next_trade_id = 1
        self.current: Candle | None = None
        self._columns = [array("q") for _ in Candle._fields]

    def open_bar(self, open_ms: int, price: int) -> None:
        """Begin a candle at a price, without a trade yet."""
        self.current = Candle(open_ms, price, price, price, price, 0, 0, 0, 0, 0, -1, -1)

    def trade(
        self, *, price: int, quantity: int, ts_ms: int, buyer_takes: bool, trade_id: int | None = None
    ) -> MarketTrade:
        """Print one trade into the current candle; its id is the next one where it has none of its own."""
        bar = self.current
        if bar is None:
            raise ValueError("a trade before the first candle was opened")
        if trade_id is None:
            trade_id = self.next_trade_id
        self.next_trade_id = trade_id + 1
        value = quote_value(price, quantity)
        first = bar.trades == 0
        self.current = Candle(
            bar.open_ms,
            price if first else bar.open,
            price if first else max(bar.high, price),
            price if first else min(bar.low, price),
            price,
            bar.volume + quantity,
            bar.quote_volume + value,
            bar.trades + 1,
            bar.taker_volume + (quantity if buyer_takes else 0),
            bar.taker_quote_volume + (value if buyer_takes else 0),
            trade_id if first else bar.first_id,
            trade_id,
        )
        printed = MarketTrade(trade_id, price, quantity, ts_ms, not buyer_takes)
        self.trades.append(printed)
        return printed

    def close_bar(self) -> Candle:
        """End the current candle and keep it."""
        bar = self.current
        if bar is None:
            raise ValueError("no candle is open")
        if len(self._columns[0]) >= CANDLES_MAX:
            for column in self._columns:
                del column[: CANDLES_MAX // 10]
        for column, value in zip(self._columns, bar, strict=True):
            column.append(value)
        self.current = None
        return bar

    def extend(self, candles: list[Candle]) -> None:
        """Keep candles that were made elsewhere, each the minute after the one before."""
        for candle in candles:
            for column, value in zip(self._columns, candle, strict=True):
                column.append(value)

    def __len__(self) -> int:
        return len(self._columns[0])

    def last_close(self) -> int:
        """The last printed price, 0 before any."""
        if self.current is not None:
            return self.current.close
        return self._columns[4][-1] if len(self) else 0

    def last_volume(self) -> int:
        """The volume of the last closed candle, 0 before any."""
        return self._columns[5][-1] if len(self) else 0

    def candles(self, start_ms: int, end_ms: int) -> list[Candle]:
        """One-minute candles opened in start_ms..end_ms, the running one included, oldest first."""
        opens = self._columns[0]
        if not opens:
            closed: list[Candle] = []
        else:
            # Candles are gapless, so a time is an index.
            first = max(0, -(-(start_ms - opens[0]) // BAR_MS))
            last = min(len(opens), (end_ms - opens[0]) // BAR_MS + 1)
            closed = [Candle(*(column[i] for column in self._columns)) for i in range(first, max(first, last))]
        if self.current is not None and start_ms <= self.current.open_ms <= end_ms:
            closed.append(self.current)
        return closed

    def first_ms(self) -> int:
        """Open time of the oldest candle, 0 before any."""
        if len(self):
            return self._columns[0][0]
        return self.current.open_ms if self.current is not None else 0

    def last_ms(self) -> int:
        """Open time of the newest candle, 0 before any."""
        if self.current is not None:
            return self.current.open_ms
        return self._columns[0][-1] if len(self) else 0

    def window(self, minutes: int) -> list[Candle]:
        """The candles of the last `minutes` minutes, the running one included."""
        last = self.last_ms()
        return self.candles(last - (minutes - 1) * BAR_MS, last)

    def up_to(self, interval: str, minute_ms: int) -> Candle | None:
        """The candle of an interval as it stands with the minute that opens then; None before any."""
        candles = self.candles(open_of(interval, minute_ms), minute_ms)
        return combine(candles, interval)[-1] if candles else None

    def average_price(self, minutes: int) -> int:
        """Volume-weighted average price of the last minutes (integer of 10^-8); the last price when nothing traded."""
        bar, closed = self.current, minutes
        volume = value = 0
        if bar is not None:
            closed, volume, value = minutes - 1, bar.volume, bar.quote_volume
        if closed:
            volume += sum(self._columns[5][-closed:])
            value += sum(self._columns[6][-closed:])
        return value * SCALE // volume if volume else self.last_close()


def combine(candles: Iterable[Candle], interval: str) -> list[Candle]:
    """Candles of a longer interval from one-minute candles."""
    combined: list[Candle] = []
    for candle in candles:
        open_ms = open_of(interval, candle.open_ms)
        if combined and combined[-1].open_ms == open_ms:
            combined[-1] = _join(combined[-1], candle)
        else:
            combined.append(candle._replace(open_ms=open_ms))
    return combined


def _join(left: Candle, right: Candle) -> Candle:
    return Candle(
        left.open_ms,
        left.open,
        max(left.high, right.high),
        min(left.low, right.low),
        right.close,
        left.volume + right.volume,
        left.quote_volume + right.quote_volume,
        left.trades + right.trades,
        left.taker_volume + right.taker_volume,
        left.taker_quote_volume + right.taker_quote_volume,
        left.first_id if left.first_id >= 0 else right.first_id,
        right.last_id if right.last_id >= 0 else left.last_id,
    )
