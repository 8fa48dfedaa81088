"""Rows of orders and their story: the common order states, loaded from rows, moved by events, stored back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import orjson

from pitwire.common.enums import Liquidity, OrderStatus, OrderType, Side, TimeInForce
from pitwire.common.fills import Fill
from pitwire.common.order_state import OrderState
from pitwire.common.order_transitions import Anomaly
from pitwire.common.portfolio.exposure import Exposure
from pitwire.common.portfolio.orders import Changes, Orders
from pitwire.common.schemas.execution import ExecEvent, ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import Approved, CancelApproved, RiskDecision
from pitwire.persistence.core.entries import decimals_text, storable
from pitwire.persistence.core.trading_rows import FillRow, OrderHistoryRow, OrderRow


@dataclass(slots=True)
class Story:
    """What a row keeps of an order besides its state."""

    reservation_asset: str | None = None
    reservation_amount: Decimal | None = None
    worst_price: Decimal | None = None
    reason: str = ""
    decision_sequence: int = 0
    submitting_sequence: int = 0
    oms_sequence: int = 0
    trace: str = ""
    valid_until_ns: int = 0
    approved_ns: int = 0
    submitting_ns: int = 0
    acknowledged_ns: int = 0
    first_fill_ns: int = 0
    last_fill_ns: int = 0
    ended_ns: int = 0


def _nothing(*_: object, **__: object) -> None:
    """Does nothing."""


class _NoExposure(Exposure):
    """Rows need no reservations: those are the gate's business."""

    __slots__ = ()

    hold = follow = _nothing


class OrderBook:
    """The orders and trades that one batch is about."""

    def __init__(self, orders: Iterable[OrderRow], trades: Iterable[FillRow]) -> None:
        self.history: list[OrderHistoryRow] = []
        self._orders = Orders()
        self._orders.exposure = _NoExposure()
        self._stories: dict[str, Story] = {}
        self._touched: dict[str, None] = {}
        for row in orders:
            self._orders.know(state_of(row))
            self._stories[row.client_order_id] = _story_of(row)
        for trade in trades:
            self._orders.trades.put(fill_of_row(trade))

    def knows(self, client_order_id: str) -> bool:
        return self._orders.get(client_order_id) is not None

    def approve(self, sequence: int, event_no: int, decision: RiskDecision, approved: Approved) -> None:
        """Takes an approval of an order that is not known yet."""
        self._orders.approve(approved, ts_ns=decision.ts_ns, changes=Changes())
        intent, held = approved.intent, approved.reservation
        self._stories[approved.client_order_id] = Story(
            reservation_asset=held.asset,
            reservation_amount=held.amount,
            worst_price=held.worst_price,
            decision_sequence=sequence,
            trace=storable(intent.trace),
            valid_until_ns=approved.valid_until_ns,
            approved_ns=decision.ts_ns,
        )
        self._tell(approved.client_order_id, sequence, event_no, "APPROVED", decision.ts_ns, reason=intent.reason)

    def request_cancel(self, sequence: int, event_no: int, decision: RiskDecision, cancel: CancelApproved) -> None:
        order = cancel.intent.orig_client_order_id
        if self._orders.get(order) is None:
            return
        self._orders.request_cancel(order, Changes())
        self._tell(order, sequence, event_no, "CANCEL_APPROVED", decision.ts_ns, reason=cancel.intent.reason)

    def on_exec(self, sequence: int, event: ExecEvent) -> Changes:
        """One execution event; the changes name the fills it booked."""
        changes = Changes()
        order_id, before = event.client_order_id, self._orders.get(event.client_order_id)
        if isinstance(event, Submitting):
            self._orders.on_submitting(event, None, changes)
            told, happened_ns, reason = "SUBMITTING", event.ts_ns, ""
        elif isinstance(event, NotSent):
            self._orders.on_not_sent(event, changes)
            told, happened_ns, reason = "NOT_SENT", event.ts_ns, f"{event.reason} {event.detail}".strip()
        elif isinstance(event, ExecReport):
            self._orders.on_report(event, None, changes)
            told, happened_ns, reason = event.exec_type.value, event.ts_event_ns, event.reason
        else:
            return changes
        order = self._orders.get(order_id)
        if order is None:
            return changes
        story = self._stories.setdefault(order_id, Story(trace=storable(event.trace)))
        _note(story, sequence, event, before, order, changes.fills)
        trade_id = (event.trade_id or None) if isinstance(event, ExecReport) else None
        self._tell(
            order_id, sequence, 1, told, happened_ns, reason=reason, trade_id=trade_id, anomalies=changes.anomalies
        )
        return changes

    def rows(self) -> list[OrderRow]:
        """Every order that an event touched, as it stands now."""
        return [_row(state, self._stories[name]) for name in self._touched if (state := self._orders.get(name))]

    def _tell(
        self,
        client_order_id: str,
        sequence: int,
        event_no: int,
        told: str,
        happened_ns: int,
        *,
        reason: str = "",
        trade_id: str | None = None,
        anomalies: Iterable[Anomaly] = (),
    ) -> None:
        order = self._orders.get(client_order_id)
        if order is None:
            return
        self._touched[client_order_id] = None
        story = self._stories.setdefault(client_order_id, Story())
        story.oms_sequence = sequence
        self.history.append(
            OrderHistoryRow(
                client_order_id=client_order_id,
                oms_sequence=sequence,
                event_no=event_no,
                account=order.account,
                event=told,
                order_status=order.status.value,
                cum_quantity=order.cum_quantity,
                trade_id=trade_id,
                anomalies=[storable(f"{anomaly.code}: {anomaly.detail}") for anomaly in anomalies],
                reason=storable(reason),
                happened_ns=happened_ns,
            )
        )


