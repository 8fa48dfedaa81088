"""Driving the market: bars become quotes, trades and candles, instant by instant, for all symbols on one clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Protocol

from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.ladder import quotes
from pitwire.venue_sim.core.path import BAR_MS, OFFSETS_MS, POINTS, Bar, Tick, path
from pitwire.venue_sim.core.rules import AVERAGE_PRICE_MINUTES, SymbolRules
from pitwire.venue_sim.core.tape import Candle, Tape
from pitwire.venue_sim.core.types import MarketTrade, Side
from pitwire.venue_sim.core.units import SCALE, to_decimal


class BarSource(Protocol):
    """Where bars come from: a recording or the generator. Bars are asked for in time order."""

    rules: list[SymbolRules]
    first_ms: int
    live_ms: int
    end_ms: int | None
    identity: str

    def bar(self, symbol: str, open_ms: int) -> Bar | None:
        """The symbol's bar that opens then; None outside its recording."""
        ...


class Shown(IntEnum):
    """What of the market's own quotes has changed."""

    NOTHING = 0
    TOP = 1
    DEPTH = 2


@dataclass(slots=True)
class Move:
    """What happened to one symbol at one time, in the order in which clients are told; no candle, no news of it."""

    symbol: str
    ts_ms: int
    trade: MarketTrade | None = None
    candle: Candle | None = None
    candle_closed: bool = False
    shown: Shown = Shown.NOTHING


class Driver(Protocol):
    """A market as the venue plays it."""

    @property
    def tapes(self) -> Mapping[str, Tape]:
        """What was printed, by symbol."""
        ...

    @property
    def market_ms(self) -> int:
        """Market time of the last instant played."""
        ...

    @property
    def bars(self) -> int:
        """Minutes completed since the live market began."""
        ...

    @property
    def next_ms(self) -> int | None:
        """Market time of the next instant, None after the last."""
        ...

    @property
    def instants(self) -> int:
        """A number that never falls and grows with every instant, the same for the same one after a restart."""
        ...

    def restore(self, market_ms: int) -> None:
        """Come to where the market was, telling nobody; no user's order is in the book yet."""
        ...

    def advance(self) -> tuple[list[Move], Effects]:
        """Play the next instant: what everyone sees, and what it did to users' orders."""
        ...


