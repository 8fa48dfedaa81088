"""What is flagged without a break is in doubt: the status says so, candles of that time are SUSPECT, and it ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import DataQuality, Side, VenueState
from pitwire.common.schemas.market import Candle
from pitwire.market_data.core.depth import Diff, Snapshot
from pitwire.market_data.core.feed import FeedCore
from pitwire.market_data.core.quality import ClockOffset, Divergence, Doubts, Flag
from pitwire.market_data.core.ticks import Bar, QuoteTick, TimeTick, TradeTick

BTC, ETH = "BTC-USDT.a", "ETH-USDT.a"
MS, S = 1_000_000, 1_000_000_000
MINUTE = 60 * S
START = 29_000_000 * MINUTE


def feed(**changed: Any) -> FeedCore:
    values: dict[str, Any] = {"silence_max_ns": 5 * S, "doubt_after_ns": S}
    core = FeedCore("a", "e", {BTC: ("1m",), ETH: ("1m",)}, **(values | changed))
    core.on_connected(START)
    core.clock.see(START)
    return core


def quote(core: FeedCore, price: int, recv_ns: int) -> DataQuality:
    out = core.on_quote(QuoteTick(BTC, 1, f"{price}.0", "1", f"{price + 1}.0", "1"), recv_ns)
    assert out is not None
    return out.quality


@pytest.mark.parametrize(
    ("seen", "now", "flag"),
    [
        ([(0, Flag.LATE), (999, Flag.LATE)], 1_000, None),
        ([(0, Flag.LATE), (1_000, Flag.SKEWED)], 1_000, Flag.SKEWED),
        ([(0, Flag.LATE), (500, None), (1_400, Flag.LATE)], 1_400, None),
        ([(0, Flag.LATE), (1_000, Flag.LATE), (1_001, None)], 1_001, None),
        ([(0, Flag.LATE), (1_000, Flag.LATE)], 6_000, Flag.LATE),
        ([(0, Flag.LATE), (1_000, Flag.LATE)], 6_001, None),
    ],
)
def test_doubt_is_a_flag_without_a_break_and_is_forgotten(
    seen: list[tuple[int, Flag | None]], now: int, flag: Flag | None
) -> None:
    doubts = Doubts(1_000, 5_000)
    for at, each in seen:
        doubts.see("trade", each, at)
    assert doubts.at(now) is flag


def test_each_kind_of_message_is_doubted_by_itself() -> None:
    doubts = Doubts(0, 5_000)
    doubts.see("trade", Flag.SKEWED, 1)
    doubts.see("quote", None, 2)
    assert doubts.at(2) is Flag.SKEWED


def test_a_symbol_that_stands_apart_for_long_is_in_doubt_until_it_agrees_again() -> None:
    peers = Divergence()
    core = feed(peers=peers, divergence_max=0.01)
    peers.seat("BTC-USDT.b").on_mid(100.5, START)
    assert quote(core, 100, START) is DataQuality.OK
    assert quote(core, 102, START + 1 * MS) is DataQuality.SUSPECT, "flagged at once"
    assert core.status(START + 2 * MS).doubted == {}, "but a moment is no reason to stop"
    trade = core.on_trade(TradeTick(BTC, 1, "102.0", "1", Side.BUY, START), START + 3 * MS)
    assert trade is not None
    assert trade.quality is DataQuality.SUSPECT, "a trade at that price is as doubtful"
    assert quote(core, 102, START + 1 * MS + S) is DataQuality.SUSPECT
    assert core.status(START + 2 * S).doubted == {BTC: "DIVERGED"}
    assert core.status(START + 2 * S).flagged == {"DIVERGED": 3}
    assert quote(core, 100, START + 2 * S) is DataQuality.OK
    assert core.status(START + 2 * S).doubted == {}


def test_of_two_venues_that_differ_neither_is_believed() -> None:
    peers = Divergence()
    one, other = feed(peers=peers), FeedCore("b", "e", {"BTC-USDT.b": ("1m",)}, silence_max_ns=S, peers=peers)
    other.clock.see(START)
    quote(one, 100, START)
    out = other.on_quote(QuoteTick("BTC-USDT.b", 1, "110.0", "1", "111.0", "1"), START)
    assert out is not None
    assert (out.quality, quote(one, 100, START)) == (DataQuality.SUSPECT, DataQuality.SUSPECT)


def test_events_from_the_future_put_an_instrument_in_doubt_whatever_its_quotes_say() -> None:
    core = feed(skew_max_ns=500 * MS)
    for at in (0, 1):
        core.on_time(TimeTick(BTC, START + at * S + 600 * MS), START + at * S)
        assert quote(core, 100, START + at * S) is DataQuality.OK, "quotes have no time of their own"
    assert core.status(START + S).doubted == {BTC: "SKEWED"}
    core.on_time(TimeTick(BTC, START + 2 * S), START + 2 * S)
    assert core.status(START + 2 * S).doubted == {}


@pytest.mark.parametrize(
    ("server", "asked", "answered", "skewed"),
    [
        (1_000, 0, 0, False),
        (1_001, 0, 0, True),
        (-1_001, 0, 0, True),
        (2_500, 0, 3_000, False),
        (4_001, 0, 3_000, True),
    ],
)
def test_a_clock_is_skewed_when_no_moment_of_the_question_explains_it(
    server: int, asked: int, answered: int, skewed: bool
) -> None:
    offset = ClockOffset(1_000)
    assert offset.offset_ms is None
    offset.see(server, asked, answered)
    assert offset.is_skewed is skewed


def test_a_skewed_clock_of_the_venue_doubts_all_its_instruments_and_is_told() -> None:
    core = feed()
    core.offset.see(START - 600 * MS, START, START)
    status = core.status(START)
    assert (status.doubted, status.clock_offset_ms) == ({BTC: "SKEWED", ETH: "SKEWED"}, -600)
    core.offset.see(START, START, START)
    assert core.status(START).doubted == {}


def test_a_candle_that_closes_in_doubt_is_suspect_and_the_next_one_is_not() -> None:
    core = feed()
    core.resume_candles(BTC, "1m", last_open_ns=START - MINUTE)
    request = core.history_requests()[0]
    core.on_history(request, [], START)
    core.offset.see(START + MINUTE, START, START)
    suspect = core.on_bar(bar(0), START + MINUTE)
    core.offset.see(START, START, START)
    found = suspect + core.on_bar(bar(1), START + 2 * MINUTE)
    assert [each.quality for each in found if isinstance(each, Candle)] == [DataQuality.SUSPECT, DataQuality.OK]


def test_what_the_venue_lists_no_longer_is_stale_and_the_rest_goes_on() -> None:
    core = feed()
    core.on_instruments({BTC: True, ETH: True})
    core.on_delisted(("ETH-USDT",))
    status = core.status(START)
    assert (status.state, status.stale_instruments) == (VenueState.CONNECTED, (ETH,))
    core.on_instruments({BTC: True, ETH: True})
    assert core.status(START).stale_instruments == ()


def bar(minute: int) -> Bar:
    price = Decimal(100)
    return Bar(
        instrument_id=BTC,
        interval="1m",
        open_time_ns=START + minute * MINUTE,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(1),
        quote_volume=price,
        trade_count=1,
        ts_event_ns=START + (minute + 1) * MINUTE - 1,
    )


@pytest.mark.parametrize("ahead", [50 * MINUTE, 120 * MINUTE])
@pytest.mark.parametrize("kind", ["time", "bar", "trade", "diff"])
def test_a_stamp_from_the_future_moves_no_clock_and_makes_no_other_late(kind: str, ahead: int) -> None:
    """A market clock never goes back: everything after it would be late, and the day of the limits would roll."""
    core = feed(skew_max_ns=500 * MS, books={BTC})
    for number in range(1, 4):
        stamp = START + ahead + number
        if kind == "time":
            core.on_time(TimeTick(BTC, stamp), START)
        elif kind == "bar":
            core.on_bar(bar_at(stamp), START)
        elif kind == "trade":
            core.on_trade(TradeTick(BTC, number, "100", "1", Side.BUY, stamp), START)
        else:
            core.on_diff(Diff(BTC, number, number, [["1.0", "1"]], [["2.0", "1"]], stamp), START)
    assert core.clock.now_ns == START
    out = core.on_trade(TradeTick(BTC, 4, "100", "1", Side.BUY, START + S), START + S)
    assert out is not None
    assert out.quality is DataQuality.OK


def bar_at(ts_event_ns: int) -> Bar:
    one = Decimal(1)
    return Bar(
        instrument_id=BTC,
        interval="1m",
        open_time_ns=START - MINUTE,
        open=one,
        high=one,
        low=one,
        close=one,
        volume=one,
        quote_volume=one,
        trade_count=1,
        ts_event_ns=ts_event_ns,
    )


def test_a_whole_book_that_stands_apart_is_doubted_as_its_changes_are() -> None:
    peers = Divergence()
    core, other = (
        feed(peers=peers, books={BTC}),
        FeedCore("b", "e", {"BTC-USDT.b": ("1m",)}, silence_max_ns=S, peers=peers),
    )
    other.on_connected(START)
    other.clock.see(START)
    assert other.on_quote(QuoteTick("BTC-USDT.b", 1, "100.0", "1", "101.0", "1"), START) is not None
    core.on_diff(Diff(BTC, 1, 2, [["200.0", "1"]], [["201.0", "1"]], START), START)
    whole = core.on_snapshot(Snapshot(BTC, 1, [["200.0", "1"]], [["201.0", "1"]]), START)
    assert whole is not None
    assert whole.quality is DataQuality.SUSPECT


def test_a_whole_book_of_a_doubted_instrument_is_doubted() -> None:
    core = feed(skew_max_ns=500 * MS, books={BTC})
    for at in (START, START + 2 * S):
        core.on_time(TimeTick(BTC, at + MINUTE), at)
    core.on_diff(Diff(BTC, 1, 2, [["200.0", "1"]], [["201.0", "1"]], START + 2 * S), START + 2 * S)
    whole = core.on_snapshot(Snapshot(BTC, 1, [["200.0", "1"]], [["201.0", "1"]]), START + 2 * S)
    assert whole is not None
    assert whole.quality is DataQuality.SUSPECT
