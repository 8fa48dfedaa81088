"""Each fill assumption on candles drawn by hand: when, at what price, how much, at which fee."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from services.backtest.tests.runs import Row, Scripted, candles, engine, run, told

from pitwire.backtest.core.fills import Fees, FeeTier, FillModel, LimitFill
from pitwire.common.enums import Liquidity
from pitwire.common.units import NS_PER_S
from pitwire.strategy import Cancel, Order, OrderType, Side, Target, TimeInForce

ONE = Decimal(1)
FLAT = (100.0, 101.0, 99.0, 100.0)


def order(side: Side = Side.BUY, quantity: str = "1", **changed: Any) -> Order:
    decimals: dict[str, Any] = {n: Decimal(value) if n.endswith("_price") else value for n, value in changed.items()}
    return Order(side, Decimal(quantity), "scripted", **decimals)


def limit(price: str, side: Side = Side.BUY, **changed: Any) -> Order:
    return order(side, order_type=OrderType.LIMIT, limit_price=price, **changed)


BUY_ONE = Target(ONE, "in")


def test_a_market_order_fills_at_the_next_open_never_in_its_own_candle() -> None:
    found = run(candles([FLAT, (103, 105, 102, 104), FLAT]), Scripted({0: BUY_ONE}))
    assert told(found) == [(1, "BUY", "1", "103")]


def test_a_taker_pays_half_the_spread_and_the_slippage_rounded_to_the_worse_tick() -> None:
    model = FillModel(spread_bps=Decimal(10), slippage_bps=Decimal("2.5"))
    found = run(candles([FLAT] * 3), Scripted({0: BUY_ONE, 1: Target(Decimal(0), "out")}), model=model)
    assert told(found) == [(1, "BUY", "1", "100.08"), (2, "SELL", "1", "99.92")]


def test_impact_grows_with_the_square_root_of_the_share_of_volume() -> None:
    rows = [(100.0, 101.0, 99.0, 100.0, 4.0)] * 2
    assert told(run(candles(rows), Scripted({0: BUY_ONE}), model=FillModel(impact_bps=Decimal(100)))) == [
        (1, "BUY", "1", "100.5")
    ]


@pytest.mark.parametrize(("low", "fill", "fills"), [(99, "through", 0), (99, "touch", 1), (98.99, "through", 1)])
def test_a_limit_order_fills_through_its_price_or_on_touch(low: float, fill: str, fills: int) -> None:
    series = candles([FLAT, (100, 101, low, 100), (100, 100, 100, 100)])
    found = run(series, Scripted({0: limit("99")}), model=FillModel(limit_fill=LimitFill(fill)))
    assert told(found) == [(1, "BUY", "1", "99")] * fills
    assert all(trade.is_maker for trade in found.trades)


def test_a_limit_order_that_the_open_jumps_over_fills_at_the_open_as_taker() -> None:
    found = run(candles([FLAT, (97, 98, 96, 97)]), Scripted({0: limit("99")}))
    assert told(found) == [(1, "BUY", "1", "97")]
    assert not found.trades[0].is_maker


def test_post_only_is_rejected_where_it_would_take() -> None:
    script = Scripted({0: limit("99", post_only=True)})
    assert told(run(candles([FLAT, (97, 98, 96, 97)]), script)) == []
    assert script.orders[-1] == ("LIMIT", "REJECTED")


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
def test_immediate_orders_expire_where_the_open_is_not_good_enough(time_in_force: TimeInForce) -> None:
    script = Scripted({0: limit("99", time_in_force=time_in_force)})
    assert told(run(candles([FLAT, (100, 101, 90, 100)]), script)) == []
    assert script.orders[-1] == ("LIMIT", "EXPIRED")


def test_fill_or_kill_needs_the_whole_quantity() -> None:
    rows: list[Row] = [FLAT, (99.0, 101.0, 90.0, 100.0, 1.0)]
    script = Scripted({0: limit("99", time_in_force=TimeInForce.FOK)})
    assert told(run(candles(rows), script, model=FillModel(volume_share=0.5))) == []


def stop(price: str, side: Side = Side.SELL, **changed: Any) -> Order:
    return order(side, order_type=OrderType.STOP_LOSS, stop_price=price, **changed)


@pytest.mark.parametrize(
    ("row", "price"),
    [((100, 101, 94, 96), "95"), ((90, 92, 88, 91), "90"), ((96, 97, 95, 96), "95")],
    ids=["inside the candle", "through a gap, at the open", "just touched"],
)
def test_a_stop_fills_at_its_trigger_or_at_the_open_beyond_it(row: Row, price: str) -> None:
    rows: list[Row] = [FLAT, FLAT, row, FLAT]
    series = candles(rows)
    assert told(run(series, Scripted({0: BUY_ONE, 1: stop("95")})))[1:] == [(2, "SELL", "1", price)]


def test_a_stop_that_is_not_reached_waits() -> None:
    assert len(run(candles([FLAT] * 6), Scripted({0: BUY_ONE, 1: stop("95")})).trades) == 1


def test_a_stop_limit_works_as_a_limit_order_from_the_candle_after_its_trigger() -> None:
    wish = order(Side.SELL, order_type=OrderType.STOP_LOSS_LIMIT, stop_price="95", limit_price="94")
    rows = [FLAT, FLAT, (96.0, 97.0, 93.0, 93.5), (93.0, 94.5, 92.0, 94.0)]
    assert told(run(candles(rows), Scripted({0: BUY_ONE, 1: wish})))[1:] == [(3, "SELL", "1", "94")]


def test_of_a_stop_and_a_take_profit_in_one_candle_the_stop_comes_first() -> None:
    profit = order(Side.SELL, order_type=OrderType.TAKE_PROFIT, stop_price="105", quantity="1")
    found = run(
        candles([FLAT, FLAT, (100, 110, 90, 100)]), Scripted({0: Target(Decimal(2), "in"), 1: [profit, stop("95")]})
    )
    assert told(found)[1:] == [(2, "SELL", "1", "95"), (2, "SELL", "1", "105")]


def test_a_large_order_takes_its_share_of_each_candle_until_it_is_filled() -> None:
    rows = [(100.0, 101.0, 99.0, 100.0, 4.0)] * 6
    script = Scripted({0: BUY_ONE})
    found = run(candles(rows), script, model=FillModel(volume_share=0.1))
    assert told(found) == [(1, "BUY", "0.4", "100"), (2, "BUY", "0.4", "100"), (3, "BUY", "0.2", "100")]
    assert [status for _, status in script.orders] == ["PENDING_NEW", *["PARTIALLY_FILLED"] * 2, "FILLED"]


def test_latency_lets_candles_pass_that_open_before_the_order_has_arrived() -> None:
    found = run(candles([FLAT] * 5), Scripted({0: BUY_ONE}), model=FillModel(latency_ms=60_001))
    assert told(found) == [(3, "BUY", "1", "100")]


def test_a_cancelled_order_does_not_fill_and_one_with_latency_may_still() -> None:
    def cancel(candle: Any, portfolio: Any) -> Cancel:
        return Cancel(portfolio.working_orders()[0].client_order_id, "changed my mind")

    rows = [FLAT, FLAT, (100.0, 101.0, 98.0, 100.0), (100.0, 101.0, 98.0, 100.0)]
    script = Scripted({0: limit("98.5"), 1: cancel})
    assert told(run(candles(rows), script)) == []
    assert script.orders[-1] == ("LIMIT", "CANCELED")
    late = FillModel(latency_ms=1)
    assert told(run(candles([*rows[:2], *rows[2:]]), Scripted({0: limit("98.5"), 1: cancel}), model=late)) == [
        (2, "BUY", "1", "98.5")
    ]


def test_nobody_buys_more_than_the_balance_pays_for() -> None:
    script = Scripted({0: Target(Decimal(9), "all in")})
    found = run(candles([FLAT, (120, 121, 119, 120)]), script, capital=Decimal(1_000))
    bought = found.trades[0].quantity
    assert Decimal("8.3") < bought < Decimal("8.33")
    assert script.orders[-1][1] == "EXPIRED"
    assert found.equity[-1] > 0


def test_fees_are_taken_from_cash_exactly() -> None:
    model = FillModel(taker_bps=Decimal("7.5"))
    made = engine(candles([FLAT] * 3), Scripted({0: BUY_ONE}), model=model)
    found = made.run()
    assert found.trades[0].fee == Decimal("0.075")
    assert made.state.cash == Decimal("99899.925")
    assert made.state.statement().gap == 0


def test_fee_tiers_follow_what_was_traded_in_thirty_days() -> None:
    tier = FeeTier(volume_min=Decimal(1_000), maker_bps=Decimal(1), taker_bps=Decimal(2))
    fees, day = Fees(FillModel(tiers=(tier,))), 86_400 * NS_PER_S
    assert fees.of(Decimal(1_000), Liquidity.TAKER, 0) == ONE
    assert fees.of(Decimal(1_000), Liquidity.TAKER, day) == Decimal("0.2")
    assert fees.of(Decimal(1_000), Liquidity.MAKER, 2 * day) == Decimal("0.1")
    assert fees.of(Decimal(1_000), Liquidity.TAKER, 90 * day) == ONE
