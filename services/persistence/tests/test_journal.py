"""From journal to rows: the gate's own fold, batch by batch, and what cannot be read stops one account alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from services.persistence.tests.journal_world import Pair, entries_of, feed, told_of

from pitwire.common import codec, subjects
from pitwire.common.enums import AlertSeverity, DenialCode, ExecType, OrderStatus
from pitwire.common.ids import partition_of
from pitwire.common.schemas.ledger import CancelApproved, Denied, LeaderChanged, StrategyPaused
from pitwire.common.schemas.orders import CancelIntent
from pitwire.common.testing.journal import ACCOUNT, BTC, ETH, STRATEGY, Journal, mark, order_intent
from pitwire.persistence.adapters.memory import MemoryStore
from pitwire.persistence.core.entries import Entry
from pitwire.persistence.core.journal_rows import AccountRow, JournalRow, QuarantineRow
from pitwire.persistence.core.operations_rows import CapitalRow, HaltRow, LimitsRow, ResumeRow, StrategyRow
from pitwire.persistence.core.tables import TABLES
from pitwire.persistence.core.trading_rows import (
    BalanceRow,
    DecisionRow,
    EquityRow,
    FillRow,
    MarkRow,
    OrderHistoryRow,
    OrderRow,
    PositionHistoryRow,
    PositionRow,
)

SECOND_NS = 1_000_000_000
D = Decimal


def trading() -> Journal:
    """A day with a part fill, a full fill, a reduction, a cancel and marks."""
    journal = Journal()
    journal.start()
    journal.marks(mark(BTC, "100"), mark(ETH, "10"))
    first = journal.approve(order_intent(1, "BUY", "2", limit_price="100", reason="cross", trace="00-a"))
    journal.submitting(first)
    journal.report(first, ExecType.NEW, venue_order_id="11")
    journal.fill(first, "0.5", "99.5", fee="0.0005", fee_currency="BTC", venue_order_id="11", cum_quantity="0.5")
    journal.fill(first, "1.5", "100", fee="0.15", fee_currency="USDT", venue_order_id="11", cum_quantity="2")
    journal.ts_market_ns += 2 * SECOND_NS
    journal.marks(mark(BTC, "104"))
    second = journal.approve(order_intent(2, "SELL", "0.7", limit_price="103"), worst_price="104")
    journal.submitting(second)
    journal.report(second, ExecType.NEW, venue_order_id="12")
    journal.fill(second, "0.3", "103", fee="0.001", fee_currency="BNB", venue_order_id="12", cum_quantity="0.3")
    cancel = CancelIntent(
        account=ACCOUNT,
        strategy=STRATEGY,
        intent_no=3,
        valid_until_ns=1,
        ts_ns=1,
        orig_client_order_id=second.client_order_id,
    )
    journal.decide(CancelApproved(intent=cancel))
    journal.report(second, ExecType.CANCELED, venue_order_id="12", cum_quantity="0.3", reason="asked for")
    journal.ts_market_ns += 2 * SECOND_NS
    journal.marks(mark(BTC, "105"))
    return journal


def everything(store: MemoryStore) -> dict[str, list[Any]]:
    """All rows, in the order of their keys."""
    return {
        table.name: sorted(store.rows(table.row), key=lambda row: tuple(str(getattr(row, k)) for k in table.key))
        for table in TABLES
    }


async def stored(journal: Journal, *, batch: int = 1_000) -> MemoryStore:
    store = MemoryStore()
    assert await feed(store, entries_of(journal), batch=batch) == []
    return store


async def test_orders_tell_their_state_and_their_story() -> None:
    store = await stored(trading())
    filled, canceled = store.rows(OrderRow)
    assert (filled.order_status, filled.cum_quantity, filled.leaves_quantity) == ("FILLED", D(2), D(0))
    assert (filled.cost, filled.average_price) == (Decimal("199.75"), Decimal("99.875"))
    assert filled.fees == '{"BTC":"0.0005","USDT":"0.15"}'
    assert (filled.reservation_asset, filled.reservation_amount, filled.trace) == ("USDT", D(200), "00-a")
    assert filled.decision_sequence < filled.submitting_sequence < filled.oms_sequence
    assert (canceled.order_status, canceled.cum_quantity, canceled.cancel_requested) == (
        "CANCELED",
        Decimal("0.3"),
        True,
    )
    assert (canceled.reason, canceled.ended_ns > 0) == ("asked for", True)
    told = [row.event for row in store.rows(OrderHistoryRow) if row.client_order_id == canceled.client_order_id]
    assert told == ["APPROVED", "SUBMITTING", "NEW", "TRADE", "CANCEL_APPROVED", "CANCELED"]


async def test_positions_and_money_are_those_of_the_gates_fold() -> None:
    journal = trading()
    store, state = await stored(journal), journal.state
    for row in store.rows(PositionRow):
        wanted = state.net_position(BTC) if row.strategy == "*" else state.position(STRATEGY, BTC)
        assert (row.quantity, row.cost, row.realised_pnl, row.fees) == (
            wanted.quantity,
            wanted.cost,
            wanted.realised_pnl,
            wanted.fees,
        )
    newest = store.rows(EquityRow)[-1]
    assert (newest.equity, newest.cash, newest.peak_equity) == (state.equity(), state.cash, state.peak_equity)
    assert newest.equity == newest.capital + newest.realised_pnl + newest.unrealised_pnl - newest.fees + newest.other
    held = {row.asset: row.amount for row in store.rows(BalanceRow)}
    assert held == {asset: state.balance("sim-main", asset) for asset in held}
    assert {row.instrument_id: row.mark_price for row in store.rows(MarkRow)} == {BTC: 105, ETH: 10}


async def test_every_change_of_a_position_has_its_row() -> None:
    store = await stored(trading())
    history = [row for row in store.rows(PositionHistoryRow) if row.strategy == STRATEGY]
    assert [row.trade_id for row in history] == ["1", "2", "3"]
    assert history[-1].quantity == store.rows(PositionRow)[-1].quantity
    realised = [row.realised_pnl for row in store.rows(FillRow)]
    assert realised == [0, 0, history[-1].realised_pnl]


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
async def test_the_size_of_batches_changes_nothing(batch: int) -> None:
    journal = trading()
    assert everything(await stored(journal, batch=batch)) == everything(await stored(journal))


async def test_a_replay_from_the_beginning_changes_nothing() -> None:
    journal = trading()
    store = await stored(journal)
    before = everything(store)
    store.cursors.clear()
    await feed(store, entries_of(journal), batch=5)
    assert everything(store) == before


async def test_equity_has_at_most_one_row_a_second_of_market_time() -> None:
    journal = Journal()
    journal.start()
    for step in range(30):
        journal.ts_market_ns += SECOND_NS // 10
        journal.marks(mark(BTC, str(100 + step)))
    rows = [row for row in (await stored(journal)).rows(EquityRow) if row.kind == "MarksRecorded"]
    assert len(rows) == 3
    assert all(b.market_ns - a.market_ns >= SECOND_NS for a, b in pairwise(rows))


async def test_fills_that_the_gate_has_not_covered_move_positions_but_not_equity() -> None:
    journal = Journal()
    journal.start()
    order = journal.approve(order_intent(1, "BUY", "1", limit_price="100"))
    covered = journal.entries[-1].sequence
    journal.submitting(order)
    journal.fill(order, "1", "100")
    journal.ts_market_ns += 2 * SECOND_NS
    journal.write(LeaderChanged, service="risk-gate", leader="b", epoch=2, cursor=covered)
    journal._epoch = 2
    journal.marks(mark(BTC, "90"))
    for batch in (1, 100):
        store = await stored(journal, batch=batch)
        assert store.rows(PositionRow)[0].quantity == 1
        (account,) = store.rows(AccountRow)
        assert account.covered_sequence == journal.entries[-1].sequence - 1
        assert store.rows(EquityRow)[-1].equity == 99_990


async def test_decisions_are_one_row_per_verdict_with_limit_and_observed() -> None:
    journal = Journal()
    journal.start()
    intent = order_intent(1, "BUY", "1", limit_price="100", reason="zero \x00 byte")
    denied = Denied(
        strategy=STRATEGY,
        intent_no=2,
        code=DenialCode.ORDER_VALUE_EXCEEDED,
        limit=Decimal(10),
        observed=Decimal("10.01"),
        detail="too much",
        intent=intent,
    )
    unreadable = Denied(strategy=STRATEGY, intent_no=0, code=DenialCode.MALFORMED, detail="no JSON")
    journal.decide(denied, unreadable)
    first, second = (await stored(journal)).rows(DecisionRow)
    assert (first.verdict_no, first.code, first.limit_value, first.observed) == (
        1,
        "ORDER_VALUE_EXCEEDED",
        D(10),
        D("10.01"),
    )
    assert (first.instrument_id, first.quantity, first.intent_reason) == (BTC, D(1), "zero \N{SYMBOL FOR NULL} byte")
    assert (second.verdict_no, second.code, second.instrument_id, second.detail) == (2, "MALFORMED", None, "no JSON")


async def test_busts_and_corrections_are_rows_of_their_own() -> None:
    journal = Journal()
    journal.start()
    order = journal.approve(order_intent(1, "BUY", "2", limit_price="100"))
    journal.submitting(order)
    journal.fill(order, "1", "100", trade_id="7")
    journal.report(order, ExecType.TRADE_CORRECT, trade_id="7", last_quantity="1", last_price="99")
    journal.report(order, ExecType.TRADE_CANCEL, trade_id="7")
    journal.fill(order, "1", "100", trade_id="7")
    for batch in (1, 100):
        store = await stored(journal, batch=batch)
        rows = [(row.entry_no, row.is_reversal, row.price) for row in store.rows(FillRow)]
        assert rows == [(1, False, D(100)), (2, True, D(100)), (3, False, D(99)), (4, True, D(99))]
        assert [row.quantity for row in store.rows(PositionRow)] == [0, 0]


async def test_a_trade_told_twice_is_booked_once() -> None:
    journal = Journal()
    journal.start()
    order = journal.approve(order_intent(1, "BUY", "2", limit_price="100"))
    journal.submitting(order)
    journal.fill(order, "1", "100", trade_id="7")
    journal.fill(order, "1", "100", trade_id="7")
    for batch in (1, 100):
        store = await stored(journal, batch=batch)
        assert len(store.rows(FillRow)) == 1
        assert store.rows(PositionRow)[0].quantity == 1


async def test_limits_capital_and_strategies_are_kept() -> None:
    journal = Journal()
    journal.start()
    journal.write(StrategyPaused, strategy=STRATEGY, paused=True, reason="bad")
    journal.write(StrategyPaused, strategy="unknown", paused=True, reason="worse")
    store = await stored(journal, batch=1)
    assert [row.order_value_max for row in store.rows(LimitsRow)] == [20_000]
    assert [(row.asset, row.amount) for row in store.rows(CapitalRow)] == [("USDT", D(100_000))]
    assert [(row.strategy, row.capital, row.paused, row.pause_reason) for row in store.rows(StrategyRow)] == [
        (STRATEGY, D(100_000), True, "bad"),
        ("unknown", D(0), True, "worse"),
    ]


async def test_a_halt_holds_until_a_resume_names_it() -> None:
    journal = Journal()
    journal.start()
    journal.halt("h1", "ACCOUNT", "main")
    journal.halt("h2")
    journal.resume("h1", "nobody")
    for batch in (1, 100):
        store = await stored(journal, batch=batch)
        assert [(row.halt_id, row.cleared_by) for row in store.rows(HaltRow)] == [("h1", "r1"), ("h2", None)]
        assert [row.cleared for row in store.rows(ResumeRow)] == [["h1", "nobody"]]


async def test_a_halt_written_again_never_loosens() -> None:
    journal = Journal()
    journal.start()
    journal.halt("h1", "ACCOUNT", "main", state="HALTED")
    journal.halt("h1", "ACCOUNT", "main", state="REDUCING")
    journal.halt("h1", "ACCOUNT", "other", state="HALTED")
    store = await stored(journal, batch=1)
    (row,) = store.rows(HaltRow)
    held = journal.fold()
    held.advance(journal.entries[-1].sequence)
    wanted = held.halts.active["h1"]
    assert (row.scope, row.target, row.trading_state) == (wanted.scope, wanted.target, wanted.state)


# ------------------------------------------------------------------------------------------------------ what is wrong
def spoil(entries: list[Entry], at: int, **changed: Any) -> list[Entry]:
    return [replace(e, **changed) if e.sequence == at else e for e in entries]


async def test_an_unreadable_record_stops_its_account_alone_and_is_kept_whole() -> None:
    pair = Pair()
    bad = next(e.sequence for e in pair.main.entries if e.is_ledger and e.sequence > 12)
    store = MemoryStore()
    notices = await feed(store, spoil(pair.entries, bad, data=b'{"half'), batch=4)
    assert told_of(notices) == ["JOURNAL_RECORD_UNREADABLE", "ACCOUNT_ROWS_STOPPED"]
    assert all(notice.severity is AlertSeverity.CRITICAL and notice.account == "main" for notice in notices)
    main, other = sorted(store.rows(AccountRow), key=lambda row: row.account)
    assert (main.stopped_sequence, main.ledger_sequence < bad) == (bad, True)
    assert other.stopped_sequence is None
    assert other.ledger_sequence == [e.sequence for e in pair.other.entries if e.is_ledger][-1]
    (kept,) = store.rows(QuarantineRow)
    assert (kept.sequence, kept.data, kept.account) == (bad, b'{"half', "main")
    assert [row.oms_sequence for row in store.rows(JournalRow)] == [e.sequence for e in pair.entries]
    assert [row.payload for row in store.rows(JournalRow) if row.oms_sequence == bad] == [None]


@pytest.mark.parametrize(
    ("field", "value"), [("ledger_no", 99), ("prev_hash", "0"), ("epoch", 9), ("account", "other")]
)
async def test_a_broken_chain_stops_the_account(field: str, value: object) -> None:
    journal = trading()
    entries = entries_of(journal)
    bad = [e for e in journal.entries if e.is_ledger][-2]
    spoiled = bad.event.model_copy(update={field: value})
    store = MemoryStore()
    notices = await feed(store, spoil(entries, bad.sequence, data=codec.encode(spoiled)))
    assert "ACCOUNT_ROWS_STOPPED" in told_of(notices)
    assert store.rows(AccountRow)[0].stopped_sequence == bad.sequence


async def test_an_order_approved_twice_stops_the_account() -> None:
    journal = Journal()
    journal.start()
    verdict = journal.approve(order_intent(1, "BUY", "1", limit_price="100"))
    entries = entries_of(journal)
    journal.state._orders._by_id.clear()
    journal.decide(verdict)
    store = MemoryStore()
    notices = await feed(store, entries + entries_of(journal)[-1:], batch=1)
    assert told_of(notices) == ["ACCOUNT_ROWS_STOPPED"]
    assert "approved twice" in notices[0].text
    assert len(store.rows(DecisionRow)) == 1


async def test_a_record_in_a_foreign_partition_is_set_aside_and_stops_nobody() -> None:
    journal = trading()
    entries = entries_of(journal)
    foreign = subjects.LEDGER.replace("{partition}", str((partition_of(ACCOUNT) + 1) % 64)).replace(
        "{account}", ACCOUNT
    )
    intruder = replace(entries[-1], sequence=entries[-1].sequence + 1, subject=foreign)
    store = MemoryStore()
    assert told_of(await feed(store, [*entries, intruder])) == ["WRONG_PARTITION"]
    assert store.rows(AccountRow)[0].stopped_sequence is None
    assert [row.account for row in store.rows(QuarantineRow)] == [None]


async def test_an_unreadable_halt_is_a_halt_of_everything() -> None:
    journal = trading()
    entries = entries_of(journal)
    after = entries[-1].sequence + 1
    store = MemoryStore()
    notices = await feed(store, [*entries, Entry(after, subjects.halt("ops"), "Halt/1", b"?")])
    assert told_of(notices) == ["HALT_UNREADABLE"]
    (row,) = store.rows(HaltRow)
    assert (row.scope, row.trading_state, row.halt_id) == ("ALL", "HALTED", f"undecodable-{after}")


async def test_a_subject_nobody_declared_is_set_aside() -> None:
    store = MemoryStore()
    notices = await feed(store, [Entry(1, f"{subjects.RESUME}.more", None, b"{}")])
    assert told_of(notices) == ["JOURNAL_RECORD_UNREADABLE"]


async def test_an_account_that_stopped_stays_stopped() -> None:
    journal = trading()
    entries = entries_of(journal)
    store = MemoryStore()
    await feed(store, spoil(entries, 10, data=b"?"), batch=10)
    (account,) = store.rows(AccountRow)
    assert (account.stopped_sequence, account.ledger_sequence, account.exec_sequence) == (10, 9, 2)


async def test_an_account_nobody_configured_has_rows_but_no_equity() -> None:
    journal = Journal(account="strange")
    journal.start()
    store = await stored(journal)
    assert store.rows(AccountRow)[0].quote == ""
    assert store.rows(EquityRow) == []


async def test_late_reports_after_the_end_are_told_in_the_story() -> None:
    journal = Journal()
    journal.start()
    order = journal.approve(order_intent(1, "BUY", "2", limit_price="100"))
    journal.submitting(order)
    journal.report(order, ExecType.CANCELED)
    journal.fill(order, "1", "100")
    store = await stored(journal, batch=1)
    (row,) = store.rows(OrderRow)
    assert (row.order_status, row.cum_quantity) == (OrderStatus.CANCELED.value, D(1))
    assert any("FILL_AFTER_TERMINAL" in text for entry in store.rows(OrderHistoryRow) for text in entry.anomalies)
