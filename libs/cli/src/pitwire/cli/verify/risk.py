"""Limits and reservations, worked out again from the plain books at every ledger record."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from pitwire.cli.verify.findings import JournalFindings
from pitwire.cli.verify.truth import Truth
from pitwire.common.enums import Side
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.ledger import (
    Approved,
    LeaderChanged,
    LedgerEvent,
    LimitsApplied,
    MarksRecorded,
    RiskDecision,
)
from pitwire.common.schemas.limits import AccountLimits


class RiskAudit:
    """The gate's limits held against the books that verify keeps itself, verdict by verdict."""

    def __init__(self, quote: str, truth: Truth, findings: JournalFindings) -> None:
        self._quote = quote
        self._truth = truth
        self._found = findings
        self._limits: AccountLimits | None = None
        self._marks: dict[str, Fraction] = {}

    def apply(self, sequence: int, record: LedgerEvent | LeaderChanged) -> None:
        """The next ledger record, after everything it covers."""
        if isinstance(record, LimitsApplied):
            self._limits = record.limits
        if isinstance(record, MarksRecorded | RiskDecision):
            for mark in record.marks:
                self._marks[mark.instrument_id] = Fraction(mark.mark_price)
        if isinstance(record, RiskDecision):
            for verdict in record.verdicts:
                if isinstance(verdict, Approved):
                    self._judge(sequence, verdict)
                    self._trusted(sequence, record, verdict)
                    self._truth.approve(verdict)

    def compare(self, sequence: int, state: AccountState) -> None:
        """The fold's reservations against the plain sum over orders that may still fill."""
        open_now: dict[tuple[str, Side], Fraction] = {}
        for order in self._truth.orders.values():
            if order.open_quantity:
                place = (order.instrument_id, order.side)
                open_now[place] = open_now.get(place, Fraction(0)) + order.open_quantity
        for name in state.exposure.instruments:
            for side in Side:
                held = Fraction(state.exposure.working(name, side).quantity)
                due = open_now.pop((name, side), Fraction(0))
                adopted = self._adopted(state, name, side)
                self._found.reservations.require(
                    held == due + adopted,
                    f"at {sequence} {side} {name}: {float(held):g} reserved, {float(due + adopted):g} may still fill",
                )
        for (name, side), due in open_now.items():
            self._found.reservations.add(f"at {sequence} {side} {name}: 0 reserved, {float(due):g} may still fill")
        self._truth.forget_settled()

    def _adopted(self, state: AccountState, instrument_id: str, side: Side) -> Fraction:
        """Orders that only the venue knew: nobody approved them, so the plain books have none."""
        found = (
            order
            for order in state.working_orders()
            if order.instrument_id == instrument_id and order.side is side and order.external
        )
        return sum((Fraction(order.open_quantity) for order in found), Fraction(0))

    def _judge(self, sequence: int, approved: Approved) -> None:
        limits = self._limits
        if limits is None:
            self._found.limits.add(f"{approved.client_order_id}: approved at {sequence} without limits")
            return
        name, intent, held = approved.client_order_id, approved.intent, approved.reservation
        place = f"{name} at {sequence}"
        if not approved.is_reduction:
            value = Fraction(intent.quantity) * Fraction(held.worst_price)
            self._most(f"{place}: order value", value, limits.order_value_max)
        self._position(place, approved, limits)
        self._affordable(place, approved)
        if intent.side is Side.SELL:
            self._holds(place, approved)

    def _trusted(self, sequence: int, decision: RiskDecision, approved: Approved) -> None:
        for doubt in decision.doubts:
            self._found.doubted.require(
                approved.is_reduction or doubt.instrument_id != approved.intent.instrument_id,
                f"{approved.client_order_id} at {sequence}: approved, though {doubt.reason}",
            )

    def _position(self, place: str, approved: Approved, limits: AccountLimits) -> None:
        intent, held = approved.intent, approved.reservation
        mark = self._marks.get(intent.instrument_id)
        if mark is None or intent.instrument_id.rpartition(".")[0].partition("-")[2] != self._quote:
            return
        holding = self._truth.holdings.get(("*", intent.instrument_id))
        net = holding.quantity if holding else Fraction(0)
        towards = net if intent.side is Side.BUY else -net
        same = [
            order
            for order in self._truth.orders.values()
            if order.instrument_id == intent.instrument_id and order.side is intent.side
        ]
        working = sum((order.open_quantity for order in same), Fraction(0))
        value = sum((order.open_value for order in same), Fraction(0))
        quantity = Fraction(intent.quantity)
        after = towards + working + quantity
        if after > 0:
            at_worst = towards * mark + value + quantity * Fraction(held.worst_price)
            self._most(f"{place}: position", max(after * mark, at_worst), limits.position_value_max)

    def _affordable(self, place: str, approved: Approved) -> None:
        held = approved.reservation
        owned = self._truth.balances.get((approved.venue_account, held.asset), Fraction(0))
        reserved = sum(
            (
                order.open_amount
                for order in self._truth.orders.values()
                if order.asset == held.asset and order.venue_account == approved.venue_account
            ),
            Fraction(0),
        )
        free = owned - reserved
        self._found.limits.require(
            Fraction(held.amount) <= free, f"{place}: reserves {held.amount} {held.asset}, {float(free):g} is free"
        )

    def _holds(self, place: str, approved: Approved) -> None:
        """On spot a strategy sells no more than its own sub-ledger holds."""
        intent = approved.intent
        holding = self._truth.holdings.get((intent.strategy, intent.instrument_id))
        selling = sum(
            (
                order.open_quantity
                for order in self._truth.orders.values()
                if (order.strategy, order.instrument_id, order.side)
                == (intent.strategy, intent.instrument_id, Side.SELL)
            ),
            Fraction(0),
        )
        free = (holding.quantity if holding else Fraction(0)) - selling
        self._found.limits.require(
            Fraction(intent.quantity) <= free,
            f"{place}: sells {intent.quantity}, {intent.strategy} has {float(free):g}",
        )

    def _most(self, what: str, value: Fraction, limit: Decimal) -> None:
        self._found.limits.require(value <= Fraction(limit), f"{what} {float(value):g} exceeds {limit}")
