"""What an account is worth at its ledger records, and the rows that say so."""

from __future__ import annotations

from decimal import Decimal

import pytest
from services.persistence.tests.test_journal import stored

from pitwire.common.money import ratio
from pitwire.common.schemas.ledger import (
    CapitalRecorded,
    Cursors,
    DayRolled,
    LimitsApplied,
    MarksRecorded,
    RiskDecision,
)
from pitwire.common.testing.journal import BTC, VENUE_ACCOUNT, Journal, mark, order_intent
from pitwire.persistence.core.decisions import decision_rows
from pitwire.persistence.core.journal_rows import AccountRow
from pitwire.persistence.core.trading_rows import DecisionRow, EquityRow
from pitwire.persistence.core.worth import EQUITY_PERIOD_NS, Worth

SECOND_NS = EQUITY_PERIOD_NS


@pytest.fixture
def journal() -> Journal:
    made = Journal()
    made.start()
    made.marks(mark(BTC, "100"))
    order = made.approve(order_intent(1, "BUY", "10", limit_price="100"))
    made.submitting(order)
    made.fill(order, "10", "100", fee="1", fee_currency="USDT")
    return made


async def test_the_peak_is_durable_and_drawdown_is_measured_from_it(journal: Journal) -> None:
    for price in ("110", "95", "105"):
        journal.ts_market_ns += SECOND_NS
        journal.marks(mark(BTC, price))
    for batch in (1, 100):
        store = await stored(journal, batch=batch)
        rows = store.rows(EquityRow)[-3:]
        assert [row.equity for row in rows] == [Decimal(100_099), Decimal(99_949), Decimal(100_049)]
        assert {row.peak_equity for row in rows} == {Decimal(100_099)}
        assert rows[1].drawdown_percent == ratio(Decimal(15_000), Decimal(100_099))
        assert store.rows(AccountRow)[0].peak_equity == journal.state.peak_equity


async def test_money_put_in_is_neither_profit_nor_drawdown(journal: Journal) -> None:
    journal.write(CapitalRecorded, asset="USDT", amount=Decimal(-40_000), venue_account=VENUE_ACCOUNT)
    row = (await stored(journal)).rows(EquityRow)[-1]
    assert (row.kind, row.capital, row.equity) == ("CapitalRecorded", Decimal(60_000), Decimal(59_999))
    assert row.start_of_day_equity == journal.state.start_of_day_equity
    assert row.peak_equity == journal.state.peak_equity
    assert row.drawdown_percent is not None
    assert row.drawdown_percent < Decimal("0.01")


async def test_day_rolls_always_have_their_row(journal: Journal) -> None:
    for day in ("2023-11-15", "2023-11-16"):
        journal.write(DayRolled, day=day, start_equity=Decimal(99_999))
    rows = [row for row in (await stored(journal)).rows(EquityRow) if row.kind == "DayRolled"]
    assert [row.day for row in rows] == ["2023-11-14", "2023-11-15", "2023-11-16"]


def test_an_account_without_a_peak_has_no_drawdown() -> None:
    worth = Worth("USDT", None, [])
    record = MarksRecorded(
        account="main", ledger_no=1, epoch=1, cursors=Cursors(), ts_ns=1, ts_market_ns=5, marks=(mark(BTC, "100"),)
    )
    worth.apply(record)
    row = worth.row_at(1, record)
    assert row is not None
    assert (row.drawdown_percent, row.peak_equity, row.equity) == (None, None, Decimal(0))
    assert worth.row_at(2, record) is None


def test_records_that_change_no_money_have_no_row(journal: Journal) -> None:
    worth = Worth("USDT", None, [])
    for entry in journal.entries:
        if isinstance(entry.event, LimitsApplied):
            assert worth.row_at(entry.sequence, entry.event) is None


async def test_each_verdict_of_a_decision_is_a_row(journal: Journal) -> None:
    ((sequence, decision),) = [(e.sequence, e.event) for e in journal.entries if isinstance(e.event, RiskDecision)]
    (row,) = decision_rows(sequence, decision)
    assert (row.verdict, row.order_type, row.limit_price) == ("APPROVED", "LIMIT", Decimal(100))
    assert (await stored(journal)).rows(DecisionRow) == [row]
