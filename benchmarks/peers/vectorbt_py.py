"""vectorbt: whole columns at once; `c` is a column per pair. Compiled before the clock starts."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import vectorbt as vbt
import work


def ema(closes, length):
    return closes.ewm(span=length, adjust=False).mean()


def orders_of(closes, above):
    before = above.shift(1, fill_value=False)
    found = vbt.Portfolio.from_signals(
        closes,
        above & ~before,
        ~above & before,
        size=work.SHARE,
        size_type="percent",
        fees=work.FEE,
        init_cash=work.CASH,
    )
    return int(found.orders.count().sum())


def cross(closes):
    return orders_of(closes, ema(closes, work.FAST) > ema(closes, work.SLOW))


def sweep(closes, pairs):
    lengths = sorted({length for pair in pairs for length in pair})
    columns = {length: ema(closes, length) for length in lengths}
    above = pd.DataFrame({pair: columns[pair[0]] > columns[pair[1]] for pair in pairs})
    return orders_of(closes, above)


figure, folder = sys.argv[1:3]
closes = pd.DataFrame({n: rows[:, 3] for n, rows in enumerate(work.series(folder))})
if figure == "c":
    pairs = [tuple(pair) for pair in np.load(f"{folder}/pairs/pairs.npy").tolist()]
    sweep(closes[0][:500], pairs[:2])
    work.tell(figure, len(closes) * len(pairs), lambda: sweep(closes[0], pairs))
else:
    cross(closes[:500])
    work.tell(figure, closes.size, lambda: cross(closes))
