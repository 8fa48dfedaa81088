"""Pitwire: the live cores by events, gate, matching and exact books included; `c` on the compiled path of sweeps."""

from __future__ import annotations

import os
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import work

sys.path.insert(0, str(Path(__file__).parents[1]))
from backtest import CAPITAL, EVERY_CROSS, candles_of, engine

from pitwire.backtest.core.fast import FastPath
from pitwire.backtest.core.fills import FillModel
from pitwire.strategy.strategies.momentum import Momentum, MomentumParams


def sweep(candles: Any, pairs: list[list[int]]) -> int:
    """Fills of all pairs."""
    threads = os.cpu_count() or 1
    forms = [Momentum(MomentumParams(**EVERY_CROSS | {"fast": fast, "slow": slow})).arrays() for fast, slow in pairs]
    paths = [FastPath(candles, FillModel(), CAPITAL) for _ in range(threads)]

    def part(number: int) -> int:
        return sum(len(found[0]) for form in forms[number::threads] if (found := paths[number].simulate(form)))

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(part, range(threads)))


figure, folder = sys.argv[1:3]
columns = [[array("d", column.tolist()) for column in rows.T] for rows in work.series(folder)]
names = [f"X{number}-USDT.sim" for number in range(len(columns))]
candles = [candles_of(name, each) for name, each in zip(names, columns, strict=True)]
if figure == "c":
    pairs = np.load(f"{folder}/pairs/pairs.npy").tolist()
    sweep(candles[0].until(500), pairs[:2])
    work.tell(figure, len(candles[0]) * len(pairs), lambda: sweep(candles[0], pairs))
else:
    ready = engine(candles, EVERY_CROSS)
    work.tell(figure, sum(map(len, candles)), lambda: len(ready.run().trades))
