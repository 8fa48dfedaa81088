"""Cancels and halts in the core: who goes, who stays, and when a cancel counts."""

from __future__ import annotations

import pytest
from services.execution.tests.builders import START_NS, cancel_of, facts, halt, intent, resume, venue_order
from services.execution.tests.core_world import CoreWorld, placed

from pitwire.common.enums import HaltScope, OrderStatus, OrderType, Side, TradingState
from pitwire.execution.core.actions import Cancel

# -- cancels and halts ---------------------------------------------------------------------------------------------


def test_a_cancel_is_pending_until_the_venue_confirms() -> None:
    """S-34."""
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    placed(world, order_id)
    world.append(world.ledger.decision(cancel_of(order_id)))
    assert world.wants(Cancel) == [order_id]
    assert world.status(order_id) is OrderStatus.PENDING_CANCEL
    world.venue_says(facts(venue_order(order_id, status=OrderStatus.CANCELED)))
    assert world.status(order_id) is OrderStatus.CANCELED


def test_a_cancel_of_an_order_that_is_over_does_nothing() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    placed(world, order_id, "1", status=OrderStatus.FILLED)
    world.append(world.ledger.decision(cancel_of(order_id)))
    assert world.wants(Cancel) == []


def test_an_answer_that_overtakes_its_cancel_asks_for_the_cancel_again() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    world.append(world.ledger.decision(cancel_of(order_id)))
    placed(world, order_id)
    assert world.wants(Cancel) == [order_id, order_id]


HALTS = """
scope       target            policy          hits
ALL         -                 NON_PROTECTIVE  plain
ALL         -                 ALL             plain stop
ALL         -                 NONE            -
ACCOUNT     main              NON_PROTECTIVE  plain
ACCOUNT     other             ALL             -
STRATEGY    main/momentum     NON_PROTECTIVE  plain
STRATEGY    main/reversion    ALL             -
VENUE       sim               NON_PROTECTIVE  plain
INSTRUMENT  BTC-USDT.sim      NON_PROTECTIVE  plain
INSTRUMENT  ETH-USDT.sim      ALL             -
"""


@pytest.mark.parametrize("row", HALTS.strip().splitlines()[1:])
def test_a_halt_cancels_what_is_in_its_scope_by_its_policy(row: str) -> None:
    scope, target, policy, *hits = row.split()
    world = CoreWorld.started()
    plain = world.approve(intent(1, limit_price="100"))
    stop = world.approve(
        intent(2, order_type=OrderType.STOP_LOSS, stop_price="90", side=Side.SELL, reduce_only=True), is_reduction=True
    )
    names = {plain: "plain", stop: "stop"}
    for order_id in names:
        world.venue_says(facts(venue_order(order_id, venue_order_id=order_id)))
    world.append(halt("h1", HaltScope(scope), "" if target == "-" else target, cancel=policy))
    assert [names[order_id] for order_id in world.wants(Cancel)] == [hit for hit in hits if hit != "-"]
    for order_id in world.wants(Cancel):
        assert world.status(order_id) is OrderStatus.PENDING_CANCEL


def test_a_second_halt_does_not_ask_again() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    placed(world, order_id)
    world.append(halt("h1"))
    world.append(halt("h2"))
    assert world.wants(Cancel) == [order_id]


def test_a_resume_lets_orders_through_again() -> None:
    world = CoreWorld.started()
    world.append(halt("h1"))
    refused = world.approve(intent(1))
    world.append(resume("h1"))
    order_id = world.approve(intent(2))
    assert world.told(refused) == ["NotSent HALTED"]
    assert world.sends == [order_id]


def test_reducing_lets_verified_reductions_through_and_nothing_else() -> None:
    world = CoreWorld.started()
    world.append(halt("h1", state=TradingState.REDUCING))
    adds = world.approve(intent(1))
    reduces = world.approve(intent(2, side=Side.SELL), is_reduction=True)
    assert world.told(adds) == ["NotSent REDUCING"]
    assert world.sends == [reduces]


def test_a_withdrawal_spares_protective_stops_and_is_not_repeated() -> None:
    """I-23."""
    world = CoreWorld.started()
    plain = world.approve(intent(1, limit_price="100"))
    stop = world.approve(
        intent(2, order_type=OrderType.STOP_LOSS, stop_price="90", side=Side.SELL, reduce_only=True), is_reduction=True
    )
    for order_id in (plain, stop):
        world.venue_says(facts(venue_order(order_id, venue_order_id=order_id)))
    world.perform(world.core.withdraw("the gate is not heard", START_NS))
    world.perform(world.core.withdraw("the gate is not heard", START_NS))
    assert world.wants(Cancel) == [plain]
