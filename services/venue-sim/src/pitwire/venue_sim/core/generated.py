"""The generated market: candles drawn from a committed seed, the same on every machine and every run.

The log price of a symbol is the sum of three parts: a trend that turns every 10 to 30 minutes, a swing that
strays and returns within minutes, and noise with clustered volatility and rare jumps. Half of the noise is common to
all symbols. Random numbers are a counter-based hash, so that bar n of a seed never depends on the library or on who
asked before.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from zlib import crc32

from pitwire.venue_sim.core.path import BAR_MS, Bar
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.core.units import SCALE

START_MS = 1_735_689_600_000
"""Market time of the first live bar of the generated market: 2025-01-01 00:00 UTC."""
MASK = 2**64 - 1
TREND_MINUTES_MIN = 10
TREND_MINUTES_SPAN = 21
TREND_PER_MINUTE = 0.0009
TREND_LEAST = 0.3
SWING_RETURN = 0.18
SWING_NOISE = 0.0013
NOISE_BASE = 0.0005
HEAT_KEPT = 0.95
HEAT_NOISE = 0.2
"""The logarithm of volatility, common to all symbols, is an AR(1) process: calm and stormy hours."""
COMMON_SHOCK = 3
COMMON_HEAT = 12
WICK = 0.0004
JUMP_CHANCE = 0.004
JUMP_SIZE = 0.008
HOME_PULL = 0.0005
"""Share of its distance from the base price that the trend gives back each minute, so that it never runs away."""


@dataclass(frozen=True, slots=True)
class GeneratedSymbol:
    """A symbol of the generated market: where its price lives and how much it trades."""

    rules: SymbolRules
    base_price: float
    minute_volume: float


GENERATED_SYMBOLS = (
    GeneratedSymbol(
        SymbolRules(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_step=Decimal("0.00001")),
        base_price=60_000.0,
        minute_volume=18.0,
    ),
    GeneratedSymbol(
        SymbolRules(symbol="ETHUSDT", base="ETH", quote="USDT", tick_size=Decimal("0.01"), lot_step=Decimal("0.0001")),
        base_price=3_000.0,
        minute_volume=260.0,
    ),
)


STREAMS = {"BTCUSDT": 1, "ETHUSDT": 2}
STREAMS_OF_OTHERS = 1000


def stream_of(symbol: str) -> int:
    """Which random numbers a symbol is drawn from: the same on every venue, whatever else it lists."""
    return STREAMS.get(symbol) or STREAMS_OF_OTHERS + crc32(symbol.encode())


def _identity(symbol: GeneratedSymbol) -> str:
    rules = symbol.rules
    return f"{rules.symbol}:{rules.tick_size}:{rules.lot_step}:{symbol.base_price!r}:{symbol.minute_volume!r}"


def draw(seed: int, stream: int, counter: int) -> float:
    """A uniform number in 0..1 (1 excluded), a pure function of its arguments (the splitmix64 finaliser)."""
    mixed = (seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03 + counter * 0x8CB92BA72F3D8DD7) & MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
    return ((mixed ^ (mixed >> 31)) >> 11) / 2**53


def normal(seed: int, stream: int, counter: int) -> float:
    """A standard normal number by the Box-Muller transform of two draws."""
    radius = math.sqrt(-2.0 * math.log(1.0 - draw(seed, stream, 2 * counter)))
    return radius * math.cos(2.0 * math.pi * draw(seed, stream, 2 * counter + 1))


class GeneratedSeries:
    """The bars of one symbol in order; bar n is reached by making every bar before it."""

    def __init__(self, symbol: GeneratedSymbol, *, seed: int, stream: int, first_open_ms: int) -> None:
        self._symbol = symbol
        self._seed = seed
        self._stream = stream * 16
        self._first_open_ms = first_open_ms
        self._index = -1
        self._bar: Bar | None = None
        self._trend = math.log(symbol.base_price)
        self._swing = 0.0
        self._heat = 0.0
        self._direction = 0.0
        self._trend_left = 0

    def bar(self, index: int) -> Bar:
        """Bar number `index`, counted from the start of history.

        Raises:
            ValueError: asked for a bar before the last one; a series only goes forward.
        """
        if index < self._index:
            raise ValueError(f"bar {index} has passed; the series stands at {self._index}")
        while self._bar is None or self._index < index:
            self._bar = self._next()
        return self._bar

    def _next(self) -> Bar:
        self._index += 1
        n, seed, stream = self._index, self._seed, self._stream
        open_log = self._trend + self._swing
        if self._trend_left == 0:
            self._trend_left = TREND_MINUTES_MIN + int(draw(seed, stream + 1, n) * TREND_MINUTES_SPAN)
            strength = TREND_PER_MINUTE * (TREND_LEAST + (1.0 - TREND_LEAST) * draw(seed, stream + 2, n))
            self._direction = -math.copysign(strength, self._direction)
        self._trend_left -= 1
        home = math.log(self._symbol.base_price)
        shock = 0.7 * normal(seed, COMMON_SHOCK, n) + 0.7 * normal(seed, stream + 4, n)
        self._heat = HEAT_KEPT * self._heat + HEAT_NOISE * normal(seed, COMMON_HEAT, n)
        volatility = math.exp(self._heat)
        noise = shock * volatility * NOISE_BASE
        if draw(seed, stream + 5, n) < JUMP_CHANCE:
            noise += JUMP_SIZE * normal(seed, stream + 6, n)
        self._trend += self._direction + noise - HOME_PULL * (self._trend - home)
        self._swing += SWING_NOISE * volatility * normal(seed, stream + 7, n) - SWING_RETURN * self._swing
        return self._shape(n, open_log, self._trend + self._swing, volatility)

    def _shape(self, n: int, open_log: float, close_log: float, volatility: float) -> Bar:
        seed, stream = self._seed, self._stream
        tick = int(self._symbol.rules.tick_size * SCALE)
        step = int(self._symbol.rules.lot_step * SCALE)
        above = volatility * WICK * abs(normal(seed, stream + 8, n))
        below = volatility * WICK * abs(normal(seed, stream + 9, n))
        high_log, low_log = max(open_log, close_log) + above, min(open_log, close_log) - below
        prices = [max(tick, round(math.exp(x) * SCALE / tick) * tick) for x in (open_log, high_log, low_log, close_log)]
        activity = 0.4 + draw(seed, stream + 10, n) + 400.0 * abs(close_log - open_log)
        volume = max(100, round(self._symbol.minute_volume * activity * SCALE / step)) * step
        return Bar(self._first_open_ms + n * BAR_MS, prices[0], prices[1], prices[2], prices[3], volume)


class GeneratedMarket:
    """The generated market as a source of bars for every symbol on a common clock."""

    def __init__(self, *, seed: int, history: int, symbols: Sequence[GeneratedSymbol] = GENERATED_SYMBOLS) -> None:
        self.rules = [symbol.rules for symbol in symbols]
        self.first_ms = START_MS - history * BAR_MS
        self.live_ms = START_MS
        self.end_ms: int | None = None
        self.identity = f"generated seed={seed} history={history}"
        if tuple(symbols) != GENERATED_SYMBOLS:
            self.identity += f" symbols={','.join(map(_identity, symbols))}"
        self._series = {
            symbol.rules.symbol: GeneratedSeries(
                symbol, seed=seed, stream=stream_of(symbol.rules.symbol), first_open_ms=self.first_ms
            )
            for symbol in symbols
        }

    def bar(self, symbol: str, open_ms: int) -> Bar | None:
        """The bar of a symbol that opens at a time."""
        return self._series[symbol].bar((open_ms - self.first_ms) // BAR_MS)
