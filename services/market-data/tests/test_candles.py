"""Each closed candle once, in order, whatever stream and history bring, and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.common.errors import UsageError
from pitwire.market_data.core.candles import HELD_MAX, BehindStore, CandleSeries, Closed, Hole, Step
from pitwire.market_data.core.ticks import Bar, interval_ns

BTC = "BTC-USDT.sim"
MINUTE = 60_000_000_000


def bar(minute: int) -> Bar:
    price = Decimal(100 + minute)
    return Bar(
        instrument_id=BTC,
        interval="1m",
        open_time_ns=minute * MINUTE,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(1),
        quote_volume=price,
        trade_count=1,
        ts_event_ns=(minute + 1) * MINUTE - 1,
    )


def told(found: Iterable[Step]) -> str:
    """`5b` = minute 5 backfilled, `5` = live, `(3-5)` = a hole."""
    words: list[str] = []
    for each in found:
        if isinstance(each, Hole):
            words.append(f"({each.from_ns // MINUTE}-{each.until_ns // MINUTE})")
        elif isinstance(each, BehindStore):
            words.append(f"{each.open_time_ns // MINUTE}<{each.stored_ns // MINUTE}")
        else:
            words.append(f"{each.bar.open_time_ns // MINUTE}{'b' * each.backfilled}")
    return " ".join(words)


def check(script: str, expect: str, *, last: int | None = None) -> CandleSeries:
    """Runs `live 5`, `history 1 2 3`, `gap`; compares everything published."""
    series = CandleSeries(BTC, "1m", last_open_ns=None if last is None else last * MINUTE)
    found: list[Step] = []
    for step in script.split(","):
        verb, *minutes = step.split()
        if verb == "live":
            for minute in minutes:
                found += series.on_live(bar(int(minute)))
        elif verb == "gap":
            series.on_gap()
        else:
            assert series.request is not None, "history came unasked"
            found += series.on_history(series.request, [bar(int(minute)) for minute in minutes])
    assert told(found) == expect
    return series


@pytest.mark.parametrize(
    ("script", "expect"),
    [
        # the newest row of an open-ended answer may still be open, so the stream must bring it
        ("history 1 2 3", "1b 2b"),
        ("history 1 2 3,live 3", "1b 2b 3"),
        ("history", ""),
        ("history,live 7", "7"),
        # live candles wait for history and then follow it in order
        ("live 3,history 1 2 3 4", "1b 2b 3b"),
        ("live 4 5,history 1 2 3 4 5 6", "1b 2b 3b 4b 5b"),
        ("live 4,history 1 2 3,history 3", "1b 2b 3b 4"),
        # repeated and late ones are dropped
        ("history 1 2 3,live 3 3 2 4", "1b 2b 3 4"),
        # a hole is filled from history before the live candle goes out
        ("history 1 2 3,live 3,live 6,history 4 5,live 7", "1b 2b 3 4b 5b 6 7"),
        # what history does not have either is told, once
        ("history 1 2 3,live 3,live 6,history,live 7", "1b 2b 3 (4-6) 6 7"),
        ("history 1 2 3,live 3,live 6 7,history 5", "1b 2b 3 (4-5) 5b 6 7"),
        # after an interruption history is asked for at once
        ("history 1 2 3,live 3,gap,live 6,history 4 5 6 7", "1b 2b 3 4b 5b 6b"),
    ],
)
def test_candles_come_once_and_in_order(script: str, expect: str) -> None:
    check(script, expect)


def test_a_start_goes_on_after_the_candle_stored_last() -> None:
    series = CandleSeries(BTC, "1m", last_open_ns=7 * MINUTE)
    assert series.request is not None
    assert (series.request.from_ns, series.request.until_ns) == (8 * MINUTE, None)
    check("history 8 9 10,live 10", "8b 9b 10", last=7)


def test_a_venue_that_is_behind_what_is_stored_is_told_once() -> None:
    check("history 71,live 5 6 7", "5<70", last=70)
    check("history 71,live 70 69 71", "71", last=70)


def test_a_hole_is_asked_for_exactly() -> None:
    series = check("history 1 2 3,live 3,live 9", "1b 2b 3")
    assert series.request is not None
    assert (series.request.from_ns, series.request.until_ns) == (4 * MINUTE, 9 * MINUTE)


def test_an_answer_to_an_older_question_changes_nothing() -> None:
    series = CandleSeries(BTC, "1m", last_open_ns=None)
    first = series.request
    assert first is not None
    series.on_history(first, [bar(1), bar(2)])
    assert series.on_history(first, [bar(5), bar(6)]) == []


def test_live_candles_held_during_a_long_outage_of_history_are_bounded() -> None:
    series = CandleSeries(BTC, "1m", last_open_ns=0)
    for minute in range(1, HELD_MAX + 101):
        series.on_live(bar(minute))
    assert series.request is not None
    found = series.on_history(series.request, [bar(1), bar(2)])
    assert told(found) == "1b"
    assert series.request is not None
    assert series.request.until_ns == 101 * MINUTE


@given(st.lists(st.one_of(st.integers(1, 30), st.just("gap"), st.just("history")), max_size=60))
def test_whatever_comes_open_times_rise_and_no_candle_is_lost_that_history_has(steps: list[int | str]) -> None:
    series = CandleSeries(BTC, "1m", last_open_ns=0)
    found: list[Step] = []
    clock = 0

    def answer() -> list[Step]:
        request = series.request
        if request is None:
            return []
        until = clock + 2 if request.until_ns is None else request.until_ns // MINUTE
        start = 1 if request.from_ns is None else request.from_ns // MINUTE
        return series.on_history(request, [bar(minute) for minute in range(start, until)])

    for step in steps:
        if step == "gap":
            series.on_gap()
        elif step == "history":
            found += answer()
        elif isinstance(step, int):
            clock = max(clock, step)
            found += series.on_live(bar(step))
    for _ in range(3):
        found += answer()
    minutes = [each.bar.open_time_ns // MINUTE for each in found if isinstance(each, Closed)]
    assert minutes == list(range(1, len(minutes) + 1))
    assert not [each for each in found if isinstance(each, Hole)]
    assert not minutes or minutes[-1] >= clock


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [("1s", 1), ("1m", 60), ("15m", 900), ("7m", 420), ("4h", 14_400), ("1d", 86_400), ("1w", 604_800)],
)
def test_intervals_have_a_length(interval: str, seconds: int) -> None:
    assert interval_ns(interval) == seconds * 1_000_000_000


@pytest.mark.parametrize("interval", ["", "m", "0m", "2w", "1M", "8d", "1.5h", "-1m", "٣m", "99999m"])
def test_an_interval_that_cannot_be_is_refused(interval: str) -> None:
    with pytest.raises(UsageError, match="must be a number and s, m, h, d or w, from 1s to 1w"):
        interval_ns(interval)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"high": Decimal(99)}, "low 101 and high 99 do not hold open 101 and close 101"),
        ({"low": Decimal(102)}, "low 102 and high 101 do not hold"),
        ({"open_time_ns": 1}, "open time 1 is not where a candle of 1m opens"),
    ],
)
def test_a_candle_that_cannot_be_has_a_fault(changed: dict[str, Any], reason: str) -> None:
    """S-50: a candle knows its interval and times, and its four prices must fit together."""
    assert replace(bar(1), **changed).fault().startswith(reason)
