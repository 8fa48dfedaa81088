"""What one venue's feed makes of ticks: order, quality, time; no clock anywhere."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pitwire.common.enums import DataQuality, Side, VenueState
from pitwire.common.schemas.market import Candle
from pitwire.market_data.core.doubt import AHEAD_MAX_NS, Collar, MarketClock
from pitwire.market_data.core.feed import LATE_MAX_NS, FeedCore
from pitwire.market_data.core.ticks import Bar, QuoteTick, TimeTick, TradeTick

BTC, ETH = "BTC-USDT.sim", "ETH-USDT.sim"
MINUTE = 60_000_000_000
START = 29_000_000 * MINUTE
SILENCE = 5_000_000_000


def feed(*, connected: bool = True) -> FeedCore:
    core = FeedCore("sim", "e1", {BTC: ("1m",), ETH: ("1m",)}, silence_max_ns=SILENCE)
    for instrument in (BTC, ETH):
        core.resume_candles(instrument, "1m", last_open_ns=START - MINUTE)
    if connected:
        core.on_connected(0)
    return core


def trade(trade_id: int, price: str = "100", *, at: int = START, instrument: str = BTC) -> TradeTick:
    return TradeTick(instrument, trade_id, price, "1", Side.BUY, at)


def quote(bid: str = "99", ask: str = "101", *, update_id: int = 1, instrument: str = BTC) -> QuoteTick:
    return QuoteTick(instrument, update_id, bid, "2", ask, "3")


def bar(minute: int, price: str = "100", *, high: str | None = None) -> Bar:
    opens = START + minute * MINUTE
    return Bar(
        instrument_id=BTC,
        interval="1m",
        open_time_ns=opens,
        open=Decimal(price),
        high=Decimal(high or price),
        low=Decimal(price),
        close=Decimal(price),
        volume=Decimal(1),
        quote_volume=Decimal(100),
        trade_count=1,
        ts_event_ns=opens + MINUTE - 1_000_000,
    )


def test_messages_carry_the_publishers_epoch_and_a_count_per_instrument_and_kind() -> None:
    core = feed()
    trades = [core.on_trade(trade(n), 5) for n in (7, 8)]
    other = core.on_trade(trade(1, instrument=ETH), 5)
    top = core.on_quote(quote(), 6)
    assert [(t.epoch, t.sequence, t.ts_recv_ns) for t in trades if t] == [("e1", 1, 5), ("e1", 2, 5)]
    assert (other.sequence if other else None, top.sequence if top else None) == (1, 1)


def test_a_trade_seen_before_is_dropped_and_counted() -> None:
    core = feed()
    assert core.on_trade(trade(7), 0)
    assert core.on_trade(trade(7), 0) is None
    assert core.on_trade(trade(6), 0) is None
    assert core.rejected.repeated == 2


def test_a_missing_trade_is_flagged_on_the_next() -> None:
    core = feed()
    found = [core.on_trade(trade(n), 0) for n in (7, 9, 10)]
    assert [t.quality for t in found if t] == [DataQuality.OK, DataQuality.GAP, DataQuality.OK]


def test_ids_that_begin_anew_after_a_reconnect_are_taken_and_flagged() -> None:
    core = feed()
    core.on_trade(trade(500), 0)
    core.on_quote(quote(update_id=900), 0)
    core.on_connected(1)
    restarted = core.on_trade(trade(3), 2)
    assert restarted is not None
    assert restarted.quality is DataQuality.GAP
    assert core.on_quote(quote(update_id=1), 2)


def test_the_same_ticks_over_two_connections_at_once_are_taken_once() -> None:
    core = feed()
    taken = [core.on_trade(trade(n), 0) for n in (7, 7, 8, 8, 9, 9)]
    assert [t.trade_id for t in taken if t] == ["7", "8", "9"]


def test_a_trade_far_behind_the_market_is_stale() -> None:
    core = feed()
    core.on_trade(trade(1, at=START + LATE_MAX_NS + 1, instrument=ETH), 0)
    late = core.on_trade(trade(1, at=START), 0)
    assert late is not None
    assert late.quality is DataQuality.STALE


@pytest.mark.parametrize(("bid", "ask"), [("101", "100"), ("100", "100")])
def test_a_crossed_or_locked_top_is_flagged(bid: str, ask: str) -> None:
    """S-50: books without a check for crossing."""
    found = feed().on_quote(quote(bid, ask), 0)
    assert found is not None
    assert found.quality is DataQuality.CROSSED


def test_a_quote_is_timed_by_the_newest_event_and_dropped_while_none_is_known() -> None:
    core = FeedCore("sim", "e1", {BTC: ("1m",)}, silence_max_ns=SILENCE)
    assert core.on_quote(quote(), 0) is None
    assert core.rejected.untimed == 1
    core.on_trade(trade(1, at=START + 3), 0)
    found = core.on_quote(quote(), 0)
    assert found is not None
    assert found.ts_event_ns == START + 3


def test_an_older_top_of_book_is_dropped() -> None:
    core = feed()
    assert core.on_quote(quote(update_id=9), 0)
    assert core.on_quote(quote(update_id=8), 0) is None


def test_ticks_of_an_instrument_nobody_follows_are_dropped_and_counted() -> None:
    core = feed()
    assert core.on_trade(trade(1, instrument="XRP-USDT.sim"), 0) is None
    assert core.on_quote(quote(instrument="XRP-USDT.sim"), 0) is None
    assert core.rejected.unknown_instrument == 2


@pytest.mark.parametrize("spike", ["1000", "10"])
def test_one_price_ten_times_off_is_suspect_and_the_next_is_not(spike: str) -> None:
    core = feed()
    found = [core.on_trade(trade(n, price), 0) for n, price in enumerate(("100", spike, "101"), start=1)]
    assert [t.quality for t in found if t] == [DataQuality.OK, DataQuality.SUSPECT, DataQuality.OK]


def test_a_new_price_level_is_believed_when_trades_and_quotes_agree_on_it() -> None:
    collar = Collar()
    assert collar.on_trade(100)
    judged = [collar.on_trade(300), collar.on_quote(301), collar.on_trade(302)]
    assert judged == [False, False, True]
    assert collar.on_quote(303)
    assert not collar.on_trade(100)


def test_a_new_level_told_by_one_stream_alone_is_never_believed() -> None:
    collar = Collar()
    collar.on_quote(100)
    assert not any(collar.on_trade(300) for _ in range(50))


def test_one_stamp_from_the_future_does_not_make_everything_else_late() -> None:
    core = feed()
    core.on_trade(trade(1, at=START), 0)
    future = core.on_trade(trade(2, at=START + 2 * AHEAD_MAX_NS), 0)
    after = core.on_trade(trade(3, at=START + 1), 0)
    assert future is not None
    assert after is not None
    assert (future.quality, after.quality) == (DataQuality.SUSPECT, DataQuality.OK)
    assert core.clock.now_ns == START + 1


def test_the_market_clock_believes_a_jump_after_confirmation_or_interruption_and_never_goes_back() -> None:
    clock = MarketClock()
    assert clock.see(5)
    assert clock.see(3)
    assert clock.now_ns == 5
    assert [clock.see(5 + 2 * AHEAD_MAX_NS) for _ in range(3)] == [False, False, True]
    clock.resume()
    assert clock.see(5 + 9 * AHEAD_MAX_NS)


def candles(core: FeedCore, *bars: Bar) -> list[Candle]:
    return [each for b in bars for each in core.on_bar(b, 3) if isinstance(each, Candle)]


def answered(core: FeedCore) -> FeedCore:
    for request in core.history_requests():
        core.on_history(request, [], 0)
    return core


def test_an_open_candle_is_never_published() -> None:
    """S-45: what strategies see is closed. Of an open one only the time is taken."""
    core = answered(feed())
    core.on_time(TimeTick(BTC, START + 5), 0)
    assert core.clock.now_ns == START + 5
    assert [candle.closed for candle in candles(core, bar(0))] == [True]
    core.on_time(TimeTick(BTC, START + 9 * AHEAD_MAX_NS), 0)
    core.on_time(TimeTick("XRP-USDT.sim", START), 0)
    assert (core.rejected.mistimed, core.rejected.unknown_instrument) == (1, 1)


def test_a_closed_candle_has_its_interval_times_and_place() -> None:
    """S-50."""
    core = answered(feed())
    first, second = candles(core, bar(0), bar(1))
    assert (first.interval, first.open_time_ns, first.close_time_ns) == ("1m", START, START + MINUTE)
    assert (first.sequence, second.sequence, first.closed, first.backfilled) == (1, 2, True, False)
    assert second.open_time_ns == first.close_time_ns


def test_history_is_marked_as_backfilled() -> None:
    core = feed()
    request = next(r for r in core.history_requests() if r.instrument_id == BTC)
    found = core.on_history(request, [bar(0), bar(1), bar(2)], 9)
    assert [(c.backfilled, c.ts_recv_ns) for c in found if isinstance(c, Candle)] == [(True, 9), (True, 9)]


def test_a_candle_with_a_price_that_cannot_be_is_suspect() -> None:
    core = answered(feed())
    found = candles(core, bar(0), bar(1, high="1000"), bar(2))
    assert [c.quality for c in found] == [DataQuality.OK, DataQuality.SUSPECT, DataQuality.OK]


def test_a_closed_candle_from_the_future_is_left_to_history() -> None:
    core = answered(feed())
    candles(core, bar(0))
    assert candles(core, bar(500)) == []
    assert core.rejected.mistimed == 1
    assert len(candles(core, bar(1))) == 1


def test_a_reconnect_asks_every_series_for_what_was_missed() -> None:
    core = answered(feed())
    assert core.history_requests() == []
    core.on_disconnected(1, "reset")
    core.on_connected(2)
    assert {r.instrument_id for r in core.history_requests()} == {BTC, ETH}


def test_status_tells_which_instruments_are_silent() -> None:
    core = feed()
    core.on_trade(trade(1), SILENCE)
    status = core.status(SILENCE + 1)
    assert (status.state, status.stale_instruments) == (VenueState.CONNECTED, (ETH,))
    assert core.status(3 * SILENCE).state is VenueState.STALE


def test_status_counts_up_and_tells_disconnection_and_maintenance() -> None:
    core = feed()
    core.on_instruments({BTC: False, ETH: False})
    assert core.status(1).state is VenueState.MAINTENANCE
    assert core.status(1).stale_instruments == (BTC, ETH)
    gone = core.on_disconnected(2, "x" * 2_000)
    assert (gone.state, gone.sequence, len(gone.detail)) == (VenueState.DISCONNECTED, 4, 400)


def test_equal_ticks_make_equal_messages() -> None:
    def run() -> list[object]:
        core = answered(feed())
        return [
            core.on_trade(trade(1), 1),
            core.on_quote(quote(), 2),
            core.on_bar(bar(0), 3),
            core.on_trade(trade(5, "990"), 4),
        ]

    assert run() == run()
