"""The account's fold: what each record and event does to orders, fills and exposure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import OrderStatus, Side, TradingState
from pitwire.common.errors import InvariantBroken
from pitwire.common.order_transitions import AnomalyCode
from pitwire.common.portfolio import EVENTS_KEPT, AccountState, Changes
from pitwire.common.schemas.ledger import (
    Approved,
    CancelApproved,
    LimitsApplied,
    StrategyPaused,
)
from pitwire.common.schemas.orders import CancelIntent
from pitwire.common.testing.journal import (
    BTC,
    START_NS,
    STRATEGY,
    VENUE_ACCOUNT,
    Journal,
    approved,
    limits,
    mark,
    order_intent,
)

D = Decimal


@pytest.fixture
def journal() -> Journal:
    opened = Journal()
    opened.start()
    return opened


def buy(journal: Journal, quantity: str = "2", price: str = "100", intent_no: int = 1) -> Approved:
    return journal.approve(order_intent(intent_no, Side.BUY, quantity, limit_price=price), worst_price=price)


def settle(journal: Journal) -> Changes:
    """A ledger record that covers everything so far."""
    return journal.marks()


def cancel(intent_no: int, client_order_id: str) -> CancelApproved:
    base = order_intent(intent_no, Side.BUY, "1")
    return CancelApproved(
        intent=CancelIntent(
            account=base.account,
            strategy=base.strategy,
            intent_no=intent_no,
            valid_until_ns=base.valid_until_ns,
            ts_ns=base.ts_ns,
            orig_client_order_id=client_order_id,
        )
    )


def exposure(state: AccountState, side: Side = Side.BUY, instrument_id: str = BTC) -> tuple[Decimal, Decimal]:
    working = state.exposure.working(instrument_id, side)
    return working.quantity, working.value


# ------------------------------------------------------------------------------------------------------ reservations
def test_an_approval_reserves_quantity_and_money_until_it_is_proven_away(journal: Journal) -> None:
    """S-17, I-17: from the decision on, not from the venue's answer."""
    verdict = buy(journal)
    state = journal.state
    assert exposure(state) == (D(2), D(200))
    assert state.available(VENUE_ACCOUNT, "USDT") == D(99_800)
    journal.submitting(verdict)
    journal.report(verdict, "NEW")
    journal.fill(verdict, "0.5", "99")
    settle(journal)
    assert exposure(state) == (D("1.5"), D(150))
    assert state.available(VENUE_ACCOUNT, "USDT") == D(100_000) - D("49.5") - D(150)
    journal.report(verdict, "CANCELED")
    settle(journal)
    assert exposure(state) == (D(0), D(0))
    assert state.available(VENUE_ACCOUNT, "USDT") == D("99950.5")


def test_an_order_in_doubt_keeps_its_reservation(journal: Journal) -> None:
    """S-17, S-30: no answer is no proof."""
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.report(verdict, "UNKNOWN")
    settle(journal)
    assert exposure(journal.state)[0] == D(2)
    journal.report(verdict, "REJECTED", reason="NOT_PLACED")
    settle(journal)
    assert exposure(journal.state)[0] == D(0)


@pytest.mark.parametrize("proof", ["REJECTED", "EXPIRED", "CANCELED"])
def test_a_terminal_report_releases_the_reservation(journal: Journal, proof: str) -> None:
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.report(verdict, proof)
    settle(journal)
    assert exposure(journal.state) == (D(0), D(0))
    assert journal.state.available(VENUE_ACCOUNT, "USDT") == D(100_000)


def test_what_was_not_sent_is_released(journal: Journal) -> None:
    verdict = buy(journal)
    journal.not_sent(verdict)
    settle(journal)
    assert exposure(journal.state)[0] == D(0)


def test_fills_the_venue_counted_stay_reserved_until_they_are_booked(journal: Journal) -> None:
    """I-16: between the word CANCELED and the late trade the exposure must not vanish."""
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.report(verdict, "CANCELED", cum_quantity="1.5")
    settle(journal)
    assert exposure(journal.state) == (D("1.5"), D(150))
    journal.fill(verdict, "1.5", "100")
    settle(journal)
    assert exposure(journal.state) == (D(0), D(0))
    assert journal.state.net_position(BTC).quantity == D("1.5")


def test_a_sell_reserves_what_it_sells(journal: Journal) -> None:
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.fill(verdict, "2", "100")
    journal.approve(order_intent(2, Side.SELL, "1.5", limit_price="110"), worst_price="110")
    state = journal.state
    assert exposure(state, Side.SELL) == (D("1.5"), D(165))
    assert state.available(VENUE_ACCOUNT, "BTC") == D("0.5")
    assert state.working_quantity(STRATEGY, BTC) == D("-1.5")
    assert state.working_quantity(STRATEGY, BTC, Side.SELL) == D("1.5")


def test_an_approved_cancel_is_pending_until_the_venue_confirms(journal: Journal) -> None:
    """S-34."""
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.report(verdict, "NEW")
    journal.decide(cancel(2, verdict.client_order_id))
    order = journal.state.order(verdict.client_order_id)
    assert order is not None
    assert order.status is OrderStatus.PENDING_CANCEL
    assert exposure(journal.state)[0] == D(2)


