"""The second form of a strategy: its decisions over whole arrays, for sweeps that run compiled.

A strategy that has one says so by a method `arrays()`, which gives an `ArrayForm`. It holds one instrument, long or
not at all, by market orders: everything else is for the form by events. Both forms must want the same on the same
candles; the tests of a strategy compare them trade by trade.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import fsum
from typing import Any, Final, Protocol, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pitwire.common.indicators import StandardDeviation

Floats = NDArray[np.float64]
NOTHING: Final = -1.0
"""The share of equity in a wish that is none: the candles ended first."""

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compiled at its first call, with the arithmetic of Python: nothing reordered, nothing fused."""
    made: Any = njit(nogil=True, error_model="numpy", fastmath=False)(function)
    return cast("F", made)


class Columns(Hashable, Protocol):
    """Indicators over all closes, not a number until they are full. Equal ones are computed once per sweep."""

    def __call__(self, closes: Floats) -> tuple[Floats, ...]: ...


@dataclass(frozen=True, slots=True)
class ArrayForm:
    """`seek(row, columns, numbers, memory, holds)` gives `(row, share, reason, memory)`: the next wish.

    It looks at the candles from `row` on, of which it sees `columns`, and stops at the first whose close makes the
    strategy want something else than it has: `share` of its equity in the instrument, 0 to sell all; `NOTHING` where no
    such candle comes. `holds` says whether it holds the instrument, which does not change on the way. `memory` is what
    it remembers, a tuple of numbers; `numbers` are its parameters, `reason` is a place in `reasons`.
    """

    history: int
    sources: tuple[Columns, ...]
    numbers: tuple[float, ...]
    memory: tuple[float, ...]
    seek: Callable[..., tuple[int, float, int, tuple[float, ...]]]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CloseColumn:
    """The closes themselves."""

    def __call__(self, closes: Floats) -> tuple[Floats, ...]:
        return (closes,)


@dataclass(frozen=True, slots=True)
class EmaColumn:
    """`Ema(length)` at every close."""

    length: int

    def __call__(self, closes: Floats) -> tuple[Floats, ...]:
        if len(closes) < self.length:
            return (np.full(len(closes), np.nan),)
        return (_ema(closes, self.length, fsum(closes[: self.length]) / self.length),)


@compiled
def _ema(closes: Floats, length: int, seed: float) -> Floats:
    found = np.empty_like(closes)
    found[: length - 1] = np.nan
    alpha, value = 2.0 / (length + 1), seed
    found[length - 1] = value
    for row in range(length, len(closes)):
        value = value + alpha * (closes[row] - value)
        found[row] = value
    return found


@dataclass(frozen=True, slots=True)
class BandColumns:
    """The mean of the last `length` closes and their standard deviation: what Bollinger bands are made of."""

    length: int

    def __call__(self, closes: Floats) -> tuple[Floats, ...]:
        spread = StandardDeviation(self.length)
        middle, deviation = np.full(len(closes), np.nan), np.full(len(closes), np.nan)
        for row, close in enumerate(closes.tolist()):
            found = spread.update(close)
            if found is not None:
                middle[row], deviation[row] = spread.mean, found
        return middle, deviation
