"""Streaming indicators: one `update` per bar, constant time and memory, float in and out.

Every `update` returns the newest value, or None until enough bars were seen; `value` keeps it. Seeds and smoothing are
those of TA-Lib (moving averages start as a simple average, Wilder's averages likewise), so values do not depend on how
much history was kept. `warm_up` is how many updates the first value takes; a smoothed value still carries its seed
then, so strategies ask for `SETTLED` times as many bars. Inputs are finite; the schemas refuse anything else.
"""

from typing import Final

from pitwire.common.indicators.averages import Ema, Sma, Wma
from pitwire.common.indicators.momentum import (
    Macd,
    MacdValue,
    RateOfChange,
    Rsi,
    Stochastic,
    StochasticValue,
)
from pitwire.common.indicators.spread import (
    Atr,
    Bands,
    Bollinger,
    Channel,
    Donchian,
    StandardDeviation,
    ZScore,
)
from pitwire.common.indicators.trend import Adx
from pitwire.common.indicators.volume import Obv, Vwap

SETTLED: Final = 4
"""Periods after which the seed of an exponential average weighs less than 0.04 %: (1 - 2/(n+1))^4n < e^-8."""

__all__ = [
    "SETTLED",
    "Adx",
    "Atr",
    "Bands",
    "Bollinger",
    "Channel",
    "Donchian",
    "Ema",
    "Macd",
    "MacdValue",
    "Obv",
    "RateOfChange",
    "Rsi",
    "Sma",
    "StandardDeviation",
    "Stochastic",
    "StochasticValue",
    "Vwap",
    "Wma",
    "ZScore",
]
