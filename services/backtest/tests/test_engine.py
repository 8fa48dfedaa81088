"""The event loop: the live runner, gate and fold on candles; limits on every mark; many instruments and strategies."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.backtest.tests.runs import CAPITAL, Scripted, candles, engine, limits, run, told, walk
from typing_extensions import override

from pitwire.backtest.core.engine import check_candles
from pitwire.backtest.core.fills import FillModel
from pitwire.backtest.core.lanes import Lane, moments
from pitwire.backtest.core.matching import Matcher
from pitwire.common.errors import UsageError
from pitwire.common.portfolio import AccountState
from pitwire.common.testing.market import MARKET_START_NS, MINUTE_NS
from pitwire.strategy import Decision, Hold, Order, OrderType, Side, Target
from pitwire.strategy.strategies.mean_reversion import MeanReversion, MeanReversionParams
from pitwire.strategy.strategies.momentum import Momentum, MomentumParams

ETH = "ETH-USDT.sim"
FLAT = (100.0, 101.0, 99.0, 100.0)


def momentum(**changed: Any) -> Momentum:
    values: dict[str, Any] = {"fast": 5, "slow": 12, "threshold_percent": 0.0, "cooldown": 0}
    return Momentum(MomentumParams(**(values | changed)))


def reversion() -> MeanReversion:
    return MeanReversion(MeanReversionParams(length=20, edge_percent_min=0.0))


def test_the_books_add_up_to_the_last_digit() -> None:
    made = engine([walk(3_000), walk(3_000, seed=2, instrument_id=ETH)], momentum(), reversion())
    found = made.run()
    assert len(found.trades) > 100
    assert made.state.statement().gap == 0
    spent = sum((t.side.sign * t.quantity * t.price + t.fee for t in found.trades), Decimal(0))
    assert made.state.cash == CAPITAL - spent


def test_equity_is_cash_and_positions_at_each_close() -> None:
    series = candles([FLAT, (100, 112, 99, 110), (110, 121, 109, 120)])
    found = run(series, Scripted({0: Target(Decimal(10), "in")}), model=FillModel(taker_bps=Decimal(0)))
    assert list(found.equity) == [100_000.0, 100_100.0, 100_200.0]
    assert found.exposed == 2


def test_a_denied_intent_trades_nothing_and_is_counted_by_its_code() -> None:
    found = run(
        candles([FLAT] * 4),
        Scripted({0: Target(Decimal(10), "too much")}),
        account_limits=limits(order_value_max=Decimal(500)),
    )
    assert (found.trades, dict(found.denials)) == ([], {"ORDER_VALUE_EXCEEDED": 1})


def test_a_loss_limit_stops_new_risk_at_the_mark_where_it_is_reached_and_lets_reductions_pass() -> None:
    rows = [FLAT, FLAT, (100.0, 100.0, 79.0, 80.0), (80.0, 81.0, 79.0, 80.0), (80.0, 81.0, 79.0, 80.0)]
    script = Scripted({0: Target(Decimal(300), "in"), 2: Target(Decimal(400), "more"), 3: Target(Decimal(0), "out")})
    found = run(candles(rows), script, account_limits=limits(daily_loss_max_percent=Decimal(5)))
    assert dict(found.denials) == {"DAILY_LOSS_EXCEEDED": 1}
    assert [trade.side for trade in found.trades] == [Side.BUY, Side.SELL]
    assert found.limit_breaches == 1


def test_a_breached_limit_withdraws_what_would_buy_more_and_leaves_the_exits() -> None:
    """S-19, as the live gate does it: the bid at 75 would fill at the fourth candle."""
    rows = [FLAT, FLAT, (100.0, 100.0, 79.0, 80.0), (80.0, 81.0, 70.0, 71.0), (71.0, 111.0, 70.0, 110.0)]
    bid, exit_order = (
        Order(side, Decimal(300), "waits", order_type=OrderType.LIMIT, limit_price=Decimal(price))
        for side, price in ((Side.BUY, 75), (Side.SELL, 105))
    )
    script = Scripted({0: Target(Decimal(300), "in"), 1: [bid, exit_order]})
    found = run(candles(rows), script, account_limits=limits(daily_loss_max_percent=Decimal(5)))
    assert [(trade.side, trade.price) for trade in found.trades[1:]] == [(Side.SELL, Decimal(105))]
    assert ("LIMIT", "CANCELED") in script.orders


def test_a_limit_that_the_last_sale_breaches_withdraws_though_nothing_is_held_any_more() -> None:
    """S-19: the stop that sells everything reaches the limit, and the bid at 75 would fill at the fourth candle."""
    rows = [FLAT, FLAT, (100.0, 100.0, 79.0, 80.0), (80.0, 81.0, 70.0, 71.0), (71.0, 111.0, 70.0, 110.0)]
    bid = Order(Side.BUY, Decimal(300), "waits", order_type=OrderType.LIMIT, limit_price=Decimal(75))
    stop = Order(Side.SELL, Decimal(300), "stop", order_type=OrderType.STOP_LOSS, stop_price=Decimal(80))
    script = Scripted({0: Target(Decimal(300), "in"), 1: [bid, stop]})
    found = run(candles(rows), script, account_limits=limits(daily_loss_max_percent=Decimal(5)))
    assert [trade.side for trade in found.trades] == [Side.BUY, Side.SELL]
    assert ("LIMIT", "CANCELED") in script.orders
    assert found.limit_breaches == 1


def test_a_drawdown_of_yesterday_withdraws_today_what_was_left_in_cash_or_held() -> None:
    """A limit is looked at as it stands: also where the marks recorded last are below it already."""
    day = [FLAT] + [FLAT, (100.0, 100.0, 79.0, 80.0)] + [(80.0, 81.0, 79.0, 80.0)] * 1_441
    for after in (Decimal(0), Decimal(100)):
        script = Scripted({0: Target(Decimal(300), "in"), 3: Target(after, "out")})
        found = run(candles(day), script, account_limits=limits(drawdown_max_percent=Decimal(5)))
        assert found.limit_breaches == 2, f"{after} held over midnight"


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(200, 500))
def test_the_peak_of_equity_is_exact_though_it_is_watched_in_floats(seed: int, count: int) -> None:
    """Beside the engine every mark is recorded the slow way; both peaks are equal to the last digit."""
    peaks: list[Decimal] = []

    class Watched(Momentum):
        @override
        def on_candle(self, candle: Any, portfolio: Any) -> Decision:
            account: AccountState = made.state
            mark = made.mark_of(candle.instrument_id)
            assert mark is not None
            peaks.append(account.equity({candle.instrument_id: mark}))
            return super().on_candle(candle, portfolio)

    made = engine(walk(count, seed=seed), Watched(MomentumParams(fast=3, slow=8, threshold_percent=0, cooldown=0)))
    made.run()
    assert made.state.peak_equity == max(CAPITAL, *peaks)


def test_instruments_that_open_together_are_shown_together_and_holes_are_no_candles() -> None:
    one, two = walk(3), walk(2, instrument_id=ETH, first=2)
    lanes = [Lane(each, Matcher(FillModel(), each.instrument)) for each in (one, two)]
    found = [((ns - MARKET_START_NS) // MINUTE_NS, [lane.name for lane, _ in each]) for ns, each in moments(lanes)]
    assert found == [(0, [one.name]), (1, [one.name]), (2, [one.name, two.name]), (3, [two.name])]


def test_results_do_not_depend_on_whether_series_line_up() -> None:
    """The merged clock and the clock of equal times give the same run."""
    one, two = walk(2_000), walk(2_000, seed=2, instrument_id=ETH)
    whole = run([one, two], momentum())
    cut = run([one, two.until(1_999)], momentum())
    assert [t for t in cut.trades if t.row < 1_999] == [t for t in whole.trades if t.row < 1_999]
    assert list(cut.equity[:-1]) == list(whole.equity[:-1])


def test_strategies_of_one_account_have_their_own_positions_and_share_its_limits() -> None:
    found = run(
        candles([FLAT] * 5),
        Scripted({0: Target(Decimal(1), "a")}),
        Scripted({1: Target(Decimal(2), "b"), 3: Target(Decimal(0), "b out")}),
    )
    assert [(t.strategy, t.side.value, t.position) for t in found.trades] == [
        ("s0", "BUY", Decimal(1)),
        ("s1", "BUY", Decimal(2)),
        ("s1", "SELL", Decimal(0)),
    ]


def test_a_strategy_that_raises_is_quarantined_alone() -> None:
    def fail(candle: Any, portfolio: Any) -> None:
        raise ZeroDivisionError("oops")

    found = run(candles([FLAT] * 5), Scripted({1: fail}), Scripted({2: Target(Decimal(1), "in")}))
    assert [alarm.partition(":")[0] for alarm in found.alarms] == ["STRATEGY_QUARANTINED"]
    assert [trade.strategy for trade in found.trades] == ["s1"]


def test_answers_before_the_history_is_full_are_not_acted_on() -> None:
    script = Scripted({0: Target(Decimal(1), "early"), 3: Target(Decimal(1), "in")})
    script.history = 3  # type: ignore[attr-defined]  # as a strategy of a user sets it
    assert told(run(candles([FLAT] * 6), script)) == [(4, "BUY", "1", "100")]


def test_fills_and_orders_are_told_and_what_they_are_answered_with_is_decided() -> None:
    class Bracket(Scripted):
        @override
        def on_fill(self, fill: Any, portfolio: Any) -> Any:
            super().on_fill(fill, portfolio)
            if fill.side is Side.SELL:
                return None
            stop = fill.price - Decimal(5)
            return Order(Side.SELL, fill.quantity, "protect", order_type=OrderType.STOP_LOSS, stop_price=stop)

    script = Bracket({0: Target(Decimal(1), "in")})
    found = run(candles([FLAT, FLAT, (100, 101, 90, 92)]), script)
    assert told(found) == [(1, "BUY", "1", "100"), (2, "SELL", "1", "95")]
    assert script.fills == [("BUY", Decimal(1), Decimal(100)), ("SELL", Decimal(1), Decimal(95))]


def test_strategies_that_answer_every_answer_are_stopped_with_a_reason() -> None:
    class Restless(Scripted):
        @override
        def on_order(self, order: Any, portfolio: Any) -> Any:
            return Order(Side.BUY, Decimal(1), "again", order_type=OrderType.LIMIT, limit_price=Decimal(50))

    with pytest.raises(UsageError, match="100 times within one candle"):
        run(candles([FLAT] * 3), Restless({0: Target(Decimal(1), "in")}))


def test_a_timer_runs_on_the_time_of_the_market() -> None:
    class Clocked:
        timer_seconds = 120

        def __init__(self) -> None:
            self.calls: list[int] = []

        def on_timer(self, ts_market_ns: int, portfolio: Any) -> Hold:
            self.calls.append(ts_market_ns)
            return Hold("tick")

    clocked = Clocked()
    run(candles([FLAT] * 9), clocked)
    assert [late - early for early, late in pairwise(clocked.calls)] == [2 * MINUTE_NS] * 3


def test_progress_is_told_now_and_then() -> None:
    shares: list[float] = []
    engine(walk(30_000), Scripted({})).run(shares.append)
    assert shares == [0.0, pytest.approx(20_000 / 30_000)]


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ([], "no candles"),
        ([walk(3), walk(3)], "comes twice"),
        ([walk(3), walk(3, instrument_id="ETH-USDC.sim")], "different quote currencies"),
    ],
)
def test_series_that_cannot_run_side_by_side_are_refused(series: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_candles(series)


def test_the_same_run_twice_is_the_same() -> None:
    one, two = (run(walk(2_000), momentum(), reversion()) for _ in range(2))
    assert one.trades == two.trades
    assert one.equity == two.equity
