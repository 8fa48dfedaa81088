"""The instruments of one run side by side, on one clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from heapq import merge
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any, Final

from typing_extensions import override

from pitwire.backtest.core.candles import Bar, Candles
from pitwire.backtest.core.matching import Matcher, WorkingOrder
from pitwire.backtest.core.trusted import trusted
from pitwire.common.schemas.ledger import Mark
from pitwire.strategy.core.outputs import Cause, Outputs

Listener = Callable[[Bar, Callable[[Bar], Cause]], Outputs | None]
"""`Runner.on_bar` of a strategy that follows the instrument."""


BEFORE: Final = -1
"""The row of a lane that has not begun."""


class Lane:
    """One instrument: its candles, the newest one that was shown, and the orders that work on it."""

    __slots__ = ("bar", "candles", "listeners", "matcher", "name", "orders")

    def __init__(self, candles: Candles, matcher: Matcher) -> None:
        self.candles = candles
        self.matcher = matcher
        self.name = candles.name
        self.bar = Bar((candles, BEFORE, 0.0))
        self.orders: list[WorkingOrder] = []
        self.listeners: list[Listener] = []

    @property
    def mark(self) -> Mark | None:
        """The close of its newest candle; None before the first."""
        if self.bar[1] == BEFORE:
            return None
        bar = self.bar
        return trusted(Mark, instrument_id=self.name, mark_price=bar.close, ts_event_ns=bar.close_time_ns)


Moment = tuple[int, tuple[tuple[Lane, Bar], ...]]
"""Open time, and the candle of each instrument that has one then."""


def moments(lanes: Sequence[Lane]) -> Iterator[Moment]:
    """All candles by time; those that open together come together."""
    first = lanes[0].candles.open_ns
    pairs = [zip(repeat(lane), lane.candles.bars(), strict=False) for lane in lanes]
    if all(lane.candles.open_ns == first for lane in lanes):
        return zip(first, zip(*pairs, strict=True), strict=True)
    return _merged(lanes, pairs)


def _merged(lanes: Sequence[Lane], pairs: Sequence[Iterable[tuple[Lane, Bar]]]) -> Iterator[Moment]:
    timed = [
        zip(lane.candles.open_ns, repeat(number), each, strict=False)
        for number, (lane, each) in enumerate(zip(lanes, pairs, strict=True))
    ]
    for open_ns, group in groupby(merge(*timed, key=itemgetter(0, 1)), key=itemgetter(0)):
        yield open_ns, tuple(pair for _, _, pair in group)


class LastPrices(dict[str, Decimal]):
    """What a strategy's portfolio values by: the newest close of each instrument, read when it is asked for."""

    def __init__(self, lanes: Mapping[str, Lane]) -> None:
        super().__init__()
        self._lanes = lanes

    @override
    def get(self, key: str, default: Any = None, /) -> Any:
        lane = self._lanes.get(key)
        return lane.bar.close if lane is not None and lane.bar[1] != BEFORE else default
