"""Market data and user data streams without their sockets: who listens to what, each payload encoded once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

import orjson

from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.intervals import LENGTHS_MS
from pitwire.venue_sim.core.market import Move, Shown
from pitwire.venue_sim.core.tape import Candle, Tape
from pitwire.venue_sim.core.types import Side
from pitwire.venue_sim.core.units import text
from pitwire.venue_sim.handlers import market_events, market_shapes, shapes
from pitwire.venue_sim.handlers.faults import Faults
from pitwire.venue_sim.handlers.shapes import Json
from pitwire.venue_sim.ports import MarketTime, Outbox

PARTIAL_DEPTHS = (5, 10, 20)
DIFF_NAMES = ("depth@100ms", "depth", "depth@1000ms")
MINI_TICKERS = "!miniTicker@arr"
LONGER = tuple(interval for interval in LENGTHS_MS if interval != "1m")
DIFF_LEVELS = 1000
"""Diffs compare this many levels a side."""

Levels = dict[Decimal, Decimal]


@dataclass(slots=True, eq=False)
class Subscriber:
    """One connection's place in the feeds: its outbox, its streams, and how it wants payloads wrapped."""

    outbox: Outbox
    combined: bool
    streams: dict[str, None] = field(default_factory=dict[str, None])


@dataclass(slots=True)
class _DiffBase:
    """The book as the last depth update left it."""

    update_id: int
    bids: Levels
    asks: Levels


