"""Another venue's view of a market: the same bars, their prices moved by so many basis points."""

from decimal import Decimal

from pitwire.venue_sim.core.market import BarSource
from pitwire.venue_sim.core.path import Bar
from pitwire.venue_sim.core.units import SCALE

BPS_PER_UNIT = 10_000


class OffsetMarket:
    """A source of bars whose prices are another's times 1 + `offset_bps` / 10,000, to the nearest tick."""

    def __init__(self, source: BarSource, offset_bps: Decimal) -> None:
        self._source = source
        self._numerator, self._denominator = (1 + offset_bps / BPS_PER_UNIT).as_integer_ratio()
        self.rules = source.rules
        self.first_ms = source.first_ms
        self.live_ms = source.live_ms
        self.end_ms = source.end_ms
        self.identity = f"{source.identity} offset_bps={offset_bps.normalize():f}"
        self._ticks = {rules.symbol: int(rules.tick_size * SCALE) for rules in source.rules}

    def bar(self, symbol: str, open_ms: int) -> Bar | None:
        """The moved bar; None where the source has none."""
        bar, tick = self._source.bar(symbol, open_ms), self._ticks[symbol]
        if bar is None:
            return None
        opened, high, low, close = (self._move(price, tick) for price in bar[1:5])
        return Bar(bar.open_ms, opened, high, low, close, bar.volume)

    def _move(self, price: int, tick: int) -> int:
        twice = 2 * self._denominator * tick
        return max(tick, (2 * price * self._numerator + self._denominator * tick) // twice * tick)