class MarketDriver:
    """Moves the exchange's market through its bars. `next_ms` is the time of the next instant, None after the last."""

    def __init__(self, source: BarSource, exchange: Exchange) -> None:
        self._source = source
        self._exchange = exchange
        self.tapes = {rules.symbol: Tape() for rules in source.rules}
        self._steps = {
            rules.symbol: (int(rules.tick_size * SCALE), int(rules.lot_step * SCALE)) for rules in source.rules
        }
        self._ticks: dict[str, dict[int, Tick]] = {}
        self._open_ms = source.live_ms
        self._slot = 0
        self.market_ms = source.live_ms - 1
        self.bars = 0
        exchange.reference_price = self.reference_price
        self._read_bars(source.first_ms, source.live_ms)

    @property
    def next_ms(self) -> int | None:
        if self._source.end_ms is not None and self._open_ms > self._source.end_ms:
            return None
        return self._open_ms + OFFSETS_MS[self._slot]

    @property
    def instants(self) -> int:
        """Instants played since the live market began."""
        return self.bars * POINTS + self._slot

    def restore(self, market_ms: int) -> None:
        """Bring tapes and quotes to where they were at `market_ms`, telling nobody: how a restarted venue continues."""
        whole = market_ms - (market_ms - self._source.live_ms) % BAR_MS
        if whole > self._source.live_ms:
            self._read_bars(self._source.live_ms, whole)
            self.bars = (whole - self._source.live_ms) // BAR_MS
            self._open_ms = whole
        while (next_ms := self.next_ms) is not None and next_ms <= market_ms:
            for symbol in self.tapes:
                self._step(symbol, Effects(self._exchange, next_ms), quiet=True)
            self._pass_instant()
        self.market_ms = max(self.market_ms, market_ms)
        self.quote_all()

    def quote_all(self) -> None:
        """Put the market's quotes around the last price of every symbol: the book before the next instant."""
        for symbol, tape in self.tapes.items():
            buyer_takes = not tape.trades[-1].buyer_is_maker if tape.trades else True
            effects = Effects(self._exchange, self.market_ms)
            self._quote(symbol, tape.last_close(), buyer_takes=buyer_takes, effects=effects)

    def reference_price(self, symbol: str) -> Decimal:
        """The symbol's volume-weighted average price of the last minutes, what filters measure prices with."""
        return to_decimal(self.tapes[symbol].average_price(AVERAGE_PRICE_MINUTES))

    def advance(self) -> tuple[list[Move], Effects]:
        """Play the next instant for every symbol: what everyone sees, and what it did to users' orders.

        Raises:
            ValueError: the market has ended.
        """
        now_ms = self.next_ms
        if now_ms is None:
            raise ValueError("the market has ended")
        self.market_ms = now_ms
        effects = Effects(self._exchange, now_ms)
        moves = [move for symbol in self.tapes if (move := self._step(symbol, effects)) is not None]
        self._exchange.revision += 1
        self._pass_instant()
        return moves, effects

    def _pass_instant(self) -> None:
        self._slot += 1
        if self._slot == POINTS:
            self._slot = 0
            self._open_ms += BAR_MS
            self.bars += 1

    def _step(self, symbol: str, effects: Effects, *, quiet: bool = False) -> Move | None:
        tape = self.tapes[symbol]
        if self._slot == 0:
            bar = self._source.bar(symbol, self._open_ms)
            tick_size, lot_step = self._steps[symbol]
            ticks = path(bar, tick=tick_size, step=lot_step) if bar is not None else []
            self._ticks[symbol] = {tick.slot: tick for tick in ticks}
            if bar is not None:
                tape.open_bar(self._open_ms, bar.open)
        if tape.current is None:
            return None
        tick = self._ticks[symbol].get(self._slot)
        trade = self._play(symbol, tick, effects, quiet=quiet) if tick is not None else None
        closed = self._slot == POINTS - 1
        candle = tape.close_bar() if closed else tape.current
        return Move(symbol, effects.now_ms, trade, candle, closed, Shown.DEPTH if trade else Shown.NOTHING)

    def _play(self, symbol: str, tick: Tick, effects: Effects, *, quiet: bool) -> MarketTrade:
        tape = self.tapes[symbol]
        if not quiet:
            self._quote(symbol, tick.price, buyer_takes=tick.buyer_takes, effects=effects)
            self._exchange.market_trade(
                symbol,
                taker_side=Side.BUY if tick.buyer_takes else Side.SELL,
                price=to_decimal(tick.price),
                quantity=to_decimal(tick.quantity),
                effects=effects,
            )
        return tape.trade(price=tick.price, quantity=tick.quantity, ts_ms=effects.now_ms, buyer_takes=tick.buyer_takes)

    def _quote(self, symbol: str, price: int, *, buyer_takes: bool, effects: Effects) -> None:
        tape, listing = self.tapes[symbol], self._exchange.listings[symbol]
        tick_size, lot_step = self._steps[symbol]
        bids, asks = quotes(
            price=price, buyer_takes=buyer_takes, volume=tape.last_volume(), tick=tick_size, step=lot_step
        )
        listing.last_price = to_decimal(price)
        self._exchange.market_quotes(symbol, bids, asks, effects)

    def _read_bars(self, start_ms: int, end_ms: int) -> None:
        """Print whole bars onto the tapes without any effect on the book."""
        for open_ms in range(start_ms, end_ms, BAR_MS):
            for symbol, tape in self.tapes.items():
                bar = self._source.bar(symbol, open_ms)
                if bar is None:
                    continue
                tick_size, lot_step = self._steps[symbol]
                tape.open_bar(open_ms, bar.open)
                for tick in path(bar, tick=tick_size, step=lot_step):
                    tape.trade(
                        price=tick.price,
                        quantity=tick.quantity,
                        ts_ms=open_ms + OFFSETS_MS[tick.slot],
                        buyer_takes=tick.buyer_takes,
                    )
                tape.close_bar()
