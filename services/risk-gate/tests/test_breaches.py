"""What a breached limit does besides denying: orders that would raise the exposure go, and a person is told, once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pitwire.common.enums import AlertSeverity, CommandVerb, ExecType, OrderStatus, Side
from pitwire.common.ids import MANUAL_STRATEGY
from pitwire.common.schemas.ledger import DECISIONS_MAX, Approved, CancelApproved, RiskDecision
from pitwire.common.testing.hands import BTC
from pitwire.common.testing.journal import ETH, START_NS
from pitwire.risk_gate.core import reached, withdrawal
from pitwire.risk_gate.handlers.account_gate import QUIET_NS

D = Decimal
World = Any
WIDE = {"drawdown_max_percent": D(100), "position_value_max": D(10**6), "order_value_max": D(10**6)}


def breached(desk: Any) -> Any:
    found = reached(desk.state, desk.marks)
    assert found is not None
    return found


def test_only_what_would_raise_the_exposure_is_withdrawn_and_exits_and_stops_stay(new_desk: Any) -> None:
    """S-19, I-19: daily_loss_max_percent is 5; 200 units lose 5,000 at 75."""
    desk = new_desk(**WIDE)
    desk.hold("200")
    desk.work("SELL", "100", limit_price="110")
    desk.work("SELL", "50", order_type="STOP_LOSS", stop_price="70")
    bid = desk.work("BUY", "10", limit_price="96")
    foreign = desk.work("BUY", "10", limit_price="96", instrument_id=ETH, strategy="reversion")
    desk.mark("75.01")
    assert reached(desk.state, desk.marks) is None
    desk.mark("75")
    cancels = withdrawal(desk.state, breached(desk), now_ns=START_NS)
    assert [each.orig_client_order_id for each in cancels] == [bid.client_order_id, foreign.client_order_id]
    assert {each.strategy for each in cancels} == {MANUAL_STRATEGY}
    assert cancels[0].reason.startswith("DAILY_LOSS_EXCEEDED")
    verdicts = desk.ask_all(*cancels)
    assert all(isinstance(verdict, CancelApproved) for verdict in verdicts)
    desk.journal.decide(*verdicts)
    assert withdrawal(desk.state, breached(desk), now_ns=START_NS) == ()


def test_a_drawdown_withdraws_too_and_an_account_without_a_day_has_no_limit_yet(new_desk: Any) -> None:
    desk = new_desk(**WIDE | {"daily_loss_max_percent": D(100), "drawdown_max_percent": D(10)})
    desk.hold("200")
    for _ in range(DECISIONS_MAX + 1):
        desk.work("BUY", "1", limit_price="96")
    desk.mark("50")
    assert breached(desk).code == "DRAWDOWN_EXCEEDED"
    assert len(withdrawal(desk.state, breached(desk), now_ns=START_NS)) == DECISIONS_MAX
    desk.state.start_of_day_equity = None
    assert reached(desk.state, desk.marks) is None


async def held_and_working(world: World) -> list[Approved]:
    """0.3 bought at 60,000 in two orders, and a third order that works."""
    for number in (1, 2, 3):
        await world.ask(number, quantity="0.15" if number < 3 else "0.01")
    approved: list[Approved] = world.verdicts()
    for number, verdict in enumerate(approved[:2], start=1):
        trade = {"trade_id": f"{number}", "last_quantity": D("0.15"), "last_price": D(60000)}
        await world.report(number, verdict, ExecType.TRADE, order_status=OrderStatus.FILLED, **trade)
    await world.report(3, approved[2], ExecType.NEW, order_status=OrderStatus.NEW)
    world.clock.advance(ns=QUIET_NS)
    return approved


def withdrawn(world: World) -> list[str]:
    decisions = [event for event in world.ledger() if isinstance(event, RiskDecision)]
    cancels = [v for event in decisions for v in event.verdicts if isinstance(v, CancelApproved)]
    return [cancel.intent.orig_client_order_id for cancel in cancels]


async def test_marks_that_breach_the_loss_limit_withdraw_working_buys_at_once_and_tell_a_person_once(
    world: World,
) -> None:
    """S-19: 0.3 BTC lose 5,000 of 100,000, which is the limit of the day, at 43,333.33."""
    desk = await world.desk()
    await world.price("60000")
    approved = await held_and_working(world)
    await world.price("43400", seconds=1)
    assert withdrawn(world) == []
    assert desk.shell.alerts == []
    await world.price("43300", seconds=2)
    assert withdrawn(world) == [approved[2].client_order_id]
    assert desk.gate.state.working_quantity("momentum", BTC, Side.BUY) == D("0.01"), "until the venue confirms"
    for seconds in range(3, 8):
        await world.price("43400" if seconds % 2 else "43300", seconds=seconds)
    assert withdrawn(world) == [approved[2].client_order_id]
    ((severity, code, text),) = desk.shell.alerts
    assert (severity, code) == (AlertSeverity.CRITICAL, "DAILY_LOSS_EXCEEDED")
    assert "limit 5000" in text


async def test_an_account_whose_money_is_all_taken_out_breaches_nothing_and_may_buy_nothing(world: World) -> None:
    desk = await world.desk()
    await world.price("60000")
    assert (await world.command(CommandVerb.CAPITAL, asset="USDT", amount="-100000")).status == "DONE"
    await world.price("60000", seconds=1)
    await world.ask(1, quantity="0.1")
    assert desk.shell.alerts == []
    denied = [each for record in world.ledger() for each in getattr(record, "verdicts", ())]
    assert [getattr(each, "code", "") for each in denied] == ["DAILY_LOSS_EXCEEDED"]


async def test_a_gate_that_starts_into_a_breach_withdraws_what_the_one_before_could_not(world: World) -> None:
    first = await world.desk()
    await world.price("60000")
    approved = await held_and_working(world)
    await first.shell.kill()
    second = await world.desk("1")
    await world.price("43000", seconds=1)
    assert withdrawn(world) == [approved[2].client_order_id]
    assert [code for _, code, _ in second.shell.alerts] == ["DAILY_LOSS_EXCEEDED"]
