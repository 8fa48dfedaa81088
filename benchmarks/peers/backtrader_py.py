"""backtrader: all instruments in one cerebro."""

from __future__ import annotations

import sys

import backtrader as bt
import pandas as pd
import work


class Cross(bt.Strategy):
    def __init__(self):
        self.orders = 0
        self.lines_of = {d: (bt.ind.EMA(d, period=work.FAST), bt.ind.EMA(d, period=work.SLOW)) for d in self.datas}

    def next(self):
        for data, (fast, slow) in self.lines_of.items():
            above = fast[0] > slow[0]
            held = self.getposition(data).size > 0
            if above != held:
                self.order_target_percent(data, work.SHARE if above else 0.0)
                self.orders += 1


def run(tables):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.addstrategy(Cross)
    for table in tables:
        cerebro.adddata(bt.feeds.PandasData(dataname=table))
    cerebro.broker.setcash(work.CASH)
    cerebro.broker.setcommission(commission=work.FEE)
    return cerebro.run()[0].orders


figure, folder = sys.argv[1:3]
tables = []
for rows in work.series(folder):
    index = pd.to_datetime(work.START_MS + work.MINUTE_MS * pd.RangeIndex(len(rows)).to_numpy(), unit="ms")
    tables.append(pd.DataFrame(rows, columns=["open", "high", "low", "close", "volume"], index=index))
work.tell(figure, sum(map(len, tables)), lambda: run(tables))
