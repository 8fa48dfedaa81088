"""The core's fold: approvals to orders, the venue's words to events, doubt and its end."""

from __future__ import annotations

from decimal import Decimal

import pytest
from services.execution.tests.builders import (
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
    trade,
    venue_order,
)
from services.execution.tests.core_world import CoreWorld, placed

from pitwire.common.enums import OrderStatus, Side
from pitwire.common.errors import InvariantBroken
from pitwire.common.schemas.execution import ExecReport, Submitting
from pitwire.execution.core.actions import Cancel, FetchTrades, Investigate, Submit
from pitwire.execution.core.venue import InDoubt, Placed, Refused

# -- the order path ------------------------------------------------------------------------------------------------


def test_an_approval_is_submitted_then_sent_once_its_own_submitting_has_come_back() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    assert world.told(order_id) == ["Submitting"]
    assert world.sends == [order_id]


def test_what_is_submitted_is_what_was_approved() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="99.5", quantity="0.25", side=Side.SELL))
    event = next(event for event in world.log if isinstance(event, Submitting))
    assert (event.client_order_id, event.instrument_id, event.side) == (order_id, BTC, Side.SELL)
    assert (event.quantity, event.limit_price) == (Decimal("0.25"), Decimal("99.5"))
    assert event.decision_sequence == 4
    assert event.valid_until_ns == START_NS + TTL_NS


def test_nothing_is_sent_before_the_own_submitting_was_read_back() -> None:
    world = CoreWorld.started()
    verdict = approval(intent(1))
    world.log.append(world.ledger.decision(verdict))
    actions = world.core.observe(len(world.log), world.log[-1], START_NS)
    assert actions == (Submit(verdict.client_order_id),)
    event = world.compose(verdict.client_order_id)
    with pytest.raises(InvariantBroken):
        world.core.last_hop.sending(verdict.client_order_id)
    world.place_event(event)
    assert world.sends == [verdict.client_order_id]


def test_a_halt_between_submitting_and_its_return_is_seen() -> None:
    """S-17, I-22: the halt stands in the journal before our own record, so it counts."""
    world = CoreWorld.started()
    verdict = approval(intent(1))
    world.log.append(world.ledger.decision(verdict))
    world.core.observe(len(world.log), world.log[-1], START_NS)
    event = world.compose(verdict.client_order_id)
    world.append(halt("h7"))
    world.place_event(event)
    assert world.sends == []
    assert world.told(verdict.client_order_id) == ["Submitting", "NotSent HALTED"]
    assert world.status(verdict.client_order_id) is OrderStatus.NOT_SENT


def test_a_cancel_that_comes_before_the_wire_stops_the_order() -> None:
    world = CoreWorld.started()
    verdict = approval(intent(1))
    world.log.append(world.ledger.decision(verdict))
    world.core.observe(len(world.log), world.log[-1], START_NS)
    event = world.compose(verdict.client_order_id)
    world.append(world.ledger.decision(cancel_of(verdict.client_order_id)))
    world.place_event(event)
    assert world.sends == []
    assert world.told(verdict.client_order_id) == ["Submitting", "NotSent CANCELED_FIRST"]


def test_an_approval_that_comes_twice_is_used_once() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    world.append(world.ledger.decision(approval(intent(1))))
    assert world.sends == [order_id]
    assert world.told(order_id) == ["Submitting"]
    assert world.alarms() == ["APPROVAL_REUSED"]


def test_an_older_intent_number_is_never_used_again_even_when_its_order_is_forgotten() -> None:
    world = CoreWorld.started()
    world.approve(intent(5))
    world.append(world.ledger.decision(approval(intent(4))))
    assert len(world.sends) == 1
    assert world.alarms() == ["APPROVAL_REUSED"]


def test_two_orders_in_one_decision_are_both_sent() -> None:
    world = CoreWorld.started()
    first, second = approval(intent(1)), approval(intent(2))
    world.append(world.ledger.decision(first, second))
    assert world.sends == [first.client_order_id, second.client_order_id]


# -- the venue's words ---------------------------------------------------------------------------------------------


def test_the_answer_alone_tells_a_whole_fill() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    placed(world, order_id, "0.4", "0.6", status=OrderStatus.FILLED)
    assert world.told(order_id) == ["Submitting", "TRADE 0.4 PARTIALLY_FILLED", "TRADE 0.6 FILLED"]
    last = [event for event in world.log if isinstance(event, ExecReport)][-1]
    assert (last.cum_quantity, last.leaves_quantity, last.average_price) == (Decimal(1), Decimal(0), Decimal(100))
    assert (last.fee, last.fee_currency, last.trade_id) == (Decimal("0.1"), "USDT", "2")


