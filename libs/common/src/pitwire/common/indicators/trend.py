"""Strength of a trend."""

from __future__ import annotations

from typing import Final

from pitwire.common.indicators.averages import at_least
from pitwire.common.indicators.spread import true_range


class Adx:
    """Wilder's average directional index, 0 to 100: how strong a trend is, whichever way it goes.

    Directional moves and true ranges are Wilder sums that start as plain sums of `length` - 1 bars; the first value is
    the mean of the first `length` directional indices.
    """

    __slots__ = ("_bar", "_dx_sum", "_minus", "_plus", "_ranges", "_seen", "length", "value")

    def __init__(self, length: int) -> None:
        self.length: Final = at_least(2, name="length", value=length)
        self.value: float | None = None
        self._bar: tuple[float, float, float] | None = None
        self._plus = 0.0
        self._minus = 0.0
        self._ranges = 0.0
        self._dx_sum = 0.0
        self._seen = 0

    @property
    def warm_up(self) -> int:
        return 2 * self.length

    def update(self, high: float, low: float, close: float) -> float | None:
        before, self._bar = self._bar, (high, low, close)
        if before is None:
            return None
        self._seen += 1
        self._add(high - before[0], before[1] - low, true_range(high, low, before[2]))
        if self._seen < self.length:
            return None
        index = self._directional_index()
        if self.value is not None:
            self.value = (self.value * (self.length - 1) + index) / self.length
            return self.value
        self._dx_sum += index
        if self._seen == 2 * self.length - 1:
            self.value = self._dx_sum / self.length
        return self.value

    def _add(self, up: float, down: float, span: float) -> None:
        plus = up if up > 0.0 and up > down else 0.0
        minus = down if down > 0.0 and down > up else 0.0
        if self._seen >= self.length:
            self._plus -= self._plus / self.length
            self._minus -= self._minus / self.length
            self._ranges -= self._ranges / self.length
        self._plus += plus
        self._minus += minus
        self._ranges += span

    def _directional_index(self) -> float:
        moves = self._plus + self._minus
        return 100.0 * abs(self._plus - self._minus) / moves if self._ranges and moves else 0.0
