"""The work that every peer does: the same candles, the same crosses, the same size and fee.

EMA(12) against EMA(26): above it holds a tenth of the equity, below it nothing, bought and sold at market, 10 bps fee.
Only the run is timed: imports, compiling, reading the candles and building the objects that carry them are not. `a` and
`b` in CPU seconds; `c`, a sweep of pairs of lengths, by the clock on the wall with the threads that the peer can use.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

FAST: Final = 12
SLOW: Final = 26
SHARE: Final = 0.1
FEE: Final = 0.001
CASH: Final = 100_000.0
START_MS: Final = 1_704_067_200_000
MINUTE_MS: Final = 60_000
FIRST_PRICE: Final = 500.0
"""High enough for steps of a cent, low enough for peers that trade whole units."""


def walk(bars: int, seed: int) -> np.ndarray[Any, Any]:
    """Open, high, low, close, volume: a random walk in cents."""
    rng = np.random.default_rng(seed)
    closes = np.round(FIRST_PRICE * np.exp(np.cumsum(rng.normal(0, 0.0008, bars))), 2)
    opens = np.concatenate(([FIRST_PRICE], closes[:-1]))
    highs = np.round(np.maximum(opens, closes) * 1.0002, 2)
    lows = np.round(np.minimum(opens, closes) * 0.9998, 2)
    return np.column_stack((opens, highs, lows, closes, np.round(rng.uniform(1, 100, bars), 3)))


def series(folder: str) -> list[np.ndarray[Any, Any]]:
    """The instruments of one figure, in order."""
    return [np.load(path) for path in sorted(Path(folder).glob("*.npy"))]


def tell(figure: str, bars: int, work: Callable[[], int]) -> None:
    """Does the work once and prints one JSON line; `work` gives its number of orders."""
    clock = time.perf_counter if figure == "c" else time.process_time
    began = clock()
    orders = work()
    seconds = clock() - began
    print(json.dumps({"figure": figure, "bars": bars, "seconds": round(seconds, 3), "orders": orders}), flush=True)
