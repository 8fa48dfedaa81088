"""Indicators against TA-Lib, and against NumPy where TA-Lib has no such indicator, on real and on generated candles."""

from __future__ import annotations

import csv
import gzip
import os
import random
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talib

from pitwire.common import indicators

DATA = Path(os.environ.get("PITWIRE_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
FILES = ("BTCUSDT_1m_20240726_20240811.csv.gz", "ETHUSDT_5m_20240101_20240811.csv.gz")
GENERATED, BARS, SEED = "generated", 25_000, 20240805
RELATIVE = 1e-9
NAMES = ("high", "low", "close", "volume")


class Market:
    """Columns of candles; floats."""

    def __init__(self, rows: list[tuple[float, ...]]) -> None:
        self.high, self.low, self.close, self.volume = (np.array(column) for column in zip(*rows, strict=True))


def recorded(path: Path) -> Market:
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        return Market([tuple(float(row[name]) for name in NAMES) for row in csv.DictReader(file)])


def generated() -> Market:
    """A random walk, so that the oracle is asked on every machine."""
    rng, rows, close = random.Random(SEED), list[tuple[float, ...]](), 60_000.0
    for _ in range(BARS):
        opened, close = close, close * (1 + rng.gauss(0, 0.0005))
        reach = abs(rng.gauss(0, 20))
        rows.append((max(opened, close) + reach, min(opened, close) - reach, close, rng.expovariate(0.1)))
    return Market(rows)


@pytest.fixture(scope="module", params=[GENERATED, *FILES])
def market(request: pytest.FixtureRequest) -> Market:
    if request.param == GENERATED:
        return generated()
    path = DATA / "candles" / "binance_spot_2024" / str(request.param)
    if not path.exists():
        pytest.skip(f"recorded candles are absent: {path.name} (set PITWIRE_DATA)")
    return recorded(path)


def streamed(update: Callable[..., Any], *columns: Any, part: Callable[[Any], float] | None = None) -> Any:
    found: list[float] = []
    for row in zip(*(column.tolist() for column in columns), strict=True):
        value = update(*row)
        found.append(float("nan") if value is None else part(value) if part else value)
    return np.array(found)


def assert_equal(ours: Any, oracle: Any, *, scale: float = 0.0) -> None:
    """Same bars undefined, and 1e-9 of the value (or of `scale`, where a difference of large numbers is compared)."""
    assert (np.isnan(ours) == np.isnan(oracle)).all()
    defined = ~np.isnan(oracle)
    assert defined.sum() > 20_000
    assert_close(ours[defined], oracle[defined], scale=scale)


def assert_close(ours: Any, oracle: Any, *, scale: float = 0.0) -> None:
    allowed = RELATIVE * np.maximum(np.abs(oracle), scale)
    worst = np.max(np.abs(ours - oracle) - allowed)
    assert worst <= 0, f"beyond 1e-9 by {worst}"


@pytest.mark.parametrize("length", [2, 12, 26, 200])
def test_sma_ema_and_wma_equal_talib(market: Market, length: int) -> None:
    close = market.close
    assert_equal(streamed(indicators.Sma(length).update, close), talib.SMA(close, length))
    assert_equal(streamed(indicators.Ema(length).update, close), talib.EMA(close, length))
    assert_equal(streamed(indicators.Wma(length).update, close), talib.WMA(close, length))


@pytest.mark.parametrize("length", [2, 14])
def test_rsi_equals_talib(market: Market, length: int) -> None:
    assert_equal(streamed(indicators.Rsi(length).update, market.close), talib.RSI(market.close, length), scale=100.0)


def test_macd_equals_talib(market: Market) -> None:
    macd, signal, histogram = talib.MACD(market.close, 12, 26, 9)
    scale = float(market.close.mean())
    for name, oracle in (("macd", macd), ("signal", signal), ("histogram", histogram)):
        ours = streamed(indicators.Macd(12, 26, 9).update, market.close, part=attrgetter(name))
        assert_equal(ours, oracle, scale=scale)


@pytest.mark.parametrize("length", [5, 20])
def test_deviation_and_bollinger_equal_talib(market: Market, length: int) -> None:
    """TA-Lib subtracts squares of prices, so it is itself good to 1e-9 of the price only."""
    close, scale = market.close, float(market.close.max())
    assert_equal(streamed(indicators.StandardDeviation(length).update, close), talib.STDDEV(close, length), scale=scale)
    upper, middle, lower = talib.BBANDS(close, length, 2, 2)
    for name, oracle in (("upper", upper), ("middle", middle), ("lower", lower)):
        update = indicators.Bollinger(length, 2.0).update
        assert_equal(streamed(update, close, part=attrgetter(name)), oracle, scale=scale)


def test_z_score_and_deviation_equal_their_definition_in_two_passes(market: Market) -> None:
    """TA-Lib has no z-score. Mean and deviation of each window anew: no running sum whose rounding is shared."""
    windows = np.lib.stride_tricks.sliding_window_view(market.close, 20)
    mean, deviation = windows.mean(axis=1), windows.std(axis=1)
    moves = deviation > 1e-9 * mean
    assert moves.sum() > 20_000
    ours = streamed(indicators.ZScore(20).update, market.close)[19:][moves]
    oracle = (market.close[19:][moves] - mean[moves]) / deviation[moves]
    assert_close(ours, oracle, scale=1.0)
    assert_close(streamed(indicators.StandardDeviation(20).update, market.close)[19:][moves], deviation[moves])


@pytest.mark.parametrize("length", [5, 14])
def test_atr_and_adx_equal_talib(market: Market, length: int) -> None:
    columns = (market.high, market.low, market.close)
    assert_equal(streamed(indicators.Atr(length).update, *columns), talib.ATR(*columns, length))
    assert_equal(streamed(indicators.Adx(length).update, *columns), talib.ADX(*columns, length), scale=100.0)


def test_donchian_equals_talib_extremes(market: Market) -> None:
    for part, oracle in (("upper", talib.MAX(market.high, 20)), ("lower", talib.MIN(market.low, 20))):
        update = indicators.Donchian(20).update
        assert_equal(streamed(update, market.high, market.low, part=attrgetter(part)), oracle)


def test_stochastic_equals_talib(market: Market) -> None:
    columns = (market.high, market.low, market.close)
    slow_k, slow_d = talib.STOCH(*columns, fastk_period=14, slowk_period=3, slowd_period=3)
    for part, oracle in (("slow_k", slow_k), ("slow_d", slow_d)):
        update = indicators.Stochastic(14, 3, 3).update
        ours = streamed(update, *columns, part=attrgetter(part))
        assert_equal(ours, oracle, scale=100.0)


def test_obv_and_rate_of_change_equal_talib(market: Market) -> None:
    close, volume = market.close, market.volume
    assert_equal(streamed(indicators.Obv().update, close, volume), talib.OBV(close, volume), scale=float(volume.sum()))
    assert_equal(streamed(indicators.RateOfChange(10).update, close), talib.ROC(close, 10), scale=100.0)


def test_vwap_equals_its_definition_by_numpy(market: Market) -> None:
    price = (market.high + market.low + market.close) / 3.0
    window = np.ones(30)
    amount = np.convolve(price * market.volume, window, "valid")
    oracle = np.concatenate([np.full(29, np.nan), amount / np.convolve(market.volume, window, "valid")])
    ours = streamed(indicators.Vwap(30).update, market.high, market.low, market.close, market.volume)
    assert_equal(ours, oracle)
