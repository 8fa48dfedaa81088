"""Indicators that weigh prices by what was traded."""

from __future__ import annotations

from collections import deque
from math import fsum
from typing import Final

from pitwire.common.indicators.averages import RENEWAL_UPDATES_MIN, at_least


class Obv:
    """On-balance volume: starts as the first volume, then adds the volume of rising bars and takes that of falling."""

    __slots__ = ("_close", "_lost", "_total", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        self._close = 0.0
        self._total = 0.0
        self._lost = 0.0

    @property
    def warm_up(self) -> int:
        return 1

    def update(self, close: float, volume: float) -> float:
        if self.value is None or close > self._close:
            self._add(volume)
        elif close < self._close:
            self._add(-volume)
        self._close = close
        self.value = self._total
        return self._total

    def _add(self, volume: float) -> None:
        """Kahan's sum: what rounding took is given back with the next volume, so the total never drifts."""
        wanted = volume - self._lost
        total = self._total + wanted
        self._lost = (total - self._total) - wanted
        self._total = total


class Vwap:
    """Average typical price (high + low + close) / 3 weighted by volume: of the last `length` bars, or since `reset`.

    None as long as nothing was traded.
    """

    __slots__ = ("_busy", "_left", "_traded", "_value_sum", "_window", "length", "value")

    def __init__(self, length: int | None = None) -> None:
        self.length: Final = None if length is None else at_least(1, name="length", value=length)
        self._window: deque[tuple[float, float]] = deque(maxlen=length)
        self.value: float | None = None
        self._value_sum = 0.0
        self._traded = 0.0
        self._busy = 0
        self._left = length or 0

    @property
    def warm_up(self) -> int:
        return self.length or 1

    def reset(self) -> None:
        """Begins anew: a session, a day."""
        self._window.clear()
        self.value = None
        self._value_sum = self._traded = 0.0
        self._busy = 0
        self._left = self.length or 0

    def update(self, high: float, low: float, close: float, volume: float) -> float | None:
        price = (high + low + close) / 3.0
        self._busy += volume > 0.0
        if self.length is None:
            self._value_sum += price * volume
            self._traded += volume
        else:
            self._roll(self.length, price * volume, volume)
            if len(self._window) < self.length:
                return None
        self.value = self._value_sum / self._traded if self._busy else None
        return self.value

    def _roll(self, length: int, amount: float, volume: float) -> None:
        window = self._window
        if len(window) == length:
            self._busy -= window[0][1] > 0.0
        self._left -= 1
        if self._left:
            if len(window) == length:
                oldest_amount, oldest_volume = window[0]
                self._value_sum += amount - oldest_amount
                self._traded += volume - oldest_volume
            window.append((amount, volume))
            return
        self._left = max(length, RENEWAL_UPDATES_MIN)
        window.append((amount, volume))
        self._value_sum = fsum([each for each, _ in window])
        self._traded = fsum([each for _, each in window])
