"""A real market's frames, captured or live, as the market of the venue: its quotes, its trades, its candles."""

from decimal import Decimal

from pitwire.venue_sim.core.depth_feed import Change, DepthFeed
from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.frames import DepthUpdate, Frame, Lost, Print, Snapshot, Top
from pitwire.venue_sim.core.market import Move, Shown
from pitwire.venue_sim.core.path import BAR_MS
from pitwire.venue_sim.core.recorded_book import RecordedBook
from pitwire.venue_sim.core.rules import AVERAGE_PRICE_MINUTES
from pitwire.venue_sim.core.tape import Tape
from pitwire.venue_sim.core.types import Side
from pitwire.venue_sim.core.units import to_decimal

NS_PER_MS = 1_000_000
EMPTY_MINUTES_MAX = 1440
"""Where the market was silent for longer, the minutes between are missing: one stamp must not make a million."""

STEP_MAX_MS = 3_600_000
"""A sender whose clock moved so far against the receiver's between two frames is believed the second time."""

CLOSE_GRACE_MS = 1000
"""How long a minute without a later trade stays open for one of its own that comes late."""


class FrameClock:
    """Market time of frames: that of the venue that sent them, carried on by the receiver's clock, never falling."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._ahead_ms: int | None = None
        """How far the sender's clock was ahead of the receiver's in the newest frame with a time of its own."""

        self._doubted_ms: int | None = None
        """The same of a frame that was not believed."""

    def at(self, frame: Frame, recv_ns: int) -> int:
        """The market time of the next frame."""
        received_ms = recv_ns // NS_PER_MS
        if isinstance(frame, DepthUpdate | Print):
            self._see(frame.event_ms - received_ms)
        return self.reach(received_ms)

    def _see(self, ahead_ms: int) -> None:
        known = [each for each in (self._ahead_ms, self._doubted_ms) if each is not None]
        if self._ahead_ms is None or any(abs(ahead_ms - each) <= STEP_MAX_MS for each in known):
            self._ahead_ms, self._doubted_ms = ahead_ms, None
        else:
            self._doubted_ms = ahead_ms

    def reach(self, received_ms: int) -> int:
        """The market time at a time of the receiver's clock; it stands until the first frame with a time of its own."""
        if self._ahead_ms is not None:
            self.now_ms = max(self.now_ms, received_ms + self._ahead_ms)
        return self.now_ms


