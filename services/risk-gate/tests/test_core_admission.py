"""Who may trade what and when: marks, lists, the instrument's grid, halts, pauses, reductions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import DenialCode, Side
from pitwire.common.schemas.ledger import Approved, CancelApproved, Denied, LimitsApplied, StrategyPaused
from pitwire.common.testing.journal import BTC, ETH, STRATEGY, limits, mark, order_intent
from pitwire.risk_gate.core import IntentInput

D = Decimal
SOL = "SOL-USDT.sim"


def test_marks_missing_or_old_deny_what_is_no_reduction(new_desk: Any) -> None:
    """S-13, S-24, I-18: nothing is valued by guess; exits go at the last known mark."""
    desk = new_desk(mark_age_max_ms=1000)
    desk.marks.pop(ETH)
    desk.hold("2")
    assert desk.outcome("BUY", "1", limit_price="100", instrument_id=ETH) == "NO_MARK"
    desk.ts_market_ns += 1_000_000_000
    assert desk.outcome("BUY", "1", limit_price="100") == "OK"
    desk.ts_market_ns += 1_000_000
    assert desk.outcome("BUY", "1", limit_price="100") == "STALE_MARK 1000 1001"
    assert desk.outcome("SELL", "1") == "OK"
    desk.marks[ETH] = mark(ETH, "100", desk.ts_market_ns)
    verdict = desk.ask("BUY", "1", limit_price="100", instrument_id=ETH)
    assert isinstance(verdict, Denied)
    assert (verdict.code, verdict.detail) == (DenialCode.STALE_MARK, f"mark of {BTC}")


def test_a_position_without_any_mark_denies_more_risk(new_desk: Any) -> None:
    desk = new_desk()
    desk.hold("2", instrument_id=SOL)
    desk.marks.pop(SOL)
    desk.journal.state.wealth.marks.pop(SOL)
    verdict = desk.ask("BUY", "1", limit_price="100")
    assert isinstance(verdict, Denied)
    assert (verdict.code, verdict.detail) == (DenialCode.NO_MARK, f"{SOL} is held and has no mark")


def test_only_allowed_instruments_are_bought_and_held_ones_can_be_left(new_desk: Any) -> None:
    """S-25: an allow-list, compared exactly."""
    desk = new_desk(instruments_allowed=(BTC, ETH), instruments_restricted=(ETH,))
    assert desk.outcome("BUY", "1", limit_price="100") == "OK"
    assert desk.outcome("BUY", "1", limit_price="100", instrument_id=SOL) == "SYMBOL_RESTRICTED"
    assert desk.outcome("BUY", "1", limit_price="100", instrument_id=ETH) == "SYMBOL_RESTRICTED"
    open_desk = new_desk(instruments_allowed=(BTC, ETH, SOL))
    open_desk.hold("2", instrument_id=SOL)
    open_desk.journal.write(LimitsApplied, limits=limits(instruments_allowed=(BTC,)))
    assert open_desk.outcome("BUY", "1", limit_price="100", instrument_id=SOL) == "SYMBOL_RESTRICTED"
    assert open_desk.outcome("SELL", "2", instrument_id=SOL) == "OK"


def test_an_order_off_the_grid_of_its_instrument_is_denied(new_desk: Any) -> None:
    """S-48."""
    desk = new_desk()
    assert desk.outcome("BUY", "1", limit_price="100.001") == "PRICE_TICK 0.01 100.001"
    assert desk.outcome("BUY", "1.0001", limit_price="100") == "QUANTITY_LOT 0.001 1.0001"
    assert desk.outcome("BUY", "0.049", limit_price="100") == "NOTIONAL_BELOW_MINIMUM 5 4.9"
    assert desk.outcome("BUY", "0.05", limit_price="100") == "OK"
    assert desk.outcome("BUY", "0.049") == "NOTIONAL_BELOW_MINIMUM 5 4.9"
    assert desk.outcome("BUY", "0.05") == "OK"
    assert desk.outcome("BUY", "5000.001", limit_price="1") == "QUANTITY_RANGE 5000 5000.001"
    assert desk.outcome("SELL", "1", order_type="STOP_LOSS", stop_price="99.999") == "PRICE_TICK 0.01 99.999"


HALTS = """
# halts                                  buy        sell of own  sell of reversion's
ALL - HALTED                             HALTED     HALTED       HALTED
ALL - REDUCING                           REDUCING   OK           OK
ACCOUNT main HALTED                      HALTED     HALTED       HALTED
ACCOUNT main REDUCING                    REDUCING   OK           OK
ACCOUNT other HALTED                     OK         OK           OK
STRATEGY main/momentum HALTED            HALTED     HALTED       OK
STRATEGY main/momentum REDUCING          REDUCING   OK           OK
VENUE sim HALTED                         HALTED     HALTED       HALTED
VENUE sim REDUCING                       REDUCING   OK           OK
VENUE other HALTED                       OK         OK           OK
INSTRUMENT BTC-USDT.sim HALTED           HALTED     HALTED       HALTED
INSTRUMENT BTC-USDT.sim REDUCING         REDUCING   OK           OK
INSTRUMENT ETH-USDT.sim HALTED           OK         OK           OK
"""


@pytest.mark.parametrize("row", [row for row in HALTS.strip().splitlines() if not row.startswith("#")])
def test_halts_stop_orders_in_their_scope_and_reducing_lets_reductions_out(new_desk: Any, row: str) -> None:
    """S-19, I-19: and cancels pass everything."""
    scope, target, trading, *expected = row.split()
    desk = new_desk()
    desk.hold("2")
    desk.hold("2", strategy="reversion")
    working = desk.work("BUY", "1", limit_price="50")
    desk.journal.halt("h1", scope, "" if target == "-" else target, state=trading)
    verdicts = (
        desk.ask("BUY", "1", limit_price="100"),
        desk.ask("SELL", "2"),
        desk.ask("SELL", "2", strategy="reversion"),
    )
    found = ["OK" if isinstance(v, Approved) else v.code.removeprefix("TRADING_") for v in verdicts]
    assert found == expected
    assert isinstance(desk.ask_all(desk.cancel(working.client_order_id))[0], CancelApproved)
    for verdict in verdicts:
        if isinstance(verdict, Denied):
            assert "h1" in verdict.detail
        elif trading == "REDUCING" and isinstance(verdict, Approved) and verdict.intent.side is Side.SELL:
            assert verdict.is_reduction


def test_a_reduction_is_net_of_closes_already_working(new_desk: Any) -> None:
    """I-19: two exits that could together flip the position are not two reductions."""
    desk = new_desk()
    desk.hold("2")
    desk.work("SELL", "1.5", limit_price="110")
    desk.journal.halt("h1", "ACCOUNT", "main", state="REDUCING")
    assert desk.outcome("SELL", "0.5", limit_price="100") == "OK"
    assert desk.outcome("SELL", "0.501", limit_price="100") == "TRADING_REDUCING"


def test_under_an_account_halt_the_accounts_net_must_go_down(new_desk: Any) -> None:
    """A sale of one's own holding is no reduction where the account as a whole is already short of it."""
    desk = new_desk()
    desk.hold("2")
    outside = desk.journal.approve(order_intent(1, "SELL", "2", limit_price="100", strategy="external"))
    desk.journal.fill(outside, "2", "100")
    desk.journal.marks()
    assert desk.state.net_position(BTC).is_flat
    desk.journal.halt("h1", "ACCOUNT", "main", state="REDUCING")
    assert desk.outcome("SELL", "1", limit_price="100") == "TRADING_REDUCING"


