"""Indicators against a plain recomputation over the whole window, and over a long stream."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from statistics import fmean, pstdev

import pytest

from pitwire.common import indicators
from pitwire.common.indicators import (
    Adx,
    Atr,
    Bollinger,
    Donchian,
    Ema,
    Macd,
    Obv,
    RateOfChange,
    Rsi,
    Sma,
    StandardDeviation,
    Stochastic,
    Vwap,
    Wma,
    ZScore,
)

Series = Sequence[float]


def walk(count: int, *, start: float = 60_000.0, step: float = 25.0, seed: int = 7) -> list[float]:
    rng = random.Random(seed)
    prices = [start]
    while len(prices) < count:
        prices.append(max(1.0, prices[-1] + rng.gauss(0, step)))
    return prices


def bars(count: int) -> list[tuple[float, float, float, float]]:
    rng = random.Random(11)
    return [
        (close + abs(rng.gauss(0, 9)), close - abs(rng.gauss(0, 9)), close, rng.expovariate(0.2))
        for close in walk(count)
    ]


def wma(window: Series) -> float:
    return math.fsum(w * x for w, x in enumerate(window, 1)) / (len(window) * (len(window) + 1) / 2)


def z_score(window: Series) -> float:
    exact = sum(map(Fraction, window)) / len(window)
    return float(Fraction(window[-1]) - exact) / pstdev(window)


WINDOWED: dict[str, tuple[Callable[[int], Sma | Wma | StandardDeviation | ZScore], Callable[[Series], float]]] = {
    "sma": (Sma, fmean),
    "wma": (Wma, wma),
    "standard_deviation": (StandardDeviation, pstdev),
    "z_score": (ZScore, z_score),
}


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize("length", [3, 5, 20, 100])
def test_a_window_indicator_equals_its_recomputation_at_every_bar(name: str, length: int) -> None:
    make, recompute = WINDOWED[name]
    indicator, prices = make(length), walk(1_000)
    for index, price in enumerate(prices):
        found = indicator.update(price)
        if index + 1 < length:
            assert found is None
        else:
            expected = recompute(prices[index + 1 - length : index + 1])
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
            assert indicator.value == found


@pytest.mark.parametrize("name", WINDOWED)
def test_a_million_bars_leave_no_drift(name: str) -> None:
    make, recompute = WINDOWED[name]
    indicator, rng = make(20), random.Random(3)
    window: list[float] = []
    found = None
    for index in range(1_000_000):
        price = 60_000.0 + 30_000.0 * math.sin(index / 1e5) + rng.random()
        found = indicator.update(price)
        if index >= 999_980:
            window.append(price)
    assert found == pytest.approx(recompute(window), rel=1e-9)


def test_a_million_bars_leave_no_drift_in_session_vwap_and_obv() -> None:
    rng = random.Random(5)
    vwap, obv = Vwap(), Obv()
    prices, volumes, signed, before = [], [], [], 0.0
    for _ in range(1_000_000):
        price, volume = 60_000.0 + rng.random(), rng.random()
        vwap.update(price, price, price, volume)
        obv.update(price, volume)
        prices.append(price * volume)
        volumes.append(volume)
        signed.append(volume if price > before else -volume if price < before else 0.0)
        before = price
    assert vwap.value == pytest.approx(math.fsum(prices) / math.fsum(volumes), rel=1e-12)
    assert obv.value == pytest.approx(math.fsum(signed), rel=1e-11)


def test_a_frozen_price_after_a_wild_one_has_no_deviation_and_no_score() -> None:
    deviation, score, bands = StandardDeviation(20), ZScore(20), Bollinger(20)
    for price in [*walk(500, step=5_000.0), *([0.1] * 20)]:
        deviation.update(price)
        score.update(price)
        bands.update(price)
    assert (deviation.value, score.value) == (0.0, 0.0)
    assert bands.value is not None
    assert bands.value.deviation == 0.0


def test_only_a_window_of_equal_values_has_no_deviation_however_often_the_sums_are_made_anew() -> None:
    rng, deviation, seen, price = random.Random(7), StandardDeviation(5), list[float](), 60_000.1
    frozen = 0
    for _ in range(8_000):
        if rng.random() < (0.02 if price > 60_000 else 0.5):
            price = rng.choice((60_000.1, 60_000.3, 0.1))
        found, seen = deviation.update(price), [*seen[-4:], price]
        if len(seen) == 5:
            assert (found == 0.0) is (len(set(seen)) == 1)
            frozen += found == 0.0
    assert 2_000 < frozen < 7_500


def test_ema_is_seeded_by_the_mean_and_not_by_the_first_price() -> None:
    """S-42: seeded with the first price, 36 bars later that price would still weigh 6.8 % in an average of 26."""
    prices = [1_000.0] + [100.0] * 35
    ema = Ema(26)
    values = [ema.update(price) for price in prices]
    assert values[24] is None
    assert values[25] == pytest.approx(fmean(prices[:26]))
    weight_of_first = ((values[-1] or 0.0) - 100.0) / 900.0
    assert weight_of_first == pytest.approx((1 / 26) * (25 / 27) ** 10)
    assert weight_of_first < 0.02


def test_ema_does_not_depend_on_how_much_history_there_was_once_settled() -> None:
    """S-42: two averages that began 600 bars apart agree, far below a tick."""
    prices = walk(1_200)
    long, short = Ema(26), Ema(26)
    for price in prices:
        long.update(price)
    for price in prices[600:]:
        short.update(price)
    assert long.value == pytest.approx(short.value, rel=1e-12)


@pytest.mark.parametrize("length", [2, 12, 26, 100])
def test_the_seed_weighs_next_to_nothing_after_the_settled_number_of_periods(length: int) -> None:
    spiked, plain = Ema(length), Ema(length)
    for index in range(indicators.SETTLED * length + length):
        plain.update(100.0)
        spiked.update(200.0 if index < length else 100.0)
    assert abs((spiked.value or 0.0) - (plain.value or 0.0)) < 100.0 * 4e-4 * 1.35


CASES: dict[str, tuple[Callable[[], object], int]] = {
    "sma": (lambda: Sma(5), 1),
    "ema": (lambda: Ema(5), 1),
    "wma": (lambda: Wma(5), 1),
    "rsi": (lambda: Rsi(5), 1),
    "macd": (lambda: Macd(3, 6, 4), 1),
    "roc": (lambda: RateOfChange(5), 1),
    "standard_deviation": (lambda: StandardDeviation(5), 1),
    "z_score": (lambda: ZScore(5), 1),
    "bollinger": (lambda: Bollinger(5), 1),
    "atr": (lambda: Atr(5), 3),
    "adx": (lambda: Adx(5), 3),
    "donchian": (lambda: Donchian(5), 2),
    "stochastic": (lambda: Stochastic(5, 3, 3), 3),
    "vwap": (lambda: Vwap(5), 4),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_value_comes_after_exactly_warm_up_updates(name: str) -> None:
    make, arity = CASES[name]
    indicator = make()
    found = [indicator.update(*bar[2:3] if arity == 1 else bar[:arity]) for bar in bars(60)]  # type: ignore[attr-defined] # every indicator has it
    warm_up = indicator.warm_up  # type: ignore[attr-defined] # every indicator has it
    assert [value is None for value in found] == [True] * (warm_up - 1) + [False] * (60 - warm_up + 1)


@pytest.mark.parametrize("name", CASES)
def test_equal_input_gives_equal_output_and_later_input_changes_nothing_before(name: str) -> None:
    """No look-ahead: values over a prefix are the values of the prefix alone."""
    make, arity = CASES[name]
    data = [bar[2:3] if arity == 1 else bar[:arity] for bar in bars(200)]
    whole, prefix = make(), make()
    long = [whole.update(*row) for row in data]  # type: ignore[attr-defined] # every indicator has it
    short = [prefix.update(*row) for row in data[:120]]  # type: ignore[attr-defined] # every indicator has it
    assert long[:120] == short


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (lambda: Sma(0), "length", "0"),
        (lambda: Ema(-1), "length", "-1"),
        (lambda: StandardDeviation(1), "length", "1"),
        (lambda: Macd(26, 12), "slow", "12"),
        (lambda: Bollinger(20, 0.0), "deviations", "0.0"),
        (lambda: Adx(1), "length", "1"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_with_its_name_and_value(
    make: Callable[[], object], name: str, value: str
) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}, expected"):
        make()


def test_donchian_holds_the_extremes_of_the_window() -> None:
    data, channel = bars(500), Donchian(20)
    for index, (high, low, _, _) in enumerate(data):
        found = channel.update(high, low)
        if found is not None:
            window = data[index - 19 : index + 1]
            assert found == (min(bar[1] for bar in window), max(bar[0] for bar in window))


def test_vwap_weighs_by_volume_and_knows_nothing_while_nothing_trades() -> None:
    vwap = Vwap(2)
    assert vwap.update(10, 10, 10, 1.0) is None
    assert vwap.update(20, 20, 20, 3.0) == pytest.approx(17.5)
    vwap.update(30, 30, 30, 0.0)
    assert vwap.update(30, 30, 30, 0.0) is None
    vwap.reset()
    assert vwap.update(5, 5, 5, 1.0) is None


def test_session_vwap_begins_anew_after_reset() -> None:
    vwap = Vwap()
    vwap.update(10, 10, 10, 5.0)
    vwap.reset()
    assert vwap.update(20, 20, 20, 1.0) == pytest.approx(20.0)


def test_rsi_is_100_when_only_rising_and_0_when_nothing_moves() -> None:
    rising, still = Rsi(5), Rsi(5)
    for step in range(20):
        rising.update(100.0 + step)
        still.update(100.0)
    assert (rising.value, still.value) == (100.0, 0.0)


def test_stochastic_of_a_range_without_width_is_zero() -> None:
    stochastic = Stochastic(3, 1, 1)
    for _ in range(5):
        stochastic.update(10.0, 10.0, 10.0)
    assert stochastic.value == (0.0, 0.0)
