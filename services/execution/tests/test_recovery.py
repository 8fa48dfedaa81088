"""Orders of others, leadership, and recovery after a crash at every record."""

from __future__ import annotations

from decimal import Decimal

import pytest
from services.execution.tests.builders import (
    ACCOUNT,
    BTC,
    MARKET_NS,
    START_NS,
    TTL_NS,
    VENUE_ACCOUNT,
    approval,
    cancel_of,
    facts,
    halt,
    intent,
    resume,
    trade,
    venue_order,
)
from services.execution.tests.core_world import CoreWorld, placed

from pitwire.common.enums import OrderStatus, OrderType
from pitwire.common.errors import InvariantBroken
from pitwire.common.schemas.execution import ExecReport, Submitting
from pitwire.common.schemas.ledger import LeaderChanged
from pitwire.execution.core.actions import Cancel, Investigate
from pitwire.execution.core.venue import InDoubt, Refused

# -- orders of others ----------------------------------------------------------------------------------------------


def test_a_foreign_working_order_is_adopted_as_external() -> None:
    """I-6, F-22."""
    world = CoreWorld.started()
    world.venue_says(facts(venue_order("human-1")), facts(venue_order("human-1")))
    report = next(event for event in world.log if isinstance(event, ExecReport))
    assert (report.external, report.strategy, report.order_type) == (True, "external", OrderType.LIMIT)
    assert (report.order_quantity, report.limit_price) == (Decimal(1), Decimal(100))
    assert world.told("human-1") == ["NEW NEW"]


def test_what_a_foreign_order_had_filled_before_is_not_booked_and_what_follows_is() -> None:
    world = CoreWorld.started()
    world.venue_says(facts(venue_order("human-1", quantity="2", cum_quantity="0.5")))
    world.venue_says(
        facts(
            venue_order("human-1", quantity="2", cum_quantity="2", status=OrderStatus.FILLED),
            trade("8", "1.5", venue_order_id="71"),
        )
    )
    assert world.told("human-1") == ["NEW NEW", "TRADE 1.5 FILLED"]
    assert world.entry("human-1").order.quantity == Decimal("1.5")
    assert world.alarms() == []


def test_a_foreign_order_that_is_over_and_traded_nothing_new_is_nobodys_business() -> None:
    world = CoreWorld.started()
    world.venue_says(facts(venue_order("human-1", status=OrderStatus.CANCELED, cum_quantity="0.5")))
    assert world.told("human-1") == []


def test_a_foreign_order_that_appears_while_halted_is_cancelled() -> None:
    world = CoreWorld.started()
    world.append(halt("h1"))
    world.venue_says(facts(venue_order("human-1")))
    assert world.wants(Cancel) == ["human-1"]


# -- leadership and recovery ---------------------------------------------------------------------------------------


def test_another_leader_ends_this_process_at_once() -> None:
    world = CoreWorld.started()
    world.approve(intent(1))
    place = world.core.place
    world.append(
        LeaderChanged(
            service="execution",
            leader="0.exec9",
            epoch=place.epoch + 1,
            account=ACCOUNT,
            exec_no=place.exec_no + 1,
            ts_ns=START_NS,
        )
    )
    assert world.deposed()
    world.append(world.ledger.decision(approval(intent(2))))
    assert len(world.sends) == 1


def test_a_gap_in_the_execution_events_is_not_folded_over() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    entry = world.entry(order_id)
    report = ExecReport.model_validate(
        {
            "account": ACCOUNT,
            "exec_no": world.core.place.exec_no + 2,
            "epoch": 1,
            "strategy": "momentum",
            "client_order_id": order_id,
            "ts_ns": START_NS,
            "venue": "sim",
            "venue_account": VENUE_ACCOUNT,
            "instrument_id": BTC,
            "side": "BUY",
            "exec_type": "NEW",
            "order_status": "NEW",
            "ts_event_ns": MARKET_NS,
        }
    )
    with pytest.raises(InvariantBroken, match="exec_no"):
        world.core.observe(len(world.log) + 1, report, START_NS)
    assert entry.order.status is OrderStatus.PENDING_NEW


def test_a_standby_does_nothing_until_it_leads() -> None:
    world = CoreWorld.started()
    standby = world.restart()
    for event in (world.ledger.decision(approval(intent(1))), halt("h1")):
        standby.append(event)
    assert standby.actions == []


def test_an_approval_found_at_start_is_sent_if_it_is_still_good_and_refused_if_not() -> None:
    world = CoreWorld()
    world.append(world.ledger.leader())
    world.append(world.ledger.incarnation())
    early = approval(intent(1), now_ns=START_NS - 3 * TTL_NS)
    fresh = approval(intent(2))
    world.append(world.ledger.decision(early, fresh))
    world.lead()
    assert world.told(early.client_order_id) == ["NotSent APPROVAL_EXPIRED"]
    assert world.sends == [fresh.client_order_id]


