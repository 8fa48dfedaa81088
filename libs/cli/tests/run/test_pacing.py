"""The market never runs more than one bar past the slowest service."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pitwire.cli.run.pacing import BARS_AHEAD_MAX, Pace
from pitwire.common.clock import NS_PER_MS
from pitwire.common.schemas.control import Heartbeat

BAR_MS = 60_000
START_MS = 1_700_000_000_000 - 1_700_000_000_000 % BAR_MS
SERVICES: tuple[str, ...] = ("market-data", "strategy", "persistence")


def beat(service: str, market_ms: int) -> Heartbeat:
    return Heartbeat(service=service, slot="0", instance="i", ts_ns=1, ts_market_ns=market_ms * NS_PER_MS)


def pace() -> Pace:
    return Pace(SERVICES, start_ms=START_MS, bar_ms=BAR_MS)


def test_market_stands_until_it_is_let_go_and_then_runs_one_bar() -> None:
    market = pace()
    assert market.until_ms == START_MS
    assert market.begin() == START_MS + BAR_MS


def test_market_moves_only_when_the_slowest_service_has_handled_the_bar() -> None:
    market = pace()
    market.begin()
    done = START_MS + BAR_MS
    assert market.observe(beat("market-data", done)) is None
    assert market.observe(beat("persistence", done)) is None
    assert market.slowest == "strategy"
    assert market.observe(beat("strategy", done)) == done + BAR_MS


def test_market_waits_for_a_service_that_started_again_and_reports_no_market_time_yet() -> None:
    market = pace()
    market.begin()
    for service in SERVICES:
        market.observe(beat(service, START_MS + BAR_MS))
    allowed = market.until_ms
    assert market.observe(beat("strategy", 0)) is None
    for service in ("market-data", "persistence"):
        assert market.observe(beat(service, START_MS + 2 * BAR_MS)) is None
    assert market.until_ms == allowed


def test_services_that_do_not_follow_bars_are_not_waited_for() -> None:
    market = pace()
    market.begin()
    assert market.observe(beat("execution", START_MS + 5 * BAR_MS)) is None
    assert market.until_ms == START_MS + BAR_MS


def test_a_nudge_lets_one_bar_go_and_reports_go_on_from_there() -> None:
    market = pace()
    market.begin()
    assert market.nudge() == START_MS + 2 * BAR_MS
    for service in SERVICES:
        market.observe(beat(service, START_MS + 2 * BAR_MS))
    assert market.until_ms == START_MS + 3 * BAR_MS


def test_history_older_than_the_start_moves_nothing() -> None:
    market = pace()
    for service in SERVICES:
        assert market.observe(beat(service, START_MS - BAR_MS)) is None
    assert market.until_ms == START_MS


@given(st.lists(st.tuples(st.sampled_from(SERVICES), st.integers(0, 40)), max_size=200))
def test_market_is_never_further_ahead_than_the_named_number_of_bars_and_never_goes_back(
    beats: list[tuple[str, int]],
) -> None:
    market = pace()
    market.begin()
    handled = dict.fromkeys(SERVICES, START_MS)
    before = market.until_ms
    for service, bars in beats:
        market_ms = START_MS + bars * BAR_MS
        handled[service] = max(handled[service], market_ms)
        moved = market.observe(beat(service, market_ms))
        assert market.until_ms == min(handled.values()) + BARS_AHEAD_MAX * BAR_MS
        assert market.until_ms >= before
        assert (moved is not None) == (market.until_ms > before)
        before = market.until_ms
