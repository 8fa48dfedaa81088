"""The figures of a run: from its equity, its fills and its round trips."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from pitwire.backtest.core import returns as formulas
from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.engine import Run
from pitwire.backtest.core.risk_watch import DAY_NS
from pitwire.backtest.core.trades import RoundTrip, round_trips
from pitwire.common.money import ZERO, canonical, difference, product, total
from pitwire.common.units import NS_PER_S

DAYS_A_YEAR: Final = 365
"""Venues of crypto trade every day."""

YEAR_NS: Final = DAYS_A_YEAR * DAY_NS
DRAWDOWNS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A fall from a peak of equity: `percent` is negative, `recovered_ns` is 0 while the peak is not reached again."""

    peak_ns: int
    trough_ns: int
    recovered_ns: int
    percent: float


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What all runs on the same candles share: when they closed, and the daily returns of buying and holding them."""

    closes_ns: array[int]
    daily: list[float]

    @classmethod
    def of(cls, open_ns: Sequence[int], candles: Sequence[Candles], capital: Decimal) -> Benchmark:
        step_ns, start = candles[0].step_ns, float(capital)
        closes_ns = array("q", [time + step_ns for time in open_ns])
        return cls(closes_ns, daily_returns(closes_ns, buy_and_hold(open_ns, candles, start), start))


def metrics(
    run: Run, candles: Sequence[Candles], *, capital: Decimal, benchmark: Benchmark | None = None
) -> dict[str, Any]:
    """Every figure by name; `benchmark` where it is known already.

    Percentages are of 100; money is in quote currency; a figure that does not exist is None.

    `sharpe` and everything of its kind is made of daily returns: equity at the end of each UTC day, 365 days a year.
    Drawdowns are of equity at the close of every candle.
    """
    benchmark = benchmark or Benchmark.of(run.open_ns, candles, capital)
    closes_ns = benchmark.closes_ns
    daily = daily_returns(closes_ns, run.equity, float(capital))
    trips = round_trips(run.trades, {each.name: each for each in candles})
    years = (closes_ns[-1] - run.open_ns[0]) / YEAR_NS
    final = run.equity[-1]
    growth = final / float(capital)
    return {
        "start": iso(run.open_ns[0]),
        "end": iso(closes_ns[-1]),
        "capital": capital,
        "final_equity": final,
        "net_profit": final - float(capital),
        "total_return_percent": 100.0 * (growth - 1.0),
        "cagr_percent": 100.0 * (growth ** (1.0 / years) - 1.0) if growth > 0 and years * YEAR_NS >= DAY_NS else None,
        **_daily(daily, benchmark.daily),
        **_fall(closes_ns, run.equity, float(capital)),
        **_activity(run, candles),
        **_trips(trips),
    }


def _daily(daily: Sequence[float], held: Sequence[float]) -> dict[str, Any]:
    year = float(DAYS_A_YEAR)
    return {
        "annual_return_percent": _percent(formulas.annual_return(daily, year)),
        "volatility_percent": _percent(formulas.volatility(daily, year)),
        "sharpe": formulas.sharpe(daily, year),
        "sortino": formulas.sortino(daily, year),
        "calmar": formulas.calmar(daily, year),
        "omega": formulas.omega(daily),
        "value_at_risk_percent": _percent(formulas.value_at_risk(daily)),
        "conditional_value_at_risk_percent": _percent(formulas.conditional_value_at_risk(daily)),
        "skew": formulas.skew(daily),
        "kurtosis": formulas.kurtosis(daily),
        "best_day_percent": _percent(max(daily, default=None)),
        "worst_day_percent": _percent(min(daily, default=None)),
        "benchmark_return_percent": 100.0 * formulas.total_return(held),
        "alpha": formulas.alpha(daily, held, year),
        "beta": formulas.beta(daily, held),
    }


def _fall(closes_ns: Sequence[int], equity: Sequence[float], capital: float) -> dict[str, Any]:
    found = drawdowns(closes_ns, equity, capital)
    deepest = min(found, key=lambda each: each.percent, default=None)
    longest = max(((each.recovered_ns or closes_ns[-1]) - each.peak_ns for each in found), default=0)
    worst = sorted(found, key=lambda each: each.percent)[:DRAWDOWNS_SHOWN]
    return {
        "max_drawdown_percent": deepest.percent if deepest else 0.0,
        "longest_drawdown_days": longest / DAY_NS,
        "drawdowns": [
            {
                "percent": each.percent,
                "peak": iso(each.peak_ns),
                "trough": iso(each.trough_ns),
                "recovered": iso(each.recovered_ns) if each.recovered_ns else None,
            }
            for each in worst
        ],
    }


def _activity(run: Run, candles: Sequence[Candles]) -> dict[str, Any]:
    notional, fees = ZERO, ZERO
    for trade in run.trades:
        notional = total(notional, product(trade.price, trade.quantity))
        fees = total(fees, trade.fee)
    average = formulas.mean(run.equity)
    return {
        "exposure_percent": 100.0 * run.exposed / len(run.equity),
        "turnover": float(notional) / average if average else None,
        "fees": fees,
        "fills": len(run.trades),
        "intents": run.intents,
        "denials": dict(sorted(run.denials.items())),
        "limit_breaches": run.limit_breaches,
        "alarms": list(run.alarms),
        "instruments": [each.name for each in candles],
        "interval": candles[0].interval,
    }


def _trips(trips: Sequence[RoundTrip]) -> dict[str, Any]:
    """Of closed round trips, after fees. Expectancy is the mean of them; the profit factor gains / losses."""
    results = [float(trip.pnl) for trip in trips]
    wins = [each for each in results if each > 0]
    losses = [each for each in results if each < 0]
    hours = [(trip.closed_ns - trip.opened_ns) / (3_600 * NS_PER_S) for trip in trips]
    return {
        "trades": len(trips),
        "win_rate_percent": 100.0 * len(wins) / len(trips) if trips else None,
        "profit_factor": sum(wins) / -sum(losses) if losses else None,
        "expectancy": formulas.mean(results) if results else None,
        "average_win": formulas.mean(wins) if wins else None,
        "average_loss": formulas.mean(losses) if losses else None,
        "best_trade": max(results, default=None),
        "worst_trade": min(results, default=None),
        "longest_winning_streak": _streak(results, wins=True),
        "longest_losing_streak": _streak(results, wins=False),
        "average_trade_hours": formulas.mean(hours) if hours else None,
        "longest_trade_hours": max(hours, default=None),
        "average_adverse_excursion": formulas.mean([trip.worst for trip in trips]) if trips else None,
        "average_favourable_excursion": formulas.mean([trip.best for trip in trips]) if trips else None,
    }


def _streak(results: Sequence[float], *, wins: bool) -> int:
    runs = groupby(results, key=lambda each: each > 0 if wins else each < 0)
    return max((len(list(group)) for matches, group in runs if matches), default=0)


def daily_returns(closes_ns: Sequence[int], equity: Sequence[float], capital: float) -> list[float]:
    """Between the last values of UTC days, the first from `capital` on; days without candles are no days."""
    values = [capital]
    place = 0
    while place < len(closes_ns):
        day_end = (closes_ns[place] - 1) // DAY_NS * DAY_NS + DAY_NS
        place = bisect_right(closes_ns, day_end, place)
        values.append(equity[place - 1])
    return formulas.of_values(values)


def buy_and_hold(open_ns: Sequence[int], candles: Sequence[Candles], capital: float) -> list[float]:
    """The benchmark: capital in equal parts in every instrument from its first open on, without fees."""
    share = capital / len(candles)
    values = [0.0] * len(open_ns)
    for each in candles:
        units, row, worth = share / each.open[0], 0, share
        for place, time in enumerate(open_ns):
            if row < len(each) and each.open_ns[row] == time:
                worth = units * each.close[row]
                row += 1
            values[place] += worth
    return values


def drawdowns(times_ns: Sequence[int], values: Sequence[float], start: float) -> list[Drawdown]:
    """Every fall below a peak, in order; the first peak is `start`."""
    found: list[Drawdown] = []
    peak, peak_ns, trough, trough_ns = start, times_ns[0], start, 0
    for time, value in zip(times_ns, values, strict=True):
        if value >= peak:
            if trough_ns:
                found.append(Drawdown(peak_ns, trough_ns, time, 100.0 * (trough / peak - 1.0)))
            peak, peak_ns, trough, trough_ns = value, time, value, 0
        elif value < trough:
            trough, trough_ns = value, time
    if trough_ns:
        found.append(Drawdown(peak_ns, trough_ns, 0, 100.0 * (trough / peak - 1.0)))
    return found


def _percent(value: float | None) -> float | None:
    return None if value is None else 100.0 * value


def iso(time_ns: int) -> str:
    """A market time as ISO 8601, UTC."""
    return datetime.fromtimestamp(time_ns / NS_PER_S, UTC).isoformat().replace("+00:00", "Z")


def trade_rows(run: Run) -> list[Mapping[str, Any]]:
    """The fills as plain values: Decimals as text."""
    return [
        {
            "ts_ns": trade.ts_ns,
            "time": iso(trade.ts_ns),
            "bar": trade.row,
            "instrument_id": trade.instrument_id,
            "strategy": trade.strategy,
            "side": trade.side.value,
            "quantity": canonical(trade.quantity),
            "price": canonical(trade.price),
            "fee": canonical(trade.fee),
            "liquidity": "MAKER" if trade.is_maker else "TAKER",
            "realised_pnl": canonical(difference(trade.realised_pnl, trade.fee)),
            "position": canonical(trade.position),
            "reason": trade.reason,
        }
        for trade in run.trades
    ]


def equity_rows(run: Run, step_ns: int) -> list[tuple[int, float]]:
    """(market time in ns, equity) at the close of every candle."""
    return [(time + step_ns, value) for time, value in zip(run.open_ns, run.equity, strict=True)]
