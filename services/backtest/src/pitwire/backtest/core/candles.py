"""Candles in columns, and the view of one that a strategy sees: the same names as the live `Candle`."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import repeat
from operator import itemgetter
from typing import Any, Final

from pitwire.common.enums import DataQuality
from pitwire.common.money import from_float
from pitwire.common.schemas.market import Candle, Instrument

EXACT_DIGITS_MAX: Final = 15
"""Decimal digits that a float always gives back as they were written."""

COLUMNS: Final = ("open", "high", "low", "close", "volume")


@dataclass(slots=True)
class Candles:
    """The candles of one instrument, oldest first.

    Prices and volumes are floats whose shortest spelling is the recorded number; the few recorded numbers with more
    digits than a float can give back stand in `exact`, by column and row. `quality` of every candle is OK: what is not
    a true candle never gets in.
    """

    instrument: Instrument
    interval: str
    step_ns: int
    open_ns: array[int]
    open: array[float]
    high: array[float]
    low: array[float]
    close: array[float]
    volume: array[float]
    exact: dict[tuple[str, int], Decimal] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.open_ns)

    @property
    def name(self) -> str:
        return self.instrument.instrument_id

    def number(self, column: str, row: int) -> Decimal:
        """One recorded number, exactly."""
        found = self.exact.get((column, row)) if self.exact else None
        return from_float(getattr(self, column)[row]) if found is None else found

    def bars(self) -> Iterator[Bar]:
        """A view of each candle in turn."""
        return map(partial(tuple.__new__, Bar), zip(repeat(self), range(len(self)), self.close, strict=False))

    def until(self, rows: int) -> Candles:
        """The first `rows` candles alone."""
        columns = {name: getattr(self, name)[:rows] for name in COLUMNS}
        exact = {place: value for place, value in self.exact.items() if place[1] < rows}
        return Candles(self.instrument, self.interval, self.step_ns, self.open_ns[:rows], exact=exact, **columns)


def _number(column: str) -> property:
    def read(bar: Bar) -> Decimal:
        return bar[0].number(column, bar[1])

    return property(read, doc=f"The recorded {column}, exactly.")


class Bar(tuple[Candles, int, float]):
    """One candle of the columns, with every name of the schema `Candle`: numbers become Decimals when they are read.

    `close_float` is there already; it is what indicators take.
    """

    __slots__ = ()

    candles: Any = property(itemgetter(0))
    row: Any = property(itemgetter(1))
    close_float: Any = property(itemgetter(2))

    open = _number("open")
    high = _number("high")
    low = _number("low")
    close = _number("close")
    volume = _number("volume")

    epoch: Final = "backtest"
    quality: Final = DataQuality.OK
    quote_volume: Final = Decimal(0)
    trade_count: Final = 0
    closed: Final = True
    backfilled: Final = False

    @property
    def instrument_id(self) -> str:
        return self[0].instrument.instrument_id

    @property
    def interval(self) -> str:
        return self[0].interval

    @property
    def sequence(self) -> int:
        return self[1] + 1

    @property
    def open_time_ns(self) -> int:
        return self[0].open_ns[self[1]]

    @property
    def close_time_ns(self) -> int:
        return self[0].open_ns[self[1]] + self[0].step_ns

    ts_event_ns = close_time_ns
    ts_recv_ns = close_time_ns
    typical_price = Candle.typical_price
    range = Candle.range
    is_bullish = Candle.is_bullish
    is_bearish = Candle.is_bearish
