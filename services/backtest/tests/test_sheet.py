"""What the tear sheet shows: extremes survive thinning, months add up, nothing of a long run is hidden silently."""

from __future__ import annotations

import random
from array import array
from decimal import Decimal

import orjson
import pytest
from services.backtest.tests.runs import CAPITAL, run, walk

from pitwire.backtest.core.sheet import MARKERS_MAX, POINTS_MAX, bars, months, sheet, thinned
from pitwire.strategy.strategies.momentum import Momentum, MomentumParams


def test_a_thinned_curve_keeps_its_ends_and_its_extremes() -> None:
    rng = random.Random(3)
    values = [rng.gauss(0, 1) for _ in range(50_000)]
    points = thinned(range(50_000), values)
    assert len(points) <= POINTS_MAX + 2
    assert [time for time, _ in points] == sorted({time for time, _ in points})
    assert (min(p for _, p in points), max(p for _, p in points)) == (min(values), max(values))
    assert points[-1] == (49_999, values[-1])


def test_a_short_curve_is_shown_whole() -> None:
    assert thinned([1, 2], [5.0, 6.0]) == [(1, 5.0), (2, 6.0)]


def test_candles_put_together_have_the_first_open_the_extremes_and_the_last_close() -> None:
    series = walk(POINTS_MAX + 1)
    first = bars(series)[0]
    assert len(bars(series)) <= POINTS_MAX
    assert first[1:] == (series.open[0], max(series.high[:2]), min(series.low[:2]), series.close[1])


def test_months_compound_to_the_year() -> None:
    january, february, next_year = 1_706_745_600, 1_709_251_200, 1_738_368_000
    found = months([january, february, next_year], array("d", [110.0, 99.0, 198.0]), 100.0)
    assert found == {
        "2024": {"1": pytest.approx(10.0), "2": pytest.approx(-10.0), "year": pytest.approx(-1.0)},
        "2025": {"1": pytest.approx(100.0), "year": pytest.approx(100.0)},
    }


def test_a_sheet_is_json_and_says_how_many_round_trips_there_were() -> None:
    series = walk(2_000)
    strategy = Momentum(MomentumParams(fast=3, slow=8, threshold_percent=0, cooldown=0))
    found = sheet("momentum", run(series, strategy), [series], capital=CAPITAL)
    assert orjson.loads(orjson.dumps(found))["title"] == "momentum"
    assert found["trips_in_all"] == found["metrics"]["trades"] > 50
    assert 0 < len(found["charts"][0]["fills"]) <= MARKERS_MAX
    assert found["metrics"]["capital"] == "100000"
    assert Decimal(found["metrics"]["fees"]) > 0
