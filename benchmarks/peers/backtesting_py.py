"""backtesting.py: one instrument at a time, so `b` is five runs."""

from __future__ import annotations

import sys
import warnings

import pandas as pd
import work
from backtesting import Backtest, Strategy

warnings.filterwarnings("ignore")


def ema(values, length):
    return pd.Series(values).ewm(span=length, adjust=False).mean()


class Cross(Strategy):
    def init(self):
        self.fast = self.I(ema, self.data.Close, work.FAST)
        self.slow = self.I(ema, self.data.Close, work.SLOW)

    def next(self):
        above = self.fast[-1] > self.slow[-1]
        if above and not self.position:
            self.buy(size=work.SHARE)
        elif not above and self.position:
            self.position.close()


def run(tables):
    orders = 0
    for table in tables:
        found = Backtest(table, Cross, cash=work.CASH, commission=work.FEE).run()
        orders += 2 * int(found["# Trades"])
    return orders


figure, folder = sys.argv[1:3]
tables = []
for rows in work.series(folder):
    index = pd.to_datetime(work.START_MS + work.MINUTE_MS * pd.RangeIndex(len(rows)).to_numpy(), unit="ms")
    tables.append(pd.DataFrame(rows, columns=["Open", "High", "Low", "Close", "Volume"], index=index))
work.tell(figure, sum(map(len, tables)), lambda: run(tables))
