"""Moving averages: simple, exponential, weighted."""

from __future__ import annotations

from collections import deque
from math import fsum
from typing import Final

RENEWAL_UPDATES_MIN: Final = 512
"""Running sums over a window are made anew, exactly, this often: rounding never accumulates for longer."""


def at_least(minimum: int, *, name: str, value: int) -> int:
    """Returns `value`; `ValueError` names the parameter, its value and what was expected."""
    if value < minimum:
        msg = f"{name} is {value}, expected at least {minimum}"
        raise ValueError(msg)
    return value


class Sma:
    """Mean of the last `length` values.

    The running sum is made anew at intervals, so the cost is constant per update on average and drift is bounded.
    """

    __slots__ = ("_left", "_sum", "_window", "length", "value")

    def __init__(self, length: int) -> None:
        self.length: Final = at_least(1, name="length", value=length)
        self.value: float | None = None
        self._window: deque[float] = deque(maxlen=length)
        self._sum = 0.0
        self._left = length

    @property
    def warm_up(self) -> int:
        return self.length

    def update(self, value: float) -> float | None:
        window = self._window
        self._left = left = self._left - 1
        if left:
            found = self.value
            if found is not None:
                self._sum = running = self._sum + value - window[0]
                self.value = found = running / self.length
            window.append(value)
            return found
        self._left = max(self.length, RENEWAL_UPDATES_MIN)
        window.append(value)
        self._sum = fsum(window)
        self.value = self._sum / self.length
        return self.value


class Ema:
    """Exponential average with weight 2 / (length + 1), seeded by the mean of the first `length` values."""

    __slots__ = ("_alpha", "_seed", "length", "value")

    def __init__(self, length: int) -> None:
        self.length: Final = at_least(1, name="length", value=length)
        self.value: float | None = None
        self._alpha = 2.0 / (length + 1)
        self._seed: list[float] = []

    @property
    def warm_up(self) -> int:
        return self.length

    def update(self, value: float) -> float | None:
        previous = self.value
        if previous is not None:
            self.value = previous = previous + self._alpha * (value - previous)
            return previous
        self._seed.append(value)
        if len(self._seed) == self.length:
            self.value = fsum(self._seed) / self.length
            self._seed.clear()
        return self.value


class Wilder:
    """Wilder's average, weight 1 / length, seeded by the mean of the first `length` values (RSI, ATR)."""

    __slots__ = ("_seed", "length", "value")

    def __init__(self, length: int) -> None:
        self.length: Final = at_least(1, name="length", value=length)
        self.value: float | None = None
        self._seed: list[float] = []

    def update(self, value: float) -> float | None:
        previous = self.value
        if previous is not None:
            self.value = previous = previous + (value - previous) / self.length
            return previous
        self._seed.append(value)
        if len(self._seed) == self.length:
            self.value = fsum(self._seed) / self.length
            self._seed.clear()
        return self.value


class Wma:
    """Mean of the last `length` values weighted 1, 2, ... length, the newest most."""

    __slots__ = ("_divisor", "_left", "_newest", "_sum", "_weighted", "_window", "length", "value")

    def __init__(self, length: int) -> None:
        self.length: Final = at_least(1, name="length", value=length)
        self.value: float | None = None
        self._window: deque[float] = deque(maxlen=length)
        self._newest = float(length)
        self._divisor = length * (length + 1) / 2
        self._sum = 0.0
        self._weighted = 0.0
        self._left = length

    @property
    def warm_up(self) -> int:
        return self.length

    def update(self, value: float) -> float | None:
        window = self._window
        self._left = left = self._left - 1
        if left:
            found = self.value
            if found is not None:
                running = self._sum
                self._weighted = weighted = self._weighted + self._newest * value - running
                self._sum = running + value - window[0]
                self.value = found = weighted / self._divisor
            window.append(value)
            return found
        self._left = max(self.length, RENEWAL_UPDATES_MIN)
        window.append(value)
        self._sum = fsum(window)
        self._weighted = fsum(weight * each for weight, each in enumerate(window, start=1))
        self.value = self._weighted / self._divisor
        return self.value