def test_a_submitting_of_an_earlier_life_is_in_doubt_and_not_sent() -> None:
    """I-2: it may have left before the crash."""
    world = CoreWorld.started()
    verdict = approval(intent(1))
    world.log.append(world.ledger.decision(verdict))
    world.core.observe(len(world.log), world.log[-1], START_NS)
    event = world.compose(verdict.client_order_id)
    place = world.core.place
    world.log.append(event.model_copy(update={"exec_no": place.exec_no + 1, "epoch": place.epoch}))
    after = world.restart()
    after.lead()
    assert after.sends == []
    assert after.told(verdict.client_order_id) == ["Submitting", "UNKNOWN UNKNOWN"]
    assert after.wants(Investigate) == [verdict.client_order_id]


def test_a_cancel_that_was_asked_for_before_the_crash_is_asked_for_again() -> None:
    world = CoreWorld.started()
    by_gate = world.approve(intent(1, limit_price="100"))
    by_halt = world.approve(intent(2, limit_price="100"))
    for order_id in (by_gate, by_halt):
        world.venue_says(facts(venue_order(order_id, venue_order_id=order_id)))
    world.append(world.ledger.decision(cancel_of(by_gate)))
    world.append(halt("h1"))
    after = world.restart()
    after.lead()
    assert after.wants(Cancel) == [by_gate, by_halt]


def a_long_life() -> CoreWorld:
    """Orders of every fate, a cancel, a halt and its end."""
    world = CoreWorld.started()
    filled = world.approve(intent(1))
    placed(world, filled, "0.4", "0.6", status=OrderStatus.FILLED)
    lost = world.approve(intent(2, limit_price="100"))
    world.perform(world.core.answered(lost, InDoubt("timeout"), START_NS))
    rejected = world.approve(intent(3))
    world.perform(world.core.answered(rejected, Refused("REJECTED", "no"), START_NS))
    rests = world.approve(intent(4, limit_price="100"))
    world.venue_says(facts(venue_order(rests, venue_order_id="74")))
    world.append(world.ledger.decision(cancel_of(rests)))
    world.venue_says(
        facts(
            venue_order(rests, venue_order_id="74", status=OrderStatus.CANCELED, cum_quantity="0.2"),
            trade("40", "0.2", venue_order_id="74"),
        )
    )
    world.append(halt("h1"))
    world.approve(intent(5))
    world.append(resume("h1"))
    working = world.approve(intent(6, limit_price="100"))
    world.venue_says(facts(venue_order(working, venue_order_id="76")))
    return world


@pytest.mark.parametrize("crash_at", range(1, 25))
def test_after_a_crash_at_any_record_nothing_is_sent_twice_and_nothing_is_forgotten(crash_at: int) -> None:
    """F-1: the new leader sends only what had no `Submitting`, and cares for everything that may be at the venue."""
    world = a_long_life()
    assert len(world.log) >= 24
    after = world.restart(crash_at)
    submitted = {event.client_order_id for event in after.log if isinstance(event, Submitting)}
    ends = {"FILLED", "CANCELED", "REJECTED", "NOT_SENT"}
    after.lead()
    assert not submitted & set(after.sends)
    cared = {*after.wants(Investigate), *after.wants(Cancel), *after.sends}
    for order_id in submitted:
        entry = after.entry(order_id)
        known_at_venue = entry.order.seen_at_venue
        assert entry.order.status.value in ends or known_at_venue or order_id in cared


@pytest.mark.parametrize("crash_at", range(3, 25))
def test_the_fold_of_the_rest_of_the_journal_is_the_same_after_any_crash(crash_at: int) -> None:
    """I-29: what was folded before a restart and after it makes one state."""
    world = a_long_life()
    whole, resumed = world.restart(), world.restart(crash_at)
    for event in world.log[crash_at:]:
        resumed.append(event)
    orders = [{e.client_order_id: e.order for e in one.core.orders.unsettled()} for one in (whole, resumed)]
    assert orders[0] == orders[1]
    assert whole.core.place.exec_no == resumed.core.place.exec_no


def test_a_journal_that_cannot_be_read_stops_the_account_and_cancels_what_works() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    placed(world, order_id)
    world.perform(world.core.stop("poison"))
    assert world.wants(Cancel) == [order_id]
    world.append(world.ledger.decision(approval(intent(2))))
    assert world.sends == [order_id]