class Feeds:
    """The venue's publisher: turns moves and account events into frames for those who subscribed."""

    def __init__(
        self,
        exchange: Exchange,
        time: MarketTime,
        faults: Faults,
        tapes: Mapping[str, Tape],
        *,
        defer: Callable[[Callable[[], None]], object] = lambda action: action(),
    ) -> None:
        """`defer` carries out an action a little later, so that one depth update tells of many orders."""
        self._defer = defer
        self._changed: dict[str, None] = {}
        self._exchange = exchange
        self._tapes = tapes
        self._faults = faults
        self._time = time
        self._streams: dict[str, dict[Subscriber, None]] = {}
        self._users: dict[str, dict[tuple[Outbox, int], None]] = {}
        self._tops: dict[str, tuple[object, object]] = {}
        self._diffs: dict[str, _DiffBase] = {}
        self.frames = 0
        self.listen_keys: Callable[[str], list[str]] = lambda _account_id: []
        """The living listenKeys of an account, each also the name of a stream."""

    # ------------------------------------------------------------------------------------------------ subscriptions
    def subscribe(self, subscriber: Subscriber, stream: str) -> None:
        """Begin to send a stream; one already sent stays as it is."""
        subscriber.streams[stream] = None
        self._streams.setdefault(stream, {})[subscriber] = None
        symbol, _, kind = stream.partition("@")
        if kind in DIFF_NAMES and symbol.upper() in self._exchange.listings and symbol.upper() not in self._diffs:
            self._diffs[symbol.upper()] = self._snapshot(symbol.upper())

    def unsubscribe(self, subscriber: Subscriber, stream: str) -> None:
        """Stop sending a stream."""
        subscriber.streams.pop(stream, None)
        listeners = self._streams.get(stream, {})
        listeners.pop(subscriber, None)
        if not listeners:
            self._streams.pop(stream, None)
        symbol = stream.partition("@")[0]
        if not any(f"{symbol}@{name}" in self._streams for name in DIFF_NAMES):
            self._diffs.pop(symbol.upper(), None)

    def drop(self, subscriber: Subscriber) -> None:
        """Forget a connection."""
        for stream in list(subscriber.streams):
            self.unsubscribe(subscriber, stream)

    def subscribe_user(self, account_id: str, outbox: Outbox, subscription_id: int) -> None:
        """Begin to send an account's events to a connection."""
        self._users.setdefault(account_id, {})[(outbox, subscription_id)] = None

    def unsubscribe_user(self, account_id: str, outbox: Outbox, subscription_id: int) -> None:
        """Stop sending an account's events to a connection."""
        self._users.get(account_id, {}).pop((outbox, subscription_id), None)

    def say_goodbye(self, drop: Callable[[str, str], int]) -> None:
        """Tell every connection that the server shuts down, then end it."""
        event = orjson.dumps({"e": "serverShutdown", "E": self._time.market_ms()})
        for subscriber in {one: None for listeners in self._streams.values() for one in listeners}:
            wrapped = b'{"stream":"!serverShutdown","data":%b}' % event
            subscriber.outbox.send(wrapped if subscriber.combined else event)
        for outbox in {outbox: None for listeners in self._users.values() for outbox, _ in listeners}:
            outbox.send(b'{"event":%b}' % event)
        drop("graceful", "all")

    # --------------------------------------------------------------------------------------------------- publishing
    def hears(self, account_id: str) -> bool:
        """Does anybody listen to the account's user data events?"""
        return bool(self._users.get(account_id)) or any(key in self._streams for key in self.listen_keys(account_id))

    def account_changed(self, account_id: str, events: list[Json]) -> None:
        """User data events of one account, in order."""
        listeners = self._users.get(account_id)
        keys = [key for key in self.listen_keys(account_id) if key in self._streams]
        if not listeners and not keys:
            return
        payloads = self._faults.disturb([orjson.dumps(event) for event in events])
        for outbox, subscription_id in list(listeners or ()):
            for payload, late_ms in payloads:
                frame = b'{"subscriptionId":%d,"event":%b}' % (subscription_id, payload)
                if late_ms:
                    outbox.send_later(frame, late_ms)
                else:
                    outbox.send(frame)
                self.frames += 1
        for key in keys:
            for payload, _ in payloads:
                self._send_raw(key, payload)

    def market_moved(self, moves: list[Move]) -> None:
        """One instant of the market: for each symbol trade, top of book, depth, candles, statistics."""
        for move in moves:
            name = move.symbol.lower()
            if move.trade is not None:
                self._send(f"{name}@trade", partial(market_events.trade, move.symbol, move.trade))
                self._send(f"{name}@aggTrade", partial(market_events.aggregate_trade, move.symbol, move.trade))
            if move.shown >= Shown.TOP and f"{name}@bookTicker" in self._streams:
                self._send_top(move.symbol, f"{name}@bookTicker")
            if move.shown is Shown.DEPTH:
                self._changed.pop(move.symbol, None)
                self._send_depth(move.symbol)
            if move.candle is not None:
                self._send_candles(move, move.candle, name)
                self._send_statistics(move, name)
        if MINI_TICKERS in self._streams:
            told = [move for move in moves if move.candle is not None]
            day = [market_events.mini_ticker(move.symbol, self._tapes[move.symbol], move.ts_ms) for move in told]
            if day:
                self._send(MINI_TICKERS, lambda: day)

    def _send_candles(self, move: Move, candle: Candle, name: str) -> None:
        self._send(f"{name}@kline_1m", partial(market_events.minute, move, candle))
        for interval in LONGER:
            if f"{name}@kline_{interval}" in self._streams:
                event = partial(market_events.longer, move, candle, self._tapes[move.symbol], interval)
                self._send(f"{name}@kline_{interval}", event)

    def _send_statistics(self, move: Move, name: str) -> None:
        tape = self._tapes[move.symbol]
        self._send(f"{name}@miniTicker", partial(market_events.mini_ticker, move.symbol, tape, move.ts_ms))
        book = self._exchange.listings[move.symbol].book
        self._send(f"{name}@ticker", partial(market_events.ticker, move.symbol, tape, book, move.ts_ms))
        self._send(f"{name}@avgPrice", partial(market_events.average_price, move.symbol, tape, move.ts_ms))

    def book_changed(self, symbol: str) -> None:
        """A client's order changed what the book shows: the top is told at once, the depth with what else changes."""
        name = symbol.lower()
        if f"{name}@bookTicker" in self._streams:
            self._send_top(symbol, f"{name}@bookTicker")
        is_first = not self._changed
        self._changed[symbol] = None
        if is_first:
            self._defer(self._flush_depth)

    def _flush_depth(self) -> None:
        changed, self._changed = self._changed, {}
        for symbol in changed:
            self._send_depth(symbol)

    def _send_depth(self, symbol: str) -> None:
        name = symbol.lower()
        for levels in PARTIAL_DEPTHS:
            for suffix in ("@100ms", ""):
                self._send(f"{name}@depth{levels}{suffix}", partial(self._partial, symbol, levels))
        if symbol in self._diffs:
            self._send_diff(symbol, name)

    def _send_top(self, symbol: str, stream: str) -> None:
        book = self._exchange.listings[symbol].book
        top = (book.best(Side.BUY), book.best(Side.SELL))
        if self._tops.get(symbol) == top:
            return
        self._tops[symbol] = top
        bid, ask = top
        self._send(
            stream,
            lambda: {
                "u": self._exchange.revision,
                "s": symbol,
                "b": text(bid[0]) if bid else shapes.NO_AMOUNT,
                "B": text(bid[1]) if bid else shapes.NO_AMOUNT,
                "a": text(ask[0]) if ask else shapes.NO_AMOUNT,
                "A": text(ask[1]) if ask else shapes.NO_AMOUNT,
            },
        )

    def _partial(self, symbol: str, levels: int) -> Json:
        book = self._exchange.listings[symbol].book
        return {
            "lastUpdateId": self._exchange.revision,
            "bids": market_shapes.levels(book.depth(Side.BUY, levels)),
            "asks": market_shapes.levels(book.depth(Side.SELL, levels)),
        }

    def _snapshot(self, symbol: str) -> _DiffBase:
        book = self._exchange.listings[symbol].book
        return _DiffBase(
            self._exchange.revision,
            dict(book.depth(Side.BUY, DIFF_LEVELS)),
            dict(book.depth(Side.SELL, DIFF_LEVELS)),
        )

    def _send_diff(self, symbol: str, name: str) -> None:
        before, now = self._diffs[symbol], self._snapshot(symbol)
        bids, asks = _changes(before.bids, now.bids), _changes(before.asks, now.asks)
        if not bids and not asks:
            return
        self._diffs[symbol] = now
        if self._faults.gaps():
            return
        event: Json = {
            "e": "depthUpdate",
            "E": self._time.market_ms(),
            "s": symbol,
            "U": before.update_id + 1,
            "u": now.update_id,
            "b": bids,
            "a": asks,
        }
        for suffix in DIFF_NAMES:
            self._send(f"{name}@{suffix}", lambda: event)

    def _send(self, stream: str, make: Callable[[], object]) -> None:
        if self._streams.get(stream):
            self._send_raw(stream, orjson.dumps(make()))

    def _send_raw(self, stream: str, raw: bytes) -> None:
        listeners = self._streams.get(stream, {})
        combined = b""
        for subscriber in list(listeners):
            if subscriber.combined:
                combined = combined or b'{"stream":"%b","data":%b}' % (stream.encode(), raw)
                subscriber.outbox.send(combined)
            else:
                subscriber.outbox.send(raw)
            self.frames += 1


def _changes(before: Levels, now: Levels) -> list[list[str]]:
    changed = [[text(price), text(quantity)] for price, quantity in now.items() if before.get(price) != quantity]
    changed += [[text(price), shapes.NO_AMOUNT] for price in before if price not in now]
    return changed