class FollowedMarket:
    """Applies frames to the exchange. While a symbol's book is not known its listing is stale and shows nothing."""

    def __init__(self, symbols: list[str], exchange: Exchange) -> None:
        self._exchange = exchange
        self.tapes = {symbol: Tape() for symbol in symbols}
        self.feeds = {symbol: DepthFeed() for symbol in symbols}
        self.books = {symbol: RecordedBook() for symbol in symbols}
        for symbol, book in self.books.items():
            exchange.listings[symbol].book = book
            exchange.listings[symbol].is_stale = True
        self.bars = 0
        exchange.reference_price = self.reference_price

    def reference_price(self, symbol: str) -> Decimal:
        """The symbol's volume-weighted average price of the last minutes, what filters measure prices with."""
        return to_decimal(self.tapes[symbol].average_price(AVERAGE_PRICE_MINUTES))

    @property
    def is_ready(self) -> bool:
        """Has every symbol a book and a price?"""
        return all(feed.is_known for feed in self.feeds.values()) and all(
            tape.last_ms() for tape in self.tapes.values()
        )

    @property
    def newest_id(self) -> int:
        """The newest depth update of any symbol that anything is known of."""
        return max(feed.newest_id for feed in self.feeds.values())

    def apply(self, frame: Frame, effects: Effects) -> list[Move]:
        """Apply one frame at the time of `effects`; frames of symbols that are not listed change nothing."""
        if isinstance(frame, Lost):
            return [move for symbol in self.feeds for move in self.lose(symbol, effects.now_ms)]
        symbol = frame.symbol or next(iter(self.feeds))
        if symbol not in self.feeds:
            return []
        if isinstance(frame, Print):
            return self._print(frame, effects)
        if isinstance(frame, Snapshot):
            shown = self._snapshot(symbol, frame)
        elif isinstance(frame, DepthUpdate):
            shown = self._update(symbol, frame)
        else:
            shown = self._top(symbol, frame)
        if shown is not Shown.NOTHING:
            self._exchange.recorded_quotes(symbol, effects)
        return [Move(symbol, effects.now_ms, shown=shown)] if shown is not Shown.NOTHING else []

    def lose(self, symbol: str, now_ms: int) -> list[Move]:
        """Something of a symbol's book was missed."""
        self.feeds[symbol].lose()
        return [Move(symbol, now_ms, shown=Shown.DEPTH)] if self._go_stale(symbol) else []

    # -------------------------------------------------------------------------------------------------------- quotes
    def _go_stale(self, symbol: str) -> bool:
        listing = self._exchange.listings[symbol]
        was_stale, listing.is_stale = listing.is_stale, True
        self.books[symbol].hide()
        return not was_stale

    def _snapshot(self, symbol: str, snapshot: Snapshot) -> Shown:
        feed = self.feeds[symbol]
        if feed.is_known or not feed.snapshot(snapshot):
            return Shown.NOTHING
        feed.overlay()
        bids, asks = (list(feed.sides[side].items()) for side in Side)
        self.books[symbol].replace(bids, asks, is_first=feed.gaps == 0)
        self._exchange.listings[symbol].is_stale = False
        return Shown.DEPTH

    def _update(self, symbol: str, update: DepthUpdate) -> Shown:
        feed, book = self.feeds[symbol], self.books[symbol]
        changes = feed.update(update)
        if changes is None:
            return Shown.DEPTH if self._go_stale(symbol) else Shown.NOTHING
        self._put(symbol, changes)
        standing = {
            order.venue_order_id: feed.sides[order.side].get(order.limit_price)
            for order in book.users()
            # There the newest top of book knows of trades that may still be printed.
            if not feed.is_ahead_at(order.side, order.limit_price)
        }
        book.cap_queues(standing, update.event_ms)
        self._put(symbol, feed.overlay())
        return Shown.DEPTH

    def _top(self, symbol: str, top: Top) -> Shown:
        changes = self.feeds[symbol].top(top)
        self._put(symbol, changes)
        return Shown.TOP if changes else Shown.NOTHING

    def _put(self, symbol: str, changes: list[Change]) -> None:
        for change in changes:
            self.books[symbol].put(*change)

    # -------------------------------------------------------------------------------------------------------- trades
    def _print(self, trade: Print, effects: Effects) -> list[Move]:
        symbol, tape = trade.symbol, self.tapes[trade.symbol]
        if trade.traded_ms > effects.now_ms:
            trade = trade._replace(traded_ms=effects.now_ms)
        minute_ms = trade.traded_ms - trade.traded_ms % BAR_MS
        if tape.current is None:
            tape.open_bar(minute_ms, trade.price)
        moves = self._close_before(symbol, minute_ms, effects.now_ms)
        buyer_takes = not trade.buyer_is_maker
        printed = tape.trade(
            price=trade.price,
            quantity=trade.quantity,
            ts_ms=trade.traded_ms,
            buyer_takes=buyer_takes,
            trade_id=trade.trade_id,
        )
        self._exchange.recorded_trade(
            symbol,
            taker_side=Side.BUY if buyer_takes else Side.SELL,
            price=to_decimal(trade.price),
            quantity=to_decimal(trade.quantity),
            traded_ms=trade.traded_ms,
            effects=effects,
        )
        return [*moves, Move(symbol, effects.now_ms, trade=printed, candle=tape.current)]

    def close_due(self, now_ms: int) -> list[Move]:
        """Close the minutes that no late trade is to be expected of any more."""
        until_ms = now_ms - CLOSE_GRACE_MS
        return [
            move for symbol in self.tapes for move in self._close_before(symbol, until_ms - until_ms % BAR_MS, now_ms)
        ]

    def _close_before(self, symbol: str, minute_ms: int, now_ms: int) -> list[Move]:
        """Close every minute before this one, the empty ones among them too, unless they are too many to be meant."""
        tape = self.tapes[symbol]
        moves: list[Move] = []
        if tape.current is not None and minute_ms - tape.current.open_ms > EMPTY_MINUTES_MAX * BAR_MS:
            closed = tape.close_bar()
            tape.open_bar(minute_ms, closed.close)
            self.bars += 1
            return [Move(symbol, now_ms, candle=closed, candle_closed=True)]
        while tape.current is not None and tape.current.open_ms < minute_ms:
            closed = tape.close_bar()
            tape.open_bar(closed.open_ms + BAR_MS, closed.close)
            moves.append(Move(symbol, now_ms, candle=closed, candle_closed=True))
            self.bars += 1
        return moves
