"""The orders of one account: every journal event about them, to the fills it books and the exposure it leaves."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from pitwire.common.enums import ExecType, Side
from pitwire.common.fills import BookedTrades, Fill, fill_of, trade_key
from pitwire.common.ids import venue_of
from pitwire.common.instruments import assets_of
from pitwire.common.money import ZERO, on_wire_up, product
from pitwire.common.order_state import (
    Applied,
    OrderState,
    apply,
    cancel_requested,
    not_sent,
    submitting,
)
from pitwire.common.order_transitions import Anomaly, AnomalyCode
from pitwire.common.portfolio.exposure import Exposure
from pitwire.common.portfolio.rows import order_of, order_row
from pitwire.common.schemas.execution import ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import Approved

EVENTS_KEPT: Final = 1_000
"""A settled order is forgotten this many fold events later; a fill that comes still later is booked by what it says."""

_TRADES: Final = frozenset({ExecType.TRADE, ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT})


@dataclass(slots=True)
class Changes:
    """What one step of the fold did, in order: for alerts, strategies and rows."""

    orders: list[OrderState] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)

    def note(self, order: OrderState | None, applied: Applied) -> None:
        if order is not applied.order:
            self.orders.append(applied.order)
        self.fills.extend(applied.fills)
        self.anomalies.extend(applied.anomalies)


class Orders:
    """Orders by client_order_id, their reservations, and the trades that are booked."""

    __slots__ = ("_by_id", "_retiring", "exposure", "trades")

    def __init__(self) -> None:
        self._by_id: dict[str, OrderState] = {}
        self._retiring: deque[tuple[int, str]] = deque()
        self.exposure = Exposure()
        self.trades = BookedTrades()

    def get(self, client_order_id: str) -> OrderState | None:
        return self._by_id.get(client_order_id)

    def all(self) -> tuple[OrderState, ...]:
        """Active and not yet forgotten orders, oldest first."""
        return tuple(self._by_id.values())

    def know(self, order: OrderState) -> None:
        """Takes over an order as it stands, without its reservation: for readers that keep rows instead of a fold."""
        self._by_id[order.client_order_id] = order

    def approve(self, approved: Approved, *, ts_ns: int, changes: Changes) -> bool:
        """Takes an approval with its reservation; False where the id was approved before."""
        if approved.client_order_id in self._by_id:
            return False
        venue = venue_of(approved.intent.instrument_id)
        order = OrderState.of_approval(approved, venue=venue, created_ns=ts_ns)
        held = approved.reservation
        self._by_id[order.client_order_id] = order
        self.exposure.hold(order, asset=held.asset, worst_price=held.worst_price, amount=held.amount)
        changes.orders.append(order)
        return True

    def request_cancel(self, client_order_id: str, changes: Changes) -> None:
        order = self._by_id.get(client_order_id)
        if order is not None:
            self._keep(order, Applied(cancel_requested(order)), changes)

    def on_submitting(self, event: Submitting, mark_price: Decimal | None, changes: Changes) -> None:
        order = self._by_id.get(event.client_order_id)
        if order is None:
            order = OrderState.of_submitting(event)
            changes.anomalies.append(_odd(AnomalyCode.UNAPPROVED_ORDER, event, "submitted without an approval"))
            self._adopt(order, mark_price)
        self._keep(order, submitting(order, event), changes)

    def on_not_sent(self, event: NotSent, changes: Changes) -> None:
        order = self._by_id.get(event.client_order_id)
        if order is None:
            changes.anomalies.append(
                _odd(AnomalyCode.UNAPPROVED_ORDER, event, f"NotSent {event.reason}, never approved")
            )
            return
        self._keep(order, not_sent(order, event), changes)

    def on_report(self, report: ExecReport, mark_price: Decimal | None, changes: Changes) -> None:
        """One report: repeated trades change nothing, orders only the venue knew are adopted and counted."""
        key = trade_key(report) if report.exec_type in _TRADES else ""
        if report.exec_type is ExecType.TRADE and not self._is_new(key, report, changes):
            return
        order = self._by_id.get(report.client_order_id)
        if order is None:
            order = self._adopted(report, mark_price, changes)
        original = self.trades.find(key) if key else None
        if order is not None:
            self._keep(order, apply(order, report, original=original), changes)
            return
        if report.exec_type is ExecType.TRADE and report.last_quantity and report.last_price:
            self._book(fill_of(report), changes)
        elif original is not None:
            self._book(original.reversed(ts_event_ns=report.ts_event_ns), changes)
            if report.exec_type is ExecType.TRADE_CORRECT:
                self._book(fill_of(report, strategy=original.strategy), changes)

    def _is_new(self, key: str, report: ExecReport, changes: Changes) -> bool:
        if key in self.trades:
            booked = self.trades.find(key)
            told = (report.last_quantity, report.last_price, report.fee)
            if booked is not None and (booked.quantity, booked.price, booked.fee) != told:
                changes.anomalies.append(
                    _odd(AnomalyCode.TRADE_CONFLICT, report, f"{key} told again with other figures")
                )
            return False
        if self.trades.is_too_old(key):
            changes.anomalies.append(
                _odd(AnomalyCode.TRADE_TOO_OLD, report, f"{key}: not booked, check with the venue")
            )
            return False
        return True

    def _adopted(self, report: ExecReport, mark_price: Decimal | None, changes: Changes) -> OrderState | None:
        """An order of its own for a report about none we know; None where nothing of it is left to fill."""
        if report.exec_type in {ExecType.NEW, ExecType.STATUS, ExecType.UNKNOWN}:
            is_open = not report.order_status.is_terminal
        else:
            is_open = report.exec_type is ExecType.TRADE and report.leaves_quantity > ZERO
        if not is_open:
            if report.exec_type in _TRADES:
                late = AnomalyCode.EXTERNAL_ORDER if report.external else AnomalyCode.LATE_FILL
                changes.anomalies.append(_odd(late, report, f"{report.exec_type} of an order not in the books"))
            return None
        code = AnomalyCode.EXTERNAL_ORDER if report.external else AnomalyCode.UNAPPROVED_ORDER
        changes.anomalies.append(_odd(code, report, f"{report.side} {report.instrument_id} found at {report.venue}"))
        order = OrderState.of_unknown(report)
        self._adopt(order, mark_price or report.average_price or report.last_price or None)
        return order

    def _adopt(self, order: OrderState, mark_price: Decimal | None) -> None:
        self._by_id[order.client_order_id] = order
        base, quote = assets_of(order.instrument_id)
        prices = [price for price in (order.limit_price, order.stop_price, mark_price) if price is not None]
        worst_price = order.limit_price if order.side is Side.BUY and order.limit_price else max(prices, default=ZERO)
        buys = order.side is Side.BUY
        amount = on_wire_up(product(order.quantity, worst_price)) if buys else order.quantity
        self.exposure.hold(order, asset=quote if buys else base, worst_price=worst_price, amount=amount)

    def _keep(self, before: OrderState, applied: Applied, changes: Changes) -> None:
        changes.note(before, applied)
        for fill in applied.fills:
            self.trades.put(fill)
        order = applied.order
        if order is not before:
            self._by_id[order.client_order_id] = order
            self.exposure.follow(order)

    def _book(self, fill: Fill, changes: Changes) -> None:
        self.trades.put(fill)
        changes.fills.append(fill)

    def retire(self, changed: Iterable[OrderState], event_no: int) -> None:
        """Forgets what was settled `EVENTS_KEPT` events ago and notes what settled now."""
        while self._retiring and self._retiring[0][0] + EVENTS_KEPT <= event_no:
            order = self._by_id.get(self._retiring.popleft()[1])
            if order is not None and order.is_settled:
                del self._by_id[order.client_order_id]
                self.exposure.forget(order.client_order_id)
        for order in changed:
            if order.is_settled:
                self._retiring.append((event_no, order.client_order_id))

    def snapshot(self) -> dict[str, Any]:
        return {
            "orders": [order_row(order) for order in self._by_id.values()],
            "held": self.exposure.snapshot(),
            "trades": self.trades.snapshot(),
            "retiring": [list(entry) for entry in self._retiring],
        }

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Orders:
        orders = cls()
        for row in data["orders"]:
            order = order_of(row)
            orders._by_id[order.client_order_id] = order
        orders.exposure.restore(orders._by_id, data["held"])
        orders.trades = BookedTrades.restore(data["trades"])
        orders._retiring.extend((event_no, client_order_id) for event_no, client_order_id in data["retiring"])
        return orders


def _odd(code: AnomalyCode, event: ExecReport | Submitting | NotSent, detail: str) -> Anomaly:
    return Anomaly(code, event.strategy, event.client_order_id, detail)
