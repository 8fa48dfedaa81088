"""Limits and reservations worked out again: each rule of the gate goes red where an approval breaks it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.cli.verify.findings import JournalFindings
from pitwire.cli.verify.risk import RiskAudit
from pitwire.cli.verify.truth import Truth
from pitwire.common.schemas.execution import ExecEvent
from pitwire.common.schemas.ledger import Approved, CapitalRecorded, LedgerEvent
from pitwire.common.testing.journal import BTC, Journal, approved, limits, mark, order_intent


class Audit:
    """A journal and what the risk audit says of it."""

    def __init__(self, *, capital: str = "100000", **changed: Any) -> None:
        self.journal = Journal()
        self.found = JournalFindings()
        self.truth = Truth()
        self.risk = RiskAudit("USDT", self.truth, self.found)
        self.journal.start(capital=capital, account_limits=limits(**changed))
        self.journal.marks(mark(BTC, "100"))

    def approve(self, side: str, quantity: str, *, price: str = "100", is_reduction: bool = False) -> Approved:
        number = self.journal.state.last_intent_no("momentum") + 1
        intent = order_intent(number, side, quantity, limit_price=price)
        verdict = approved(intent, worst_price=price, is_reduction=is_reduction)
        self.journal.decide(verdict)
        return verdict

    def fill(self, verdict: Approved) -> None:
        self.journal.fill(verdict, str(verdict.intent.quantity), "100")

    def told(self) -> list[str]:
        """Everything written so far, audited."""
        for entry in self.journal.entries:
            if isinstance(entry.event, CapitalRecorded):
                self.truth.deposit(entry.event)
            if entry.is_ledger and isinstance(entry.event, LedgerEvent):
                self.risk.apply(entry.sequence, entry.event)
            elif isinstance(entry.event, ExecEvent):
                self.truth.execution(entry.sequence, entry.event)
        self.journal.entries.clear()
        return self.found.limits.told


def test_what_equals_a_limit_is_within_it() -> None:
    audit = Audit(order_value_max=Decimal(1_000), position_value_max=Decimal(1_000))
    audit.fill(audit.approve("BUY", "10"))
    assert audit.told() == []


def test_an_order_larger_than_allowed_is_named() -> None:
    audit = Audit(order_value_max=Decimal(999))
    audit.approve("BUY", "10")
    assert "order value 1000 exceeds 999" in audit.told()[0]


def test_a_reduction_may_be_larger_than_an_order() -> None:
    audit = Audit(order_value_max=Decimal(1_000))
    for _ in range(2):
        audit.fill(audit.approve("BUY", "10"))
    audit.approve("SELL", "20", is_reduction=True)
    assert audit.told() == []


def test_working_orders_count_in_the_position() -> None:
    audit = Audit(position_value_max=Decimal(1_500))
    audit.approve("BUY", "10")
    audit.approve("BUY", "6")
    assert "position 1600 exceeds 1500" in audit.told()[0]


def test_what_is_held_counts_at_the_mark() -> None:
    audit = Audit(position_value_max=Decimal(1_500))
    audit.fill(audit.approve("BUY", "10"))
    audit.journal.marks(mark(BTC, "160"))
    audit.approve("BUY", "1", price="100")
    assert "exceeds 1500" in audit.told()[0]


def test_more_than_the_balance_cannot_be_reserved() -> None:
    audit = Audit(capital="1500")
    audit.approve("BUY", "10")
    audit.approve("BUY", "6")
    assert "reserves 600 USDT, 500 is free" in audit.told()[0]


def test_a_strategy_sells_no_more_than_it_holds_and_is_not_selling() -> None:
    audit = Audit()
    audit.fill(audit.approve("BUY", "10"))
    audit.approve("SELL", "6")
    audit.approve("SELL", "5")
    assert any("sells 5, momentum has 4" in text for text in audit.told())


def test_an_approval_without_limits_is_a_violation() -> None:
    audit = Audit()
    audit.approve("BUY", "1")
    fresh = RiskAudit("USDT", Truth(), audit.found)
    decision = audit.journal.entries[-1]
    assert isinstance(decision.event, LedgerEvent)
    fresh.apply(decision.sequence, decision.event)
    assert "without limits" in audit.found.limits.told[0]


@pytest.mark.parametrize("loses", ["fold", "truth"])
def test_a_reservation_on_one_side_only_is_named(loses: str) -> None:
    audit = Audit()
    verdict = audit.approve("BUY", "1")
    audit.told()
    if loses == "fold":
        audit.journal.state.exposure._working.clear()
    else:
        del audit.truth.orders[verdict.client_order_id]
    audit.risk.compare(9, audit.journal.state)
    assert "may still fill" in audit.found.reservations.told[0]