# -------------------------------------------------------------------------------------------------------- fold order
def test_execution_events_wait_for_a_record_that_covers_them(journal: Journal) -> None:
    verdict = buy(journal)
    journal.submitting(verdict)
    before = len(journal.entries)
    journal.fill(verdict, "2", "100")
    state = journal.state
    assert (state.pending_count, state.has_news, state.observed_sequence) == (2, True, before + 1)
    assert state.net_position(BTC).is_flat
    journal.write(LimitsApplied, limits=limits(), cursor=before)
    assert state.net_position(BTC).is_flat
    assert state.resume_from == before + 1
    changes = settle(journal)
    assert [fill.quantity for fill in changes.fills] == [D(2)]
    assert (state.net_position(BTC).quantity, state.pending_count, state.has_news) == (D(2), 0, False)


def test_halts_and_resumes_take_effect_when_covered(journal: Journal) -> None:
    journal.halt("h1", "ACCOUNT", "main")
    assert journal.state.halts.state_for("main")[0] is TradingState.ACTIVE
    settle(journal)
    assert journal.state.halts.state_for("main")[0] is TradingState.HALTED
    journal.resume("h1")
    assert journal.state.has_news
    settle(journal)
    assert journal.state.halts.state_for("main")[0] is TradingState.ACTIVE


def test_an_acknowledgement_alone_is_no_news(journal: Journal) -> None:
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.report(verdict, "NEW")
    assert not journal.state.has_news


def test_a_halt_that_cannot_be_read_halts_all(journal: Journal) -> None:
    sequence = len(journal.entries) + 1
    journal.state.observe_undecodable_halt(sequence)
    journal.state.advance(sequence)
    assert journal.state.halts.state_for("anything")[0] is TradingState.HALTED


# ------------------------------------------------------------------------------------------------------------- fills
def test_a_trade_is_booked_once_by_whatever_path_it_comes(journal: Journal) -> None:
    """S-31, I-8."""
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.fill(verdict, "1", "100", trade_id="7")
    journal.fill(verdict, "1", "100", trade_id="7", exec_id="from REST")
    changes = settle(journal)
    assert len(changes.fills) == 1
    assert changes.anomalies == []
    assert journal.state.net_position(BTC).quantity == D(1)


def test_the_same_trade_with_other_figures_is_booked_once_and_flagged(journal: Journal) -> None:
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.fill(verdict, "1", "100", trade_id="7")
    journal.fill(verdict, "1", "100.5", trade_id="7")
    changes = settle(journal)
    assert [a.code for a in changes.anomalies] == [AnomalyCode.TRADE_CONFLICT]
    assert journal.state.net_position(BTC).cost == D(100)


def test_a_fill_before_the_acknowledgement_finds_its_order(journal: Journal) -> None:
    """S-29, F-19."""
    verdict = buy(journal)
    journal.fill(verdict, "2", "100")
    changes = settle(journal)
    assert [order.status for order in changes.orders] == [OrderStatus.FILLED]
    assert changes.anomalies == []


def test_an_overfill_is_booked_and_pauses_the_strategy(journal: Journal) -> None:
    """S-33, I-14."""
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.fill(verdict, "2", "100")
    journal.fill(verdict, "0.001", "100")
    changes = settle(journal)
    assert AnomalyCode.OVERFILL in [a.code for a in changes.anomalies]
    strategy = journal.state.strategy(STRATEGY)
    assert (strategy.paused, strategy.pause_reason.partition(":")[0]) == (True, "OVERFILL")
    assert journal.state.net_position(BTC).quantity == D("2.001")
    journal.write(StrategyPaused, strategy=STRATEGY, paused=False, reason="looked at it")
    assert not journal.state.strategy(STRATEGY).paused


def test_a_fill_after_cancel_is_booked_and_flagged_and_opens_nothing(journal: Journal) -> None:
    """S-33, I-14."""
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.report(verdict, "CANCELED")
    journal.fill(verdict, "1", "100")
    changes = settle(journal)
    assert [a.code for a in changes.anomalies] == [AnomalyCode.FILL_AFTER_TERMINAL]
    order = journal.state.order(verdict.client_order_id)
    assert order is not None
    assert (order.status, order.cum_quantity) == (OrderStatus.CANCELED, D(1))
    assert journal.state.net_position(BTC).quantity == D(1)


def test_a_bust_takes_a_trade_back_in_every_book(journal: Journal) -> None:
    """S-10, F-20."""
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.fill(verdict, "1", "100", trade_id="7", fee="0.1", fee_currency="USDT")
    journal.report(verdict, "TRADE_CANCEL", trade_id="7")
    changes = settle(journal)
    assert [fill.is_reversal for fill in changes.fills] == [False, True]
    state = journal.state
    assert (state.cash, state.equity(), state.net_position(BTC).fees) == (D(100_000), D(100_000), D(0))
    journal.fill(verdict, "1", "100", trade_id="7")
    settle(journal)
    assert state.net_position(BTC).is_flat


