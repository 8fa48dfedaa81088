"""Indicators against TA-Lib on real candles. TA-Lib is a test-only dependency (group `oracle`)."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from pitwire.common import indicators

talib: Any = pytest.importorskip("talib", reason="TA-Lib, the oracle, is not installed (dependency group `oracle`)")
numpy: Any = pytest.importorskip("numpy", reason="NumPy comes with TA-Lib")

DATA = Path(os.environ.get("PITWIRE_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
FILES = ("BTCUSDT_1m_20240726_20240811.csv.gz", "ETHUSDT_5m_20240101_20240811.csv.gz")
RELATIVE = 1e-9


class Market:
    """Columns of one recorded file; floats."""

    def __init__(self, path: Path) -> None:
        with gzip.open(path, "rt", encoding="ascii", newline="") as file:
            rows = list(csv.DictReader(file))
        self.high, self.low, self.close, self.volume = (
            numpy.array([float(row[name]) for row in rows]) for name in ("high", "low", "close", "volume")
        )


@pytest.fixture(scope="module", params=FILES)
def market(request: pytest.FixtureRequest) -> Market:
    path = DATA / "candles" / "binance_spot_2024" / str(request.param)
    if not path.exists():
        pytest.skip(f"recorded candles are absent: {path.name} (set PITWIRE_DATA)")
    return Market(path)


def streamed(update: Callable[..., Any], *columns: Any, part: Callable[[Any], float] | None = None) -> Any:
    found: list[float] = []
    for row in zip(*(column.tolist() for column in columns), strict=True):
        value = update(*row)
        found.append(float("nan") if value is None else part(value) if part else value)
    return numpy.array(found)


def assert_equal(ours: Any, oracle: Any, *, scale: float = 0.0) -> None:
    """Same bars undefined, and 1e-9 of the value (or of `scale`, where a difference of large numbers is compared)."""
    assert (numpy.isnan(ours) == numpy.isnan(oracle)).all()
    defined = ~numpy.isnan(oracle)
    assert defined.sum() > 20_000
    allowed = RELATIVE * numpy.maximum(numpy.abs(oracle[defined]), scale)
    worst = numpy.max(numpy.abs(ours[defined] - oracle[defined]) - allowed)
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


def test_z_score_equals_its_definition_by_talib(market: Market) -> None:
    close = market.close
    ours = streamed(indicators.ZScore(20).update, close)
    deviation = talib.STDDEV(close, 20)
    calm = numpy.nan_to_num(deviation) < 1e-3
    oracle = numpy.where(calm, 0.0, (close - talib.SMA(close, 20)) / numpy.where(calm, 1.0, deviation))
    known = ~numpy.isnan(ours) & ~calm
    assert known.sum() > 20_000
    assert numpy.allclose(ours[known], oracle[known], rtol=1e-6, atol=1e-6)


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
    window = numpy.ones(30)
    amount = numpy.convolve(price * market.volume, window, "valid")
    oracle = numpy.concatenate([numpy.full(29, numpy.nan), amount / numpy.convolve(market.volume, window, "valid")])
    ours = streamed(indicators.Vwap(30).update, market.high, market.low, market.close, market.volume)
    assert_equal(ours, oracle)
