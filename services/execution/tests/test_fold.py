"""The core's fold: approvals to orders, the venue's words to events, leadership, recovery at every crash point."""

from __future__ import annotations

from decimal import Decimal

import pytest
from services.execution.tests.world import (
    ACCOUNT,
    BTC,
    MARKET_NS,
    START_NS,
    TTL_NS,
    VENUE_ACCOUNT,
    CoreWorld,
    approval,
    cancel_of,
    facts,
    halt,
    intent,
    resume,
    trade,
    venue_order,
)

from pitwire.common.enums import HaltScope, OrderStatus, OrderType, Side, TradingState
from pitwire.common.errors import InvariantBroken
from pitwire.common.schemas.execution import ExecReport, Submitting
from pitwire.common.schemas.ledger import LeaderChanged
from pitwire.execution.core.actions import Cancel, FetchTrades, Investigate, Submit
from pitwire.execution.core.venue import InDoubt, Placed, Refused


def placed(world: CoreWorld, order_id: str, *trades: str, status: OrderStatus = OrderStatus.NEW) -> None:
    """The venue's full answer: it stands so, with trades of these quantities."""
    filled = sum((Decimal(quantity) for quantity in trades), Decimal(0))
    rows = [trade(str(number), quantity) for number, quantity in enumerate(trades, start=1)]
    answer = Placed(facts(venue_order(order_id, status=status, cum_quantity=filled), *rows))
    world.perform(world.core.answered(order_id, answer, world.now_ns))


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
    order_id = world.approve(intent(1))
    world.venue_says(
        facts(venue_order(order_id)),
        facts(venue_order(order_id, status=OrderStatus.FILLED, cum_quantity="1"), trade("1", "1")),
    )
    placed(world, order_id, "1", status=OrderStatus.FILLED)
    assert world.told(order_id) == ["Submitting", "NEW NEW", "TRADE 1 FILLED"]


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