def test_the_same_fill_by_stream_and_answer_is_told_once() -> None:
    """S-31, F-20."""
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    world.venue_says(
        facts(venue_order(order_id)),
        facts(venue_order(order_id, status=OrderStatus.FILLED, cum_quantity="1"), trade("1", "1")),
    )
    placed(world, order_id, "1", status=OrderStatus.FILLED)
    assert world.told(order_id) == ["Submitting", "NEW NEW", "TRADE 1 FILLED"]


def test_an_order_that_cannot_rest_is_acknowledged_by_its_answer_alone() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    world.venue_says(facts(venue_order(order_id)))
    assert world.told(order_id) == ["Submitting"]
    placed(world, order_id, "0.4", status=OrderStatus.EXPIRED)
    assert world.told(order_id) == ["Submitting", "TRADE 0.4 PARTIALLY_FILLED", "EXPIRED EXPIRED"]


def test_a_fill_before_the_acknowledgement_is_normal_and_the_late_acknowledgement_says_nothing_new() -> None:
    """S-32, F-19."""
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    world.venue_says(
        facts(venue_order(order_id, status=OrderStatus.PARTIALLY_FILLED, cum_quantity="0.5"), trade("1", "0.5")),
        facts(venue_order(order_id)),
    )
    assert world.told(order_id) == ["Submitting", "TRADE 0.5 PARTIALLY_FILLED"]
    assert world.status(order_id) is OrderStatus.PARTIALLY_FILLED


def test_a_repeated_word_changes_nothing_while_the_first_is_still_on_its_way_to_the_journal() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    word = facts(venue_order(order_id, status=OrderStatus.FILLED, cum_quantity="1"), trade("1", "1"))
    first = world.core.told(word, VENUE_ACCOUNT, START_NS)
    again = world.core.told(word, VENUE_ACCOUNT, START_NS)
    assert len(first) == 1
    assert again == []


def test_a_fill_after_the_cancel_is_booked_and_flagged() -> None:
    """S-33, I-14."""
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    placed(world, order_id)
    world.venue_says(
        facts(venue_order(order_id, status=OrderStatus.CANCELED)),
        facts(venue_order(order_id, status=OrderStatus.CANCELED, cum_quantity="0.3"), trade("9", "0.3")),
    )
    assert world.told(order_id) == ["Submitting", "NEW NEW", "CANCELED CANCELED", "TRADE 0.3 CANCELED"]
    assert world.status(order_id) is OrderStatus.CANCELED
    assert world.entry(order_id).order.cum_quantity == Decimal("0.3")
    assert world.alarms() == ["FILL_AFTER_TERMINAL"]


def test_a_terminal_word_that_counts_more_than_the_trades_seen_asks_for_them() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    placed(world, order_id)
    world.venue_says(facts(venue_order(order_id, status=OrderStatus.CANCELED, cum_quantity="0.3")))
    assert world.wants(FetchTrades) == [order_id]
    assert not world.entry(order_id).order.is_settled
    world.venue_says(facts(venue_order(order_id, status=OrderStatus.CANCELED, cum_quantity="0.3"), trade("9", "0.3")))
    assert world.entry(order_id).order.is_settled
    assert world.alarms() == []


def test_an_order_filled_by_the_venues_count_is_not_filled_before_its_trades_are_there() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    world.venue_says(facts(venue_order(order_id, status=OrderStatus.FILLED, cum_quantity="1")))
    assert world.wants(FetchTrades) == [order_id]
    assert world.status(order_id) is not OrderStatus.FILLED
    world.venue_says(facts(venue_order(order_id, status=OrderStatus.FILLED, cum_quantity="1"), trade("1", "1")))
    assert world.status(order_id) is OrderStatus.FILLED


def test_a_refusal_by_the_venue_is_rejected_with_its_reason() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    world.perform(world.core.answered(order_id, Refused("INSUFFICIENT_FUNDS", "-2010 no money"), START_NS))
    assert world.told(order_id) == ["Submitting", "REJECTED REJECTED"]
    report = next(event for event in world.log if isinstance(event, ExecReport))
    assert report.reason == "INSUFFICIENT_FUNDS: -2010 no money"
    assert report.ts_event_ns == MARKET_NS


