"""What the tear sheet shows, as plain values: thinned to what a screen can show, extremes kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from pitwire.backtest.core import returns as formulas
from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.engine import Run
from pitwire.backtest.core.metrics import buy_and_hold, metrics
from pitwire.backtest.core.trades import round_trips
from pitwire.common.money import canonical
from pitwire.common.units import NS_PER_S

POINTS_MAX: Final = 6_000
"""Points of a curve and candles of a chart: more than any screen has columns."""

MARKERS_MAX: Final = 2_000
"""Fills drawn in one chart, the newest."""

TRADES_MAX: Final = 2_000
"""Round trips in the table, the newest."""


def sheet(title: str, run: Run, candles: Sequence[Candles], *, capital: Decimal) -> dict[str, Any]:
    """The data of one run's page."""
    step_ns = candles[0].step_ns
    times = [(time + step_ns) // NS_PER_S for time in run.open_ns]
    held = buy_and_hold(run.open_ns, candles, float(capital))
    trips = round_trips(run.trades, {each.name: each for each in candles})
    figures = metrics(run, candles, capital=capital)
    return {
        "title": title,
        "metrics": {name: _plain(value) for name, value in figures.items()},
        "equity": thinned(times, run.equity),
        "benchmark": thinned(times, held),
        "drawdown": thinned(times, [100.0 * each for each in formulas.drawdowns([float(capital), *run.equity])[1:]]),
        "months": months(times, run.equity, float(capital)),
        "charts": [{"name": each.name, "candles": bars(each), "fills": _fills(run, each.name)} for each in candles],
        "trips": [
            {
                "instrument": trip.instrument_id,
                "strategy": trip.strategy,
                "opened": trip.opened_ns // NS_PER_S,
                "closed": trip.closed_ns // NS_PER_S,
                "quantity": canonical(trip.quantity),
                "pnl": float(trip.pnl),
                "percent": trip.return_percent,
                "fees": float(trip.fees),
                "worst": trip.worst,
                "best": trip.best,
            }
            for trip in trips[-TRADES_MAX:]
        ],
        "trips_in_all": len(trips),
    }


def thinned(times: Sequence[int], values: Sequence[float]) -> list[tuple[int, float]]:
    """At most about `POINTS_MAX` points: of each stretch its lowest and its highest value, in the order of time."""
    stretch = -(-len(times) * 2 // POINTS_MAX)
    if stretch <= 2:
        return list(zip(times, values, strict=True))
    found: list[tuple[int, float]] = []
    for first in range(0, len(times), stretch):
        rows = range(first, min(first + stretch, len(times)))
        ends = {min(rows, key=values.__getitem__), max(rows, key=values.__getitem__)}
        if rows[-1] == len(times) - 1:
            ends.add(rows[-1])
        found += [(times[row], values[row]) for row in sorted(ends)]
    return found


def bars(candles: Candles) -> list[tuple[int, float, float, float, float]]:
    """Candles for a chart: neighbours are put together where there are too many."""
    size = -(-len(candles) // POINTS_MAX)
    found: list[tuple[int, float, float, float, float]] = []
    for first in range(0, len(candles), size):
        rows = slice(first, first + size)
        low, high = min(candles.low[rows]), max(candles.high[rows])
        found.append((candles.open_ns[first] // NS_PER_S, candles.open[first], high, low, candles.close[rows][-1]))
    return found


def months(times: Sequence[int], equity: Sequence[float], capital: float) -> dict[str, dict[str, float]]:
    """Return in percent of each month, by year; the year's own under `year`."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    ends: dict[tuple[int, int], float] = {}
    for time, value in zip(times, equity, strict=True):
        moment = datetime.fromtimestamp(time - 1, UTC)
        ends[moment.year, moment.month] = value
    before = year_began = capital
    for (year, month), value in ends.items():
        if "year" not in found[str(year)]:
            year_began = before
        found[str(year)][str(month)] = 100.0 * (value / before - 1.0) if before > 0 else 0.0
        found[str(year)]["year"] = 100.0 * (value / year_began - 1.0) if year_began > 0 else 0.0
        before = value
    return dict(found)


def _fills(run: Run, name: str) -> list[Mapping[str, Any]]:
    mine = [trade for trade in run.trades if trade.instrument_id == name]
    return [{"time": trade.ts_ns // NS_PER_S, "side": trade.side.value} for trade in mine[-MARKERS_MAX:]]


def _plain(value: Any) -> Any:
    return canonical(value) if isinstance(value, Decimal) else value
