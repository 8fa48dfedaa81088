"""Every figure against its definition worked out in exact fractions, and against empyrical where it is installed."""

from __future__ import annotations

import importlib
import math
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from services.backtest.tests.runs import recorded

from pitwire.backtest.adapters.candle_files import read_candles
from pitwire.backtest.core import returns as r

YEAR = 365.0


def series() -> tuple[list[float], list[float]]:
    """Daily returns of two instruments."""
    btc, eth = (read_candles(recorded(f"binance_spot_2024/{name}USDT_1d_*")[0]) for name in ("BTC", "ETH"))
    return r.of_values(list(btc.close)), r.of_values(list(eth.close))


def drawn() -> tuple[list[float], list[float]]:
    rng = random.Random(7)
    one = [rng.gauss(0.001, 0.02) for _ in range(200)]
    return one, [0.5 * each + rng.gauss(0, 0.01) for each in one]


def exact_moment(values: list[float], order: int) -> Fraction:
    numbers = [Fraction(value) for value in values]
    centre = sum(numbers) / len(numbers)
    total = Fraction(0)
    for each in numbers:
        total += Fraction((each - centre) ** order)
    return total / len(numbers)


def exact_mean(values: list[float]) -> Fraction:
    return sum((Fraction(value) for value in values), Fraction(0)) / len(values)


def root(value: Fraction) -> float:
    return math.sqrt(value)


def expected(one: list[float], two: list[float]) -> dict[str, float]:
    """Straight from the definitions, in fractions until the one rounding at the end."""
    n = len(one)
    variance = exact_moment(one, 2) * n / (n - 1)
    below = sum((Fraction(min(each, 0.0)) ** 2 for each in one), Fraction(0)) / n
    value, peak, deepest = Fraction(1), Fraction(1), Fraction(0)
    for each in one:
        value *= 1 + Fraction(each)
        peak = max(peak, value)
        deepest = min(deepest, value / peak - 1)
    gains = sum((Fraction(each) for each in one if each > 0), Fraction(0))
    losses = sum((Fraction(each) for each in one if each < 0), Fraction(0))
    ordered = sorted(Fraction(each) for each in one)
    place = Fraction(n - 1) / 20
    low = int(place)
    centre, other = exact_mean(one), exact_mean(two)
    pairs = list(zip(one, two, strict=True))
    covariance = sum(((Fraction(a) - centre) * (Fraction(b) - other) for a, b in pairs), Fraction(0)) / n
    slope = covariance / exact_moment(two, 2)
    annual = float(value) ** (YEAR / n) - 1
    return {
        "total_return": float(value - 1),
        "annual_return": annual,
        "volatility": root(variance) * math.sqrt(YEAR),
        "sharpe": float(centre) / root(variance) * math.sqrt(YEAR),
        "downside_risk": root(below) * math.sqrt(YEAR),
        "sortino": float(centre) * YEAR / (root(below) * math.sqrt(YEAR)),
        "omega": float(gains / -losses),
        "max_drawdown": float(deepest),
        "calmar": annual / -float(deepest),
        "value_at_risk": float(ordered[low] + (ordered[low + 1] - ordered[low]) * (place - low)),
        "conditional_value_at_risk": float(sum(ordered[: low + 1], Fraction(0)) / (low + 1)),
        "skew": float(exact_moment(one, 3)) / root(exact_moment(one, 2)) ** 3,
        "kurtosis": float(exact_moment(one, 4) / exact_moment(one, 2) ** 2) - 3,
        "beta": float(slope),
        "alpha": (1 + float(centre - slope * other)) ** YEAR - 1,
    }


def found(one: list[float], two: list[float]) -> dict[str, float | None]:
    return {
        "total_return": r.total_return(one),
        "annual_return": r.annual_return(one, YEAR),
        "volatility": r.volatility(one, YEAR),
        "sharpe": r.sharpe(one, YEAR),
        "downside_risk": r.downside_risk(one, YEAR),
        "sortino": r.sortino(one, YEAR),
        "omega": r.omega(one),
        "max_drawdown": r.max_drawdown(one),
        "calmar": r.calmar(one, YEAR),
        "value_at_risk": r.value_at_risk(one),
        "conditional_value_at_risk": r.conditional_value_at_risk(one),
        "skew": r.skew(one),
        "kurtosis": r.kurtosis(one),
        "beta": r.beta(one, two),
        "alpha": r.alpha(one, two, YEAR),
    }


@pytest.mark.parametrize("source", [drawn, series], ids=["drawn", "recorded"])
def test_figures_equal_their_definitions_in_exact_fractions(
    source: Callable[[], tuple[list[float], list[float]]],
) -> None:
    one, two = source()
    assert found(one, two) == pytest.approx(expected(one, two), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("source", [drawn, series], ids=["drawn", "recorded"])
def test_figures_equal_those_of_empyrical(source: Callable[[], tuple[list[float], list[float]]]) -> None:
    try:
        numpy: Any = importlib.import_module("numpy")
        e: Any = importlib.import_module("empyrical")
    except ImportError:
        pytest.skip("empyrical-reloaded is not installed; it brings pandas and scipy, so it is no dependency")
    one, two = source()
    values, other = numpy.array(one), numpy.array(two)
    theirs = {
        "total_return": e.cum_returns_final(values),
        "annual_return": e.annual_return(values, annualization=365),
        "volatility": e.annual_volatility(values, annualization=365),
        "sharpe": e.sharpe_ratio(values, annualization=365),
        "downside_risk": e.downside_risk(values, annualization=365),
        "sortino": e.sortino_ratio(values, annualization=365),
        "omega": e.omega_ratio(values, annualization=365),
        "max_drawdown": e.max_drawdown(values),
        "calmar": e.calmar_ratio(values, annualization=365),
        "value_at_risk": e.value_at_risk(values),
        "conditional_value_at_risk": e.conditional_value_at_risk(values),
        "beta": e.beta(values, other),
        "alpha": e.alpha(values, other, annualization=365),
    }
    ours = found(one, two)
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_figures_that_do_not_exist_are_none() -> None:
    flat = [0.0] * 5
    assert [r.sharpe(flat, YEAR), r.sortino(flat, YEAR), r.omega(flat), r.calmar(flat, YEAR), r.skew(flat)] == [
        None
    ] * 5
    assert [r.volatility([0.1], YEAR), r.annual_return([], YEAR), r.value_at_risk([]), r.beta([0.1], [0.1])] == [
        None
    ] * 4
    assert r.annual_return([-1.0], YEAR) == -1.0


def test_drawdowns_are_below_the_highest_value_so_far() -> None:
    assert r.drawdowns([100.0, 120.0, 90.0, 120.0, 130.0]) == [0.0, 0.0, -0.25, 0.0, 0.0]
