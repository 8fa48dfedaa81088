"""NautilusTrader: a Python strategy in its event-driven engine, all instruments in one."""

from __future__ import annotations

import sys
from decimal import Decimal

import pandas as pd
import work
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, RiskEngineConfig, StrategyConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, CurrencyType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Currency, Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("SIM")


class Config(StrategyConfig, frozen=True):
    instrument_id: InstrumentId
    bar_type: BarType


class Cross(Strategy):
    def __init__(self, config):
        super().__init__(config)
        self.fast = ExponentialMovingAverage(work.FAST)
        self.slow = ExponentialMovingAverage(work.SLOW)
        self.sent = 0

    def on_start(self):
        self.instrument = self.cache.instrument(self.config.instrument_id)
        self.register_indicator_for_bars(self.config.bar_type, self.fast)
        self.register_indicator_for_bars(self.config.bar_type, self.slow)
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar):
        if not self.indicators_initialized():
            return
        above = self.fast.value > self.slow.value
        held = self.portfolio.is_net_long(self.config.instrument_id)
        if above and not held:
            equity = self.portfolio.account(VENUE).balance_total(USDT).as_double()
            quantity = self.instrument.make_qty(equity * work.SHARE / float(bar.close))
            self.submit_order(self.order_factory.market(self.config.instrument_id, OrderSide.BUY, quantity))
            self.sent += 1
        elif not above and held:
            self.close_all_positions(self.config.instrument_id)
            self.sent += 1


def instrument(number):
    symbol = Symbol(f"X{number}USDT")
    return CurrencyPair(
        instrument_id=InstrumentId(symbol, VENUE),
        raw_symbol=symbol,
        base_currency=Currency(f"X{number}", 8, 0, f"X{number}", CurrencyType.CRYPTO),
        quote_currency=USDT,
        price_precision=2,
        size_precision=5,
        price_increment=Price.from_str("0.01"),
        size_increment=Quantity.from_str("0.00001"),
        ts_event=0,
        ts_init=0,
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
    )


figure, folder = sys.argv[1:3]
engine = BacktestEngine(
    BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), risk_engine=RiskEngineConfig(bypass=False))
)
engine.add_venue(VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(work.CASH, USDT)])
bars, strategies = 0, []
for number, rows in enumerate(work.series(folder)):
    traded = instrument(number)
    engine.add_instrument(traded)
    bar_type = BarType.from_str(f"{traded.id}-1-MINUTE-LAST-EXTERNAL")
    index = pd.to_datetime(
        work.START_MS + work.MINUTE_MS * (1 + pd.RangeIndex(len(rows)).to_numpy()), unit="ms", utc=True
    )
    table = pd.DataFrame(rows, columns=["open", "high", "low", "close", "volume"], index=index)
    engine.add_data(BarDataWrangler(bar_type, traded).process(table), sort=True)
    strategies.append(Cross(Config(instrument_id=traded.id, bar_type=bar_type, order_id_tag=f"{number:03}")))
    engine.add_strategy(strategies[-1])
    bars += len(rows)


def run():
    engine.run()
    return sum(each.sent for each in strategies)


work.tell(figure, bars, run)