def test_a_corrected_trade_is_the_old_one_back_and_the_new_one_in(journal: Journal) -> None:
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.fill(verdict, "1", "100", trade_id="7")
    journal.report(verdict, "TRADE_CORRECT", trade_id="7", last_quantity="1", last_price="99")
    settle(journal)
    assert journal.state.cash == D(99_901)
    order = journal.state.order(verdict.client_order_id)
    assert order is not None
    assert (order.cum_quantity, order.cost) == (D(1), D(99))


def test_a_settled_order_is_forgotten_after_a_while_and_its_late_fill_still_booked(journal: Journal) -> None:
    """I-31 and I-14: memory is bounded, money is not lost."""
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.report(verdict, "CANCELED")
    for _ in range(EVENTS_KEPT - 1):
        settle(journal)
    assert journal.state.order(verdict.client_order_id) is not None
    settle(journal)
    settle(journal)
    assert journal.state.order(verdict.client_order_id) is None
    journal.fill(verdict, "1", "100", trade_id="9")
    changes = settle(journal)
    assert [a.code for a in changes.anomalies] == [AnomalyCode.LATE_FILL]
    assert journal.state.position(STRATEGY, BTC).quantity == D(1)
    journal.report(verdict, "TRADE_CORRECT", trade_id="9", last_quantity="0.5", last_price="100")
    settle(journal)
    assert journal.state.position(STRATEGY, BTC).quantity == D("0.5")


def test_an_order_with_fills_still_to_come_is_never_forgotten(journal: Journal) -> None:
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.report(verdict, "CANCELED", cum_quantity="1")
    for _ in range(EVENTS_KEPT + 5):
        settle(journal)
    assert journal.state.order(verdict.client_order_id) is not None
    assert exposure(journal.state)[0] == D(1)


# --------------------------------------------------------------------------------------- orders nobody approved here
def foreign(journal: Journal, exec_type: str = "NEW", **changed: Any) -> None:
    verdict = approved(order_intent(99, Side.BUY, "3", limit_price="50", strategy="external"), worst_price="50")
    values: dict[str, Any] = {
        "external": True,
        "client_order_id": "human-1",
        "limit_price": "50",
        "strategy": "external",
    }
    journal.report(verdict, exec_type, **(values | changed))


def test_a_foreign_order_is_adopted_and_counted(journal: Journal) -> None:
    """S-32, I-6."""
    foreign(journal)
    changes = settle(journal)
    assert [a.code for a in changes.anomalies] == [AnomalyCode.EXTERNAL_ORDER]
    assert exposure(journal.state) == (D(3), D(150))
    assert journal.state.available(VENUE_ACCOUNT, "USDT") == D(99_850)
    foreign(journal, "TRADE", trade_id="1", last_quantity="3", last_price="49")
    settle(journal)
    assert exposure(journal.state) == (D(0), D(0))
    assert journal.state.position("external", BTC).quantity == D(3)
    assert journal.state.net_position(BTC).quantity == D(3)


def test_a_foreign_trade_without_an_order_is_booked(journal: Journal) -> None:
    foreign(journal, "TRADE", trade_id="1", last_quantity="3", last_price="49")
    changes = settle(journal)
    assert [a.code for a in changes.anomalies] == [AnomalyCode.EXTERNAL_ORDER]
    assert journal.state.net_position(BTC).quantity == D(3)


def test_an_order_sent_without_an_approval_is_counted_and_pauses_its_strategy(journal: Journal) -> None:
    """I-3."""
    verdict = approved(order_intent(5, Side.BUY, "1", limit_price="100"), worst_price="100")
    journal.submitting(verdict)
    changes = settle(journal)
    assert [a.code for a in changes.anomalies] == [AnomalyCode.UNAPPROVED_ORDER]
    assert exposure(journal.state)[0] == D(1)
    assert journal.state.strategy(STRATEGY).paused


def test_an_order_approved_twice_breaks_the_fold(journal: Journal) -> None:
    verdict = buy(journal)
    with pytest.raises(InvariantBroken, match="approved twice"):
        journal.decide(verdict)


# ---------------------------------------------------------------------------------------------------------- the chain
def test_a_record_or_event_seen_again_changes_nothing(journal: Journal) -> None:
    """I-26."""
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.fill(verdict, "1", "100")
    settle(journal)
    before = journal.state.state_hash()
    journal.fold(journal.entries, state=journal.state)
    assert journal.state.state_hash() == before


def test_the_state_says_where_it_stands(journal: Journal) -> None:
    state = journal.state
    assert (state.ledger_no, state.ledger_sequence, state.epoch) == (6, 7, 1)
    assert (state.cursors.oms_sequence, state.resume_from) == (6, 7)
    assert len(state.prev_hash) == 64
    assert (state.account, state.quote, state.incarnation, state.chain.exec_no) == ("main", "USDT", "i1", 1)
    assert state.marks_ts_market_ns == 0
    assert journal.marks(mark(BTC, "1", START_NS)).fills == []
    assert state.marks_ts_market_ns == START_NS
