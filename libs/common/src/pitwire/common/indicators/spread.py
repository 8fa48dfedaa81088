"""How far prices stray: standard deviation, z-score, Bollinger bands, true range, Donchian channel."""

from __future__ import annotations

from collections import deque
from math import fsum, sqrt
from typing import Final, NamedTuple

from pitwire.common.indicators.averages import RENEWAL_UPDATES_MIN, Wilder, at_least


class StandardDeviation:
    """Population standard deviation of the last `length` values, as TA-Lib and Bollinger define it, and their mean.

    Welford's update with the oldest replaced. Distances from a recent price, not prices, are summed, and the sums are
    made anew at intervals: a deviation of 1 on a price of 60,000 keeps its digits however long the stream is. A window
    of equal values has exactly no deviation, so that a frozen price is never a z-score made of rounding.
    """

    __slots__ = (
        "_at", "_end", "_laps", "_newest_at", "_offset", "_origin", "_ring", "_run", "_share", "_squares", "_tick",
        "length", "value",
    )  # fmt: skip

    def __init__(self, length: int) -> None:
        self.length: Final = at_least(2, name="length", value=length)
        self.value: float | None = None
        self._ring: list[float] = []
        self._at = self._end = 0
        self._laps = 0
        self._tick = 0
        self._share = 1.0 / length
        self._origin = 0.0
        self._offset = 0.0
        self._squares = 0.0
        self._run = 1
        self._newest_at = 0

    @property
    def warm_up(self) -> int:
        return self.length

    @property
    def mean(self) -> float:
        return self._origin + self._offset

    def update(self, value: float) -> float | None:
        at = self._at
        if at >= self._end:
            return self._seldom(value)
        self._at = at + 1
        ring, share, before = self._ring, self._share, self._offset
        step, distance = value - ring[at], value - self._origin
        ring[at] = value
        self._offset = offset = before + step * share
        self._squares = squares = self._squares + step * (distance + distance - step - offset - before)
        if squares > 0.0 and (value != ring[at - 1] or not self._all_equal(at)):
            self.value = found = sqrt(squares * share)
            return found
        self.value = 0.0
        return 0.0

    def distance(self, value: float) -> float:
        """Of `value` from the mean, without the rounding that subtracting the mean itself would bring."""
        return value - self._origin - self._offset

    def _seldom(self, value: float) -> float | None:
        """Fills the ring, begins its next lap, and after some laps makes the sums anew."""
        ring, length = self._ring, self.length
        if len(ring) < length:
            ring.append(value)
            equal = len(ring) > 1 and value == ring[-2] and self._all_equal(len(ring) - 1)
            if len(ring) < length:
                return None
            self._at = length
        else:
            self._at = 0
            self._tick += length
            self._laps -= 1
            if self._laps:
                return self.update(value)
            ring[0], self._at = value, 1
            equal = value == ring[-1] and self._all_equal(0)
        self._end = length
        self._laps = max(RENEWAL_UPDATES_MIN // length, 1)
        self._origin = mean = fsum(ring) / length
        self._offset = fsum([each - mean for each in ring]) / length
        self._squares = fsum([(each - self.mean) ** 2 for each in ring])
        self.value = 0.0 if equal else sqrt(self._squares * self._share)
        return self.value

    def _all_equal(self, at: int) -> bool:
        """The value at `at` is the one before it: whether the whole ring is. Asked with every repetition."""
        now = self._tick + at
        self._run = self._run + 1 if self._newest_at == now - 1 and now > 1 else 2
        self._newest_at = now
        return self._run >= self.length


class ZScore:
    """How many standard deviations the newest value is from the mean of the last `length`; 0 when all are equal."""

    __slots__ = ("_spread", "length", "value")

    def __init__(self, length: int) -> None:
        self._spread = StandardDeviation(length)
        self.length: Final = length
        self.value: float | None = None

    @property
    def warm_up(self) -> int:
        return self.length

    def update(self, value: float) -> float | None:
        deviation = self._spread.update(value)
        if deviation is not None:
            self.value = self._spread.distance(value) / deviation if deviation else 0.0
        return self.value


class Bands(NamedTuple):
    """`deviation` is one standard deviation; `upper` and `lower` are `deviations` of them from `middle`."""

    lower: float
    middle: float
    upper: float
    deviation: float


class Bollinger:
    """Mean of the last `length` values and a band of `deviations` population standard deviations around it."""

    __slots__ = ("_spread", "deviations", "length", "value")

    def __init__(self, length: int, deviations: float = 2.0) -> None:
        if not deviations > 0:
            msg = f"deviations is {deviations}, expected more than 0"
            raise ValueError(msg)
        self._spread = StandardDeviation(length)
        self.length: Final = length
        self.deviations: Final = deviations
        self.value: Bands | None = None

    @property
    def warm_up(self) -> int:
        return self.length

    def update(self, value: float) -> Bands | None:
        deviation = self._spread.update(value)
        if deviation is not None:
            width = self.deviations * deviation
            mean = self._spread.mean
            self.value = Bands(mean - width, mean, mean + width, deviation)
        return self.value


class Atr:
    """Wilder's average true range over `length` bars: the largest of high - low and both gaps from the last close."""

    __slots__ = ("_average", "_close", "length")

    def __init__(self, length: int) -> None:
        self._average = Wilder(length)
        self._close: float | None = None
        self.length: Final = length

    @property
    def value(self) -> float | None:
        return self._average.value

    @property
    def warm_up(self) -> int:
        return self.length + 1

    def update(self, high: float, low: float, close: float) -> float | None:
        before, self._close = self._close, close
        if before is None:
            return None
        return self._average.update(true_range(high, low, before))


def true_range(high: float, low: float, previous_close: float) -> float:
    """Wilder, New Concepts in Technical Trading Systems (1978)."""
    top = high if high > previous_close else previous_close  # noqa: FURB136 - max() costs three times as much
    bottom = low if low < previous_close else previous_close  # noqa: FURB136 - min() likewise
    return top - bottom


class Channel(NamedTuple):
    """Lowest low and highest high."""

    lower: float
    upper: float


class Donchian:
    """Highest high and lowest low of the last `length` bars, each kept as a queue of candidates: constant time."""

    __slots__ = ("_count", "_highs", "_lows", "length", "value")

    def __init__(self, length: int) -> None:
        self.length: Final = at_least(1, name="length", value=length)
        self.value: Channel | None = None
        self._highs: deque[tuple[int, float]] = deque()
        self._lows: deque[tuple[int, float]] = deque()
        self._count = 0

    @property
    def warm_up(self) -> int:
        return self.length

    def update(self, high: float, low: float) -> Channel | None:
        highs, lows, now = self._highs, self._lows, self._count
        self._count = now + 1
        while highs and highs[-1][1] <= high:
            highs.pop()
        highs.append((now, high))
        while lows and lows[-1][1] >= low:
            lows.pop()
        lows.append((now, low))
        expired = now - self.length
        if highs[0][0] == expired:
            highs.popleft()
        if lows[0][0] == expired:
            lows.popleft()
        if now + 1 >= self.length:
            self.value = Channel(lows[0][1], highs[0][1])
        return self.value
