"""The path inside a bar respects open, high, low, close and volume exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.venue_sim.adapters.recordings import read_market
from pitwire.venue_sim.core.generated import GeneratedMarket
from pitwire.venue_sim.core.path import BAR_MS, OFFSETS_MS, POINTS, Bar, bar_problem, path
from pitwire.venue_sim.core.units import SCALE

TICK = SCALE // 100
STEP = SCALE // 100_000


def check_bar(bar: Bar, *, tick: int = TICK, step: int = STEP) -> None:
    ticks = path(bar, tick=tick, step=step)
    assert sum(one.quantity for one in ticks) == bar.volume
    if not bar.volume:
        assert ticks == []
        return
    prices = [one.price for one in ticks]
    assert (prices[0], prices[-1]) == (bar.open, bar.close)
    assert (max(prices), min(prices)) == (bar.high, bar.low)
    assert len(ticks) <= POINTS
    assert all(one.quantity > 0 and one.price % tick == 0 for one in ticks)
    slots = [one.slot for one in ticks]
    assert slots == sorted(set(slots))
    assert 0 <= slots[0] <= slots[-1] < POINTS


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    low = draw(st.integers(1, 10**7))
    high = low + draw(st.integers(0, 10**6))
    first, last = draw(st.integers(low, high)), draw(st.integers(low, high))
    volume = draw(st.integers(4, 10**9)) * STEP
    return Bar(0, first * TICK, high * TICK, low * TICK, last * TICK, volume)


@given(bars())
def test_any_bar_is_respected(bar: Bar) -> None:
    assert bar_problem(bar) is None
    check_bar(bar)


def test_the_extremes_come_in_the_order_the_close_tells() -> None:
    rising = path(Bar(0, 100, 120, 90, 110, 1000), tick=1, step=1)
    falling = path(Bar(0, 100, 120, 90, 95, 1000), tick=1, step=1)

    def first(ticks: list[object], price: int) -> int:
        return [getattr(tick, "price") for tick in ticks].index(price)  # noqa: B009 - a list of objects for both calls

    assert first(list(rising), 90) < first(list(rising), 120)
    assert first(list(falling), 120) < first(list(falling), 90)


def test_the_taker_is_who_moves_the_price() -> None:
    ticks = path(Bar(0, 100, 120, 100, 120, 1200), tick=1, step=1)
    assert all(tick.buyer_takes for tick in ticks)
    ticks = path(Bar(0, 120, 120, 100, 100, 1200), tick=1, step=1)
    assert not any(tick.buyer_takes for tick in ticks[1:])


def test_instants_span_the_whole_minute() -> None:
    assert (OFFSETS_MS[0], OFFSETS_MS[-1], len(OFFSETS_MS)) == (0, BAR_MS - 1, POINTS)


@pytest.mark.parametrize(
    ("bar", "problem"),
    [
        (Bar(0, 100, 90, 95, 100, 10), "high is below low"),
        (Bar(0, 100, 120, 90, 130, 10), "outside low..high"),
        (Bar(0, 100, 100, 100, 100, -1), "negative volume"),
        (Bar(0, 0, 100, 0, 100, 1), "not above zero"),
        (Bar(0, 100, 120, 90, 110, 3), "too small"),
        (Bar(0, 100, 110, 100, 110, 1), "too small"),
    ],
)
def test_names_what_is_impossible_about_a_bar(bar: Bar, problem: str) -> None:
    assert problem in (bar_problem(bar) or "")


def test_a_flat_bar_may_be_empty_or_tiny() -> None:
    for volume in (0, 1, 5):
        bar = Bar(0, 100, 100, 100, 100, volume)
        assert bar_problem(bar) is None
        check_bar(bar, tick=1, step=1)


def test_two_thousand_generated_bars_are_respected() -> None:
    market = GeneratedMarket(seed=3, history=10)
    for rules in market.rules:
        tick, step = int(rules.tick_size * SCALE), int(rules.lot_step * SCALE)
        for number in range(2000):
            bar = market.bar(rules.symbol, market.first_ms + number * BAR_MS)
            assert bar is not None
            assert bar_problem(bar) is None
            check_bar(bar, tick=tick, step=step)


def test_every_recorded_bar_is_respected(recorded_folder: Path) -> None:
    market = read_market(recorded_folder, history=500)
    for rules in market.rules:
        tick, step = int(rules.tick_size * SCALE), int(rules.lot_step * SCALE)
        assert market.end_ms is not None
        for open_ms in range(market.first_ms, market.end_ms + 1, 7 * BAR_MS):
            bar = market.bar(rules.symbol, open_ms)
            if bar is not None:
                check_bar(bar, tick=tick, step=step)