def _note(
    story: Story, sequence: int, event: ExecEvent, before: OrderState | None, order: OrderState, fills: list[Fill]
) -> None:
    if isinstance(event, Submitting) and not story.submitting_sequence:
        story.submitting_sequence, story.submitting_ns = sequence, event.ts_ns
    if isinstance(event, ExecReport):
        if order.seen_at_venue and not story.acknowledged_ns:
            story.acknowledged_ns = event.ts_event_ns
        if any(not fill.is_reversal for fill in fills):
            story.first_fill_ns = story.first_fill_ns or event.ts_event_ns
            story.last_fill_ns = event.ts_event_ns
        happened_ns, reason = event.ts_event_ns, event.reason
    else:
        happened_ns = event.ts_ns
        reason = f"{event.reason} {event.detail}".strip() if isinstance(event, NotSent) else ""
    if order.status.is_terminal and not (before is not None and before.status.is_terminal):
        story.ended_ns = happened_ns
    if reason:
        story.reason = reason


def state_of(row: OrderRow) -> OrderState:
    """The state that `_row` stored."""
    return OrderState(
        client_order_id=row.client_order_id,
        account=row.account,
        strategy=row.strategy,
        instrument_id=row.instrument_id,
        side=Side(row.side),
        order_type=OrderType(row.order_type),
        quantity=row.quantity,
        venue=row.venue,
        venue_account=row.venue_account,
        limit_price=row.limit_price,
        stop_price=row.stop_price,
        time_in_force=TimeInForce(row.time_in_force),
        reduce_only=row.reduce_only,
        is_reduction=row.is_reduction,
        external=row.external,
        intent_no=row.intent_no,
        created_ns=row.approved_ns or row.submitting_ns or row.acknowledged_ns,
        status=OrderStatus(row.order_status),
        submitted=row.submitted,
        seen_at_venue=row.seen_at_venue,
        cancel_requested=row.cancel_requested,
        cum_quantity=row.cum_quantity,
        venue_cum_quantity=row.venue_cum_quantity,
        cost=row.cost,
        fees=tuple((asset, Decimal(amount)) for asset, amount in orjson.loads(row.fees).items()),
        venue_order_id=row.venue_order_id,
        updated_ns=row.ended_ns or row.last_fill_ns or row.acknowledged_ns,
    )


def _story_of(row: OrderRow) -> Story:
    return Story(
        reservation_asset=row.reservation_asset,
        reservation_amount=row.reservation_amount,
        worst_price=row.worst_price,
        reason=row.reason,
        decision_sequence=row.decision_sequence,
        submitting_sequence=row.submitting_sequence,
        oms_sequence=row.oms_sequence,
        trace=row.trace,
        valid_until_ns=row.valid_until_ns,
        approved_ns=row.approved_ns,
        submitting_ns=row.submitting_ns,
        acknowledged_ns=row.acknowledged_ns,
        first_fill_ns=row.first_fill_ns,
        last_fill_ns=row.last_fill_ns,
        ended_ns=row.ended_ns,
    )


def _row(order: OrderState, story: Story) -> OrderRow:
    return OrderRow(
        client_order_id=order.client_order_id,
        account=order.account,
        strategy=order.strategy,
        intent_no=order.intent_no,
        instrument_id=order.instrument_id,
        venue=order.venue,
        venue_account=order.venue_account,
        venue_order_id=storable(order.venue_order_id),
        side=order.side.value,
        order_type=order.order_type.value,
        time_in_force=order.time_in_force.value,
        quantity=order.quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        reduce_only=order.reduce_only,
        is_reduction=order.is_reduction,
        external=order.external,
        order_status=order.status.value,
        submitted=order.submitted,
        seen_at_venue=order.seen_at_venue,
        cancel_requested=order.cancel_requested,
        cum_quantity=order.cum_quantity,
        venue_cum_quantity=order.venue_cum_quantity,
        leaves_quantity=order.leaves_quantity,
        cost=order.cost,
        average_price=order.average_price,
        fees=decimals_text(order.fees),
        reservation_asset=story.reservation_asset,
        reservation_amount=story.reservation_amount,
        worst_price=story.worst_price,
        reason=storable(story.reason),
        decision_sequence=story.decision_sequence,
        submitting_sequence=story.submitting_sequence,
        oms_sequence=story.oms_sequence,
        trace=story.trace,
        valid_until_ns=story.valid_until_ns,
        approved_ns=story.approved_ns,
        submitting_ns=story.submitting_ns,
        acknowledged_ns=story.acknowledged_ns,
        first_fill_ns=story.first_fill_ns,
        last_fill_ns=story.last_fill_ns,
        ended_ns=story.ended_ns,
    )


def fill_of_row(row: FillRow) -> Fill:
    """The booked trade, or its reversal, that a row of `fills` keeps."""
    return Fill(
        account=row.account,
        strategy=row.strategy,
        client_order_id=row.client_order_id,
        venue=row.venue,
        venue_account=row.venue_account,
        instrument_id=row.instrument_id,
        side=Side(row.side),
        quantity=row.quantity,
        price=row.price,
        fee=row.fee,
        fee_currency=row.fee_currency,
        trade_id=row.trade_id,
        ts_event_ns=row.executed_ns,
        liquidity=Liquidity(row.liquidity) if row.liquidity else None,
        is_reversal=row.is_reversal,
    )
