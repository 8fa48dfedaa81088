"""The figures of a run, worked out by hand."""

from __future__ import annotations

from array import array
from decimal import Decimal

import pytest
from services.backtest.tests.runs import CAPITAL, Scripted, candles, run

from pitwire.backtest.core.fills import FillModel
from pitwire.backtest.core.metrics import (
    buy_and_hold,
    daily_returns,
    drawdowns,
    equity_rows,
    metrics,
    trade_rows,
)
from pitwire.backtest.core.risk_watch import DAY_NS
from pitwire.backtest.core.trades import round_trips
from pitwire.common.testing.market import MARKET_START_NS, MINUTE_NS
from pitwire.strategy import Target

ROWS = [
    (100.0, 101.0, 99.0, 100.0),
    (100.0, 130.0, 95.0, 110.0),
    (110.0, 112.0, 90.0, 105.0),
    (105.0, 106.0, 104.0, 105.0),
    (100.0, 101.0, 80.0, 90.0),
    (90.0, 91.0, 89.0, 90.0),
]
OUT = Target(Decimal(0), "out")


def two_trips() -> Scripted:
    """In at 100, out at 105; in at 100, out at 90; ten each, fee 10 bps."""
    return Scripted({0: Target(Decimal(10), "in"), 2: OUT, 3: Target(Decimal(10), "in"), 4: OUT})


def test_round_trips_have_their_profit_after_fees_and_their_excursions() -> None:
    series = candles(ROWS)
    found = round_trips(run(series, two_trips()).trades, {series.name: series})
    assert [trip.pnl for trip in found] == [Decimal("47.95"), Decimal("-101.9")]
    assert [(trip.worst, trip.best) for trip in found] == [(-100.0, 300.0), (-200.0, 10.0)]
    assert [trip.closed_ns - trip.opened_ns for trip in found] == [2 * MINUTE_NS, MINUTE_NS]
    assert found[0].return_percent == pytest.approx(4.795)


def test_figures_of_a_run() -> None:
    series = candles(ROWS)
    figures = metrics(run(series, two_trips()), [series], capital=CAPITAL)
    assert figures["net_profit"] == pytest.approx(-53.95)
    assert figures["total_return_percent"] == pytest.approx(-0.05395)
    assert (figures["trades"], figures["fills"], figures["fees"]) == (2, 4, Decimal("3.95"))
    assert (figures["win_rate_percent"], figures["expectancy"]) == (50.0, pytest.approx(-26.975))
    assert figures["profit_factor"] == pytest.approx(47.95 / 101.9)
    assert (figures["longest_winning_streak"], figures["longest_losing_streak"]) == (1, 1)
    assert figures["exposure_percent"] == pytest.approx(50.0)
    assert figures["benchmark_return_percent"] == pytest.approx(-10.0)
    assert figures["max_drawdown_percent"] == pytest.approx(100 * (99_946.05 / 100_099 - 1))


def test_a_run_without_trades_has_figures_too() -> None:
    series = candles(ROWS)
    figures = metrics(run(series, Scripted({})), [series], capital=CAPITAL)
    assert (figures["trades"], figures["profit_factor"], figures["max_drawdown_percent"]) == (0, None, 0.0)


def test_daily_returns_are_of_the_last_value_of_each_day() -> None:
    day = MARKET_START_NS // DAY_NS * DAY_NS
    times = [day + 1, day + DAY_NS, day + DAY_NS + 1, day + 3 * DAY_NS]
    assert daily_returns(times, [100.0, 110.0, 50.0, 55.0], 100.0) == pytest.approx([0.1, -0.5454545454, 0.1])


def test_drawdowns_have_their_dates_and_say_when_they_were_made_good() -> None:
    found = drawdowns([1, 2, 3, 4, 5], [90.0, 120.0, 60.0, 121.0, 110.0], 100.0)
    assert [(d.peak_ns, d.trough_ns, d.recovered_ns, round(d.percent, 3)) for d in found] == [
        (1, 1, 2, -10.0),
        (2, 3, 4, -50.0),
        (4, 5, 0, -9.091),
    ]


def test_the_benchmark_holds_equal_parts_and_carries_a_price_over_a_hole() -> None:
    one = candles([(10.0, 20.0, 10.0, 20.0)] * 3)
    two = candles([(10.0, 10.0, 5.0, 5.0)], "ETH-USDT.sim", first=1)
    times = array("q", one.open_ns)
    assert buy_and_hold(times, [one, two], 100.0) == [150.0, 125.0, 125.0]


def test_rows_for_programs_lose_no_digit() -> None:
    found = run(candles(ROWS), two_trips(), model=FillModel(taker_bps=Decimal("0.123456")))
    rows = trade_rows(found)
    assert rows[0]["fee"] == "0.0123456"
    assert [(row["side"], row["price"], row["position"]) for row in rows][:2] == [
        ("BUY", "100", "10"),
        ("SELL", "105", "0"),
    ]
    assert equity_rows(found, MINUTE_NS)[0] == (MARKET_START_NS + MINUTE_NS, 100_000.0)
