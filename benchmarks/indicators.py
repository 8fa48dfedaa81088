"""CPU nanoseconds per `update` of each indicator, beside the floor of an empty update; one JSON line per figure."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from functools import partial

from pitwire.common import indicators

BARS = 40_000
ROUNDS = 25
SEED = 20240805
SIMPLE_NS_MAX = 500


class Floor:
    """What calling any method in a loop costs."""

    def update(self, value: float) -> float:
        return value


def bars() -> list[tuple[float, float, float, float]]:
    """High, low, close and volume of a random walk."""
    rng = random.Random(SEED)
    found, close = [], 60_000.0
    for _ in range(BARS):
        opened = close
        close *= 1 + rng.gauss(0, 0.0005)
        spread = abs(rng.gauss(0, 20))
        found.append((max(opened, close) + spread, min(opened, close) - spread, close, rng.expovariate(0.1)))
    return found


def measure(make: Callable[[], object], columns: list[tuple[float, ...]]) -> float:
    """CPU nanoseconds per update, the best of some rounds: what the code costs, whatever else runs."""
    best = float("inf")
    for _ in range(ROUNDS):
        update = make().update  # type: ignore[attr-defined] # every indicator has it
        started = time.thread_time_ns()
        if len(columns[0]) == 1:
            for (value,) in columns:
                update(value)
        else:
            for column in columns:
                update(*column)
        best = min(best, (time.thread_time_ns() - started) / len(columns))
    return best


def main() -> None:
    """Prints one line per indicator."""
    data = bars()
    closes: list[tuple[float, ...]] = [(bar[2],) for bar in data]
    hlc: list[tuple[float, ...]] = [bar[:3] for bar in data]
    cases: list[tuple[str, Callable[[], object], list[tuple[float, ...]], bool]] = [
        ("floor", Floor, closes, True),
        ("sma_20", partial(indicators.Sma, 20), closes, True),
        ("ema_12", partial(indicators.Ema, 12), closes, True),
        ("wma_20", partial(indicators.Wma, 20), closes, True),
        ("standard_deviation_20", partial(indicators.StandardDeviation, 20), closes, True),
        ("rate_of_change_10", partial(indicators.RateOfChange, 10), closes, True),
        ("obv", indicators.Obv, [(bar[2], bar[3]) for bar in data], True),
        ("atr_14", partial(indicators.Atr, 14), hlc, True),
        ("z_score_20", partial(indicators.ZScore, 20), closes, False),
        ("rsi_14", partial(indicators.Rsi, 14), closes, False),
        ("bollinger_20", partial(indicators.Bollinger, 20), closes, False),
        ("macd_12_26_9", indicators.Macd, closes, False),
        ("donchian_20", partial(indicators.Donchian, 20), [bar[:2] for bar in data], False),
        ("vwap_20", partial(indicators.Vwap, 20), list(data), False),
        ("stochastic_14_3_3", indicators.Stochastic, hlc, False),
        ("adx_14", partial(indicators.Adx, 14), hlc, False),
    ]
    for name, make, columns, simple in cases:
        found = measure(make, columns)
        line: dict[str, object] = {"benchmark": "indicators", "figure": f"{name}_ns", "value": round(found, 1)}
        if simple:
            line |= {"target_max": SIMPLE_NS_MAX, "met": found <= SIMPLE_NS_MAX}
        print(json.dumps(line))


if __name__ == "__main__":
    main()