def test_a_paused_strategy_may_only_reduce_what_is_its_own(new_desk: Any) -> None:
    desk = new_desk()
    desk.hold("2")
    desk.journal.write(StrategyPaused, strategy=STRATEGY, paused=True, reason="three unreadable intents")
    verdict = desk.ask("BUY", "1", limit_price="100")
    assert isinstance(verdict, Denied)
    assert (verdict.code, verdict.detail) == (DenialCode.STRATEGY_PAUSED, "three unreadable intents")
    assert desk.outcome("SELL", "2") == "OK"
    assert desk.outcome("BUY", "1", limit_price="100", strategy="reversion") == "OK"


def test_the_exit_of_what_a_base_fee_left_passes_and_one_lot_more_does_not(new_desk: Any) -> None:
    """S-4, S-8: 1 bought with a fee of 0.001 in base is 0.999 to sell."""
    desk = new_desk()
    desk.hold("1", fee="0.0015", fee_currency="BTC")
    assert desk.outcome("SELL", "1", limit_price="100") == "SELL_EXCEEDS_HOLDING 0.9985 1"
    assert desk.outcome("SELL", "0.999", limit_price="100") == "SELL_EXCEEDS_HOLDING 0.9985 0.999"
    desk.journal.halt("h1", "ACCOUNT", "main", state="REDUCING")
    assert desk.outcome("SELL", "0.998", limit_price="100") == "OK"


def test_another_quote_currency_is_valued_in_the_accounts_own(new_desk: Any) -> None:
    """S-14: 10 ETH at 0.05 BTC and 20,000 USDT a BTC are 10,000 USDT, not half a dollar."""
    desk = new_desk(order_value_max=D(10_000), instruments_allowed=("ETH-BTC.sim",))
    desk.marks["ETH-BTC.sim"] = mark("ETH-BTC.sim", "0.05")
    ask = {"limit_price": "0.05", "instrument_id": "ETH-BTC.sim"}
    desk.marks.pop(BTC)
    assert desk.outcome("BUY", "10", **ask) == "NO_MARK"
    desk.mark("20000")
    desk.define("ETH-BTC.sim", min_notional=D("0.0001"))
    assert desk.outcome("BUY", "10.001", **ask) == "ORDER_VALUE_EXCEEDED 10000 10001"
    assert desk.outcome("BUY", "10", **ask) == "INSUFFICIENT_BALANCE 0 0.5005"
    _, marks = desk.decide(IntentInput(0, STRATEGY, desk.intent("BUY", "10", **ask)))
    assert {m.instrument_id for m in marks} == {"ETH-BTC.sim", BTC}
