"""Speed and direction: RSI, MACD, stochastic, rate of change."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from pitwire.common.indicators.averages import Ema, Sma, Wilder, at_least
from pitwire.common.indicators.spread import Donchian


class Rsi:
    """Wilder's relative strength, 0 to 100; 0 when nothing has moved, as TA-Lib has it."""

    __slots__ = ("_before", "_gains", "_losses", "length", "value")

    def __init__(self, length: int) -> None:
        self.length: Final = at_least(1, name="length", value=length)
        self.value: float | None = None
        self._before: float | None = None
        self._gains = Wilder(length)
        self._losses = Wilder(length)

    @property
    def warm_up(self) -> int:
        return self.length + 1

    def update(self, value: float) -> float | None:
        before, self._before = self._before, value
        if before is None:
            return None
        change = value - before
        gain = self._gains.update(change if change > 0.0 else 0.0)  # noqa: FURB136 - max() costs three times as much
        loss = self._losses.update(-change if change < 0.0 else 0.0)
        if gain is not None and loss is not None:
            moved = gain + loss
            self.value = 100.0 * gain / moved if moved else 0.0
        return self.value


class MacdValue(NamedTuple):
    """`histogram` = `macd` - `signal`."""

    macd: float
    signal: float
    histogram: float


class Macd:
    """Fast minus slow exponential average, and the exponential average of that difference.

    Both averages are seeded by values that end at the same bar, as TA-Lib does.
    """

    __slots__ = ("_fast", "_skip", "_slow", "_smoothed", "value")

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        at_least(fast + 1, name="slow", value=slow)
        self.value: MacdValue | None = None
        self._fast = Ema(fast)
        self._slow = Ema(slow)
        self._smoothed = Ema(signal)
        self._skip = slow - fast

    @property
    def warm_up(self) -> int:
        return self._slow.length + self._smoothed.length - 1

    def update(self, value: float) -> MacdValue | None:
        slow = self._slow.update(value)
        if self._skip:
            self._skip -= 1
            return None
        fast = self._fast.update(value)
        if fast is None or slow is None:
            return None
        macd = fast - slow
        signal = self._smoothed.update(macd)
        if signal is not None:
            self.value = MacdValue(macd, signal, macd - signal)
        return self.value


class StochasticValue(NamedTuple):
    """`slow_d` is the average of `slow_k`."""

    slow_k: float
    slow_d: float


class Stochastic:
    """Place of the close in the range of the last `length` bars, 0 to 100, smoothed twice by simple averages."""

    __slots__ = ("_d", "_k", "_range", "value")

    def __init__(self, length: int = 14, slow_k: int = 3, slow_d: int = 3) -> None:
        self._range = Donchian(length)
        self._k = Sma(slow_k)
        self._d = Sma(slow_d)
        self.value: StochasticValue | None = None

    @property
    def warm_up(self) -> int:
        return self._range.length + self._k.length + self._d.length - 2

    def update(self, high: float, low: float, close: float) -> StochasticValue | None:
        channel = self._range.update(high, low)
        if channel is None:
            return None
        width = channel.upper - channel.lower
        slow_k = self._k.update(100.0 * (close - channel.lower) / width if width else 0.0)
        slow_d = None if slow_k is None else self._d.update(slow_k)
        if slow_k is not None and slow_d is not None:
            self.value = StochasticValue(slow_k, slow_d)
        return self.value


class RateOfChange:
    """Change against the value `length` updates ago, in percent; 0 when that value was 0."""

    __slots__ = ("_window", "length", "value")

    def __init__(self, length: int) -> None:
        self.length: Final = at_least(1, name="length", value=length)
        self.value: float | None = None
        self._window: deque[float] = deque(maxlen=length)

    @property
    def warm_up(self) -> int:
        return self.length + 1

    def update(self, value: float) -> float | None:
        window = self._window
        if len(window) == self.length:
            then = window[0]
            self.value = 100.0 * (value / then - 1.0) if then else 0.0
        window.append(value)
        return self.value
