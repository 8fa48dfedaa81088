"""Figures of a series of returns: plain functions, each with its formula and where it comes from.

Returns are simple returns per period (0.01 = 1 %). `periods` is the number of periods in a year. Where a figure does
not exist (no returns, no variance) the answer is None, never NaN. Formulas and conventions are those of empyrical
(Quantopian), which the tests compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import fsum, sqrt
from typing import Final

CUTOFF: Final = 0.05
"""The share of worst periods that value at risk looks at."""


def total_return(returns: Sequence[float]) -> float:
    """prod(1 + r) - 1."""
    value = 1.0
    for each in returns:
        value *= 1.0 + each
    return value - 1.0


def annual_return(returns: Sequence[float], periods: float) -> float | None:
    """CAGR: (1 + total return) ^ (periods / n) - 1; -1 where everything was lost."""
    if not returns:
        return None
    ending = 1.0 + total_return(returns)
    return ending ** (periods / len(returns)) - 1.0 if ending > 0 else -1.0


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, summed exactly."""
    return fsum(values) / len(values)


def standard_deviation(values: Sequence[float]) -> float:
    """Of a sample: the sum of squares is divided by n - 1."""
    centre = mean(values)
    return sqrt(fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def volatility(returns: Sequence[float], periods: float) -> float | None:
    """Standard deviation x sqrt(periods)."""
    return standard_deviation(returns) * sqrt(periods) if len(returns) > 1 else None


def sharpe(returns: Sequence[float], periods: float) -> float | None:
    """Mean / standard deviation x sqrt(periods), risk-free rate 0. Source: Sharpe, The Sharpe Ratio (1994)."""
    if len(returns) < 2:
        return None
    deviation = standard_deviation(returns)
    return mean(returns) / deviation * sqrt(periods) if deviation else None


def downside_risk(returns: Sequence[float], periods: float) -> float | None:
    """sqrt(mean(min(r, 0)^2) x periods): the target semideviation about 0, over all periods."""
    if not returns:
        return None
    return sqrt(fsum(min(each, 0.0) ** 2 for each in returns) / len(returns)) * sqrt(periods)


def sortino(returns: Sequence[float], periods: float) -> float | None:
    """Mean x periods / downside risk. Source: Sortino and Price, Performance in a Downside Risk Framework (1994)."""
    risk = downside_risk(returns, periods)
    return mean(returns) * periods / risk if risk else None


def omega(returns: Sequence[float]) -> float | None:
    """Sum of gains / sum of losses about 0. Source: Keating and Shadwick, A Universal Performance Measure (2002)."""
    losses = -fsum(each for each in returns if each < 0)
    return fsum(each for each in returns if each > 0) / losses if losses else None


def max_drawdown(returns: Sequence[float]) -> float:
    """The deepest fall of the compounded value below its highest value so far, as a negative share of it."""
    value = peak = 1.0
    deepest = 0.0
    for each in returns:
        value *= 1.0 + each
        peak = max(peak, value)
        deepest = min(deepest, value / peak - 1.0)
    return deepest


def calmar(returns: Sequence[float], periods: float) -> float | None:
    """Annual return / |max drawdown|. Source: Young, Calmar Ratio: A Smoother Tool (1991)."""
    deepest, annual = max_drawdown(returns), annual_return(returns, periods)
    return annual / -deepest if deepest and annual is not None else None


def value_at_risk(returns: Sequence[float]) -> float | None:
    """The 5 % quantile, interpolated linearly between order statistics (type 7 of Hyndman and Fan)."""
    if not returns:
        return None
    ordered = sorted(returns)
    place = (len(ordered) - 1) * CUTOFF
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def conditional_value_at_risk(returns: Sequence[float]) -> float | None:
    """Mean of the worst floor((n - 1) x 5 %) + 1 returns: expected shortfall."""
    if not returns:
        return None
    return mean(sorted(returns)[: int((len(returns) - 1) * CUTOFF) + 1])


def skew(returns: Sequence[float]) -> float | None:
    """Third central moment / (second central moment)^1.5, biased: g1 of Joanes and Gill (1998)."""
    second, third = _moment(returns, 2), _moment(returns, 3)
    return third / second**1.5 if second else None


def kurtosis(returns: Sequence[float]) -> float | None:
    """Fourth central moment / (second central moment)^2 - 3, biased: g2 of Joanes and Gill (1998); 0 = normal."""
    second, fourth = _moment(returns, 2), _moment(returns, 4)
    return fourth / second**2 - 3.0 if second else None


def _moment(values: Sequence[float], order: int) -> float:
    if not values:
        return 0.0
    centre = mean(values)
    return fsum((value - centre) ** order for value in values) / len(values)


def beta(returns: Sequence[float], benchmark: Sequence[float]) -> float | None:
    """Covariance with the benchmark / variance of the benchmark. Source: Sharpe, Capital Asset Prices (1964)."""
    if len(returns) < 2:
        return None
    centre, other = mean(returns), mean(benchmark)
    variance = fsum((each - other) ** 2 for each in benchmark)
    pairs = zip(returns, benchmark, strict=True)
    return fsum((one - centre) * (two - other) for one, two in pairs) / variance if variance else None


def alpha(returns: Sequence[float], benchmark: Sequence[float], periods: float) -> float | None:
    """(1 + mean(r - beta x benchmark)) ^ periods - 1, risk-free rate 0. Source: Jensen (1968), compounded."""
    slope = beta(returns, benchmark)
    if slope is None:
        return None
    excess = mean([one - slope * two for one, two in zip(returns, benchmark, strict=True)])
    return float((1.0 + excess) ** periods - 1.0)


def of_values(values: Sequence[float]) -> list[float]:
    """The simple returns between values that follow each other; from a value of 0 or less nothing can be earned."""
    return [late / early - 1.0 if early > 0 else 0.0 for early, late in pairwise(values)]


def drawdowns(values: Sequence[float]) -> list[float]:
    """At each value, how far it lies below the highest so far, as a share of it: 0 or negative."""
    peaks = accumulate(values, max)
    return [value / peak - 1.0 if peak > 0 else 0.0 for value, peak in zip(values, peaks, strict=True)]