def test_an_answer_about_another_order_is_no_answer() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    world.perform(world.core.answered(order_id, Placed(facts(venue_order("other"))), START_NS))
    assert world.wants(Investigate) == [order_id]


def test_a_refusal_that_contradicts_the_stream_is_a_doubt_not_a_rejection() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    world.venue_says(facts(venue_order(order_id)))
    world.perform(world.core.answered(order_id, Refused("REJECTED", "-2010 no"), START_NS))
    assert world.wants(Investigate) == [order_id]
    assert world.status(order_id) is OrderStatus.UNKNOWN


# -- doubt ---------------------------------------------------------------------------------------------------------


def test_no_answer_is_unknown_and_never_sent_again() -> None:
    """S-30."""
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    world.perform(world.core.answered(order_id, InDoubt("timeout"), START_NS))
    assert world.told(order_id) == ["Submitting", "UNKNOWN UNKNOWN"]
    assert world.wants(Investigate) == [order_id]
    assert world.sends == [order_id]


def test_no_answer_means_nothing_when_the_stream_has_told_of_the_order() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    world.venue_says(facts(venue_order(order_id)))
    world.perform(world.core.answered(order_id, InDoubt("timeout"), START_NS))
    assert world.told(order_id) == ["Submitting", "NEW NEW"]
    assert world.wants(Investigate) == []


def test_an_order_in_doubt_is_found_with_its_fills() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    world.perform(world.core.answered(order_id, InDoubt("timeout"), START_NS))
    found = facts(venue_order(order_id, status=OrderStatus.FILLED, cum_quantity="1"), trade("1", "1"))
    world.perform(world.core.checked(order_id, found, START_NS, START_NS))
    assert world.told(order_id) == ["Submitting", "UNKNOWN UNKNOWN", "TRADE 1 FILLED"]
    assert world.entry(order_id).doubt is None


def test_absence_proves_nothing_while_the_venue_may_still_take_the_request() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    world.perform(world.core.answered(order_id, InDoubt("timeout"), START_NS))
    for second in range(3):
        started_ns = START_NS + second * 900_000_000
        world.perform(world.core.checked(order_id, None, started_ns, started_ns))
    assert world.status(order_id) is OrderStatus.UNKNOWN


def test_three_absences_after_the_receive_window_prove_that_it_was_not_placed() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    world.perform(world.core.answered(order_id, InDoubt("timeout"), START_NS))
    after_ns = START_NS + TTL_NS + 1_000_000_000
    statuses: list[OrderStatus] = []
    for second in range(3):
        started_ns = after_ns + second * 1_000_000_000
        world.perform(world.core.checked(order_id, None, started_ns, started_ns))
        statuses.append(world.status(order_id))
    assert statuses == [OrderStatus.UNKNOWN, OrderStatus.UNKNOWN, OrderStatus.REJECTED]
    report = [event for event in world.log if isinstance(event, ExecReport)][-1]
    assert report.reason == "NOT_PLACED"
    assert world.sends == [order_id]


def test_an_order_that_was_there_and_vanished_ends_as_expired_and_is_a_persons_business() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    placed(world, order_id)
    world.perform(world.core.missing(order_id, START_NS))
    assert world.status(order_id) is OrderStatus.UNKNOWN
    for second in range(10, 13):
        started_ns = START_NS + second * 1_000_000_000
        world.perform(world.core.checked(order_id, None, started_ns, started_ns))
    assert world.status(order_id) is OrderStatus.EXPIRED
    assert world.alarms() == ["ORDER_VANISHED"]


def test_a_doubt_that_lasts_is_escalated_once() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    world.perform(world.core.answered(order_id, InDoubt("timeout"), START_NS))
    assert world.core.escalate(order_id, START_NS + 29_000_000_000) == []
    assert len(world.core.escalate(order_id, START_NS + 30_000_000_000)) == 1
    assert world.core.escalate(order_id, START_NS + 31_000_000_000) == []


def test_an_order_told_rejected_that_works_after_all_is_cancelled_and_alarmed() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1, limit_price="100"))
    world.perform(world.core.answered(order_id, Refused("REJECTED", "no"), START_NS))
    world.venue_says(facts(venue_order(order_id)))
    assert world.wants(Cancel) == [order_id]
    assert world.alarms() == ["REJECTED_ORDER_WORKS"]
