"""Live decisions beside those of a backtest: who is whose counterpart, what differs, and why one stands alone."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from services.backtest.tests.runs import walk

from pitwire.backtest.core.beside_live import Filled, Key, WarmedUp, beside, by_decision, filled, summary
from pitwire.backtest.core.trades import Trade
from pitwire.common.enums import Side

BTC = "BTC-USDT.sim"
KEY: Key = ("m", BTC, Side.BUY, 60_000_000_000)


def fill(price: str, quantity: str = "2", fee: str = "0.2", at_ms: int = 60_000) -> Filled:
    return Filled(at_ms * 1_000_000, Decimal(quantity), Decimal(price), Decimal(fee))


def test_fills_of_one_decision_are_one_at_their_average_price() -> None:
    found = filled([(9, Decimal(3), Decimal(102), Decimal("0.3")), (7, Decimal(1), Decimal(98), Decimal("0.1"))])
    assert (found.first_ns, found.quantity, found.price, found.fee) == (7, Decimal(4), Decimal(101), Decimal("0.4"))
    assert round(found.fee_bps, 6) == round(Decimal("0.4") * 10_000 / 404, 6)


@pytest.mark.parametrize(
    ("side", "live", "worse"), [(Side.BUY, "101", 100), (Side.BUY, "99", -100), (Side.SELL, "101", -100)]
)
def test_a_price_is_worse_by_its_side(side: Side, live: str, worse: int) -> None:
    key = KEY[0], KEY[1], side, KEY[3]
    (found,) = beside({key: fill(live)}, {key: fill("100")}, {})
    assert found.worse_bps == worse


def test_delay_and_fee_are_told_and_each_difference_has_its_reason() -> None:
    live = {KEY: fill("101", quantity="3", fee="0.6", at_ms=61_500)}
    (found,) = beside(live, {KEY: fill("100")}, {})
    assert (found.delay_ms, found.dearer) == (1_500, Decimal("0.4"))
    assert found.why == (
        "sized from another holding or price; the price moved or the spread was paid; fee of 19.80 bps, assumed 10.00"
    )
    (same,) = beside({KEY: fill("100")}, {KEY: fill("100")}, {})
    assert same.why == "the same"


def test_what_only_one_did_says_what_is_known_of_it() -> None:
    later = (*KEY[:3], KEY[3] * 2)
    last = (*KEY[:3], KEY[3] * 3)
    found = beside({later: fill("100")}, {KEY: fill("100"), last: fill("100")}, {KEY: "the gate said STALE_MARK"})
    assert [each.why for each in found] == [
        "the gate said STALE_MARK",
        "the backtest held something else by then and wanted no such order",
        "the live strategy held something else by then, or did not run",
    ]
    whole = summary(found)
    assert (whole["both"], whole["only_live"], whole["only_backtest"]) == (0, 1, 2)
    assert (whole["mean_delay_ms"], whole["mean_worse_bps"], whole["dearer_fees"]) == (-60_000, None, 0)


def test_a_backtests_fill_belongs_to_the_close_before_its_candle() -> None:
    series = walk(5)
    nothing = Decimal(0)
    trade = Trade(
        ts_ns=series.open_ns[3],
        row=3,
        instrument_id=series.name,
        strategy="m",
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal(100),
        fee=nothing,
        is_maker=False,
        realised_pnl=nothing,
        position=Decimal(1),
        reason="",
    )
    (key,) = by_decision([trade], {series.name: series})
    assert key == ("m", series.name, Side.BUY, series.open_ns[2] + series.step_ns)


def test_answers_to_silent_candles_do_not_count_and_the_strategy_sees_them() -> None:
    seen: list[int] = []

    class Counts:
        history = 7

        def on_candle(self, candle: Any, portfolio: Any) -> str:
            seen.append(candle.close_time_ns)
            return "buy"

    strategy = WarmedUp(Counts(), {(BTC, 1)})
    candles = [SimpleNamespace(instrument_id=BTC, close_time_ns=each) for each in (1, 2)]
    assert [strategy.on_candle(each, None) for each in candles] == [None, "buy"]
    assert (seen, strategy.history, hasattr(strategy, "on_fill")) == ([1, 2], 7, False)
