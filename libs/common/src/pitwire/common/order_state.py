"""The life of one order: listed transitions only, every distinct fill booked, nothing concluded from silence.

Reports may come early, late, twice and out of order. A fill is money and is always booked; where it should not have
come, it is also flagged. UNKNOWN ends only by word of the venue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from pitwire.common.enums import ExecType, OrderStatus, OrderType, Side, TimeInForce
from pitwire.common.errors import InvariantBroken
from pitwire.common.fills import Fill, fill_of
from pitwire.common.money import MONEY, ZERO, canonical, difference, product, total
from pitwire.common.order_transitions import TRANSITIONS, Anomaly, AnomalyCode, Step
from pitwire.common.positions import with_amount
from pitwire.common.schemas.execution import ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import Approved


@dataclass(frozen=True, slots=True)
class OrderState:
    """One order as the journal tells it. `cost` is the sum of last_quantity x last_price, so the average is exact."""

    client_order_id: str
    account: str
    strategy: str
    instrument_id: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    venue: str
    venue_account: str
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    is_reduction: bool = False
    external: bool = False
    intent_no: int = 0
    created_ns: int = 0
    status: OrderStatus = OrderStatus.PENDING_NEW
    submitted: bool = False
    seen_at_venue: bool = False
    cancel_requested: bool = False
    cum_quantity: Decimal = ZERO
    venue_cum_quantity: Decimal = ZERO
    cost: Decimal = ZERO
    fees: tuple[tuple[str, Decimal], ...] = ()
    venue_order_id: str = ""
    updated_ns: int = 0

    @property
    def is_active(self) -> bool:
        """It may still fill: approved, in flight, working or in doubt."""
        return not self.status.is_terminal

    @property
    def is_filled(self) -> bool:
        return self.cum_quantity >= self.quantity

    @property
    def leaves_quantity(self) -> Decimal:
        """FIX 151: open for further execution; 0 once terminal."""
        if self.status.is_terminal or self.is_filled:
            return ZERO
        return difference(self.quantity, self.cum_quantity)

    @property
    def unbooked_quantity(self) -> Decimal:
        """Filled at the venue by its own count, but its trades have not come yet."""
        return max(difference(self.venue_cum_quantity, self.cum_quantity), ZERO)

    @property
    def open_quantity(self) -> Decimal:
        """What a limit must still count: everything left while active, afterwards what the venue filled unseen."""
        return self.leaves_quantity if self.is_active else self.unbooked_quantity

    @property
    def is_settled(self) -> bool:
        """Terminal and every fill the venue counted is booked."""
        return not self.is_active and not self.unbooked_quantity

    @property
    def average_price(self) -> Decimal | None:
        """FIX 6 at 34 digits; None before the first fill."""
        return MONEY.divide(self.cost, self.cum_quantity) if self.cum_quantity else None

    @classmethod
    def of_approval(cls, approved: Approved, *, venue: str, created_ns: int) -> OrderState:
        intent = approved.intent
        return cls(
            client_order_id=approved.client_order_id,
            account=intent.account,
            strategy=intent.strategy,
            instrument_id=intent.instrument_id,
            side=intent.side,
            order_type=intent.order_type,
            quantity=intent.quantity,
            venue=venue,
            venue_account=approved.venue_account,
            limit_price=intent.limit_price,
            stop_price=intent.stop_price,
            time_in_force=intent.time_in_force,
            reduce_only=intent.reduce_only,
            is_reduction=approved.is_reduction,
            intent_no=intent.intent_no,
            created_ns=created_ns,
        )

    @classmethod
    def of_submitting(cls, event: Submitting) -> OrderState:
        """An order about to be sent that no approval explains: it is counted all the same."""
        return cls(
            client_order_id=event.client_order_id,
            account=event.account,
            strategy=event.strategy,
            instrument_id=event.instrument_id,
            side=event.side,
            order_type=event.order_type,
            quantity=event.quantity,
            venue=event.venue,
            venue_account=event.venue_account,
            limit_price=event.limit_price,
            stop_price=event.stop_price,
            time_in_force=event.time_in_force,
            intent_no=event.intent_no,
            created_ns=event.ts_ns,
        )

    @classmethod
    def of_unknown(cls, report: ExecReport) -> OrderState:
        """An order that only the venue knew: adopted before its first report is applied."""
        return cls(
            client_order_id=report.client_order_id,
            account=report.account,
            strategy=report.strategy,
            instrument_id=report.instrument_id,
            side=report.side,
            order_type=report.order_type or (OrderType.LIMIT if report.limit_price else OrderType.MARKET),
            quantity=max(report.order_quantity, total(report.cum_quantity, report.leaves_quantity)),
            venue=report.venue,
            venue_account=report.venue_account,
            limit_price=report.limit_price,
            stop_price=report.stop_price,
            external=True,
            submitted=True,
            created_ns=report.ts_ns,
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """The order after one event, what it booked (a correction books a reversal, then the trade), what was odd."""

    order: OrderState
    booked: Fill | None = None
    anomalies: tuple[Anomaly, ...] = ()
    reversal: Fill | None = None

    @property
    def fills(self) -> tuple[Fill, ...]:
        return tuple(fill for fill in (self.reversal, self.booked) if fill is not None)


def apply(order: OrderState, report: ExecReport, *, original: Fill | None = None) -> Applied:
    """One report, which the caller has found not to be a repetition (`BookedTrades`).

    `original` is the booked trade that a TRADE_CANCEL or TRADE_CORRECT is about.
    """
    if report.client_order_id != order.client_order_id:
        msg = f"report for {report.client_order_id} applied to order {order.client_order_id}"
        raise InvariantBroken(msg)
    if report.instrument_id != order.instrument_id or report.side is not order.side:
        return _mismatched(order, report)
    if report.exec_type is ExecType.TRADE:
        return _traded(order, report)
    if report.exec_type in {ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT}:
        return _reversed(order, report, original)
    step = _step_of(order, report)
    if step is None:
        return Applied(order)
    status = next_status(order, step)
    anomalies = _second_venue_order(order, report)
    if status is None:
        anomalies += (_illegal(order, step),)
    progressed = _progressed(
        order,
        report,
        status=status or order.status,
        cum_quantity=order.cum_quantity,
        cost=order.cost,
        fees=order.fees,
        seen=step in _TOLD_BY_VENUE,
    )
    return Applied(progressed, anomalies=anomalies)


def submitting(order: OrderState, event: Submitting) -> Applied:
    """Execution is about to send it. A second time is flagged and ignored, another content than approved is flagged."""
    if order.submitted or order.status.is_terminal:
        return Applied(order, anomalies=(_odd(AnomalyCode.SECOND_SUBMITTING, order, f"while {order.status}"),))
    approved = (order.instrument_id, order.side, order.order_type, order.limit_price, order.stop_price)
    asked = (event.instrument_id, event.side, event.order_type, event.limit_price, event.stop_price)
    anomalies: tuple[Anomaly, ...] = ()
    if approved != asked or event.quantity > order.quantity:
        anomalies = (_odd(AnomalyCode.MISMATCH, order, "what is submitted is not what was approved"),)
    return Applied(replace(order, submitted=True, updated_ns=event.ts_ns), anomalies=anomalies)


def not_sent(order: OrderState, event: NotSent) -> Applied:
    """Execution did not send it; believed only while nothing hints that the venue ever saw it."""
    status = next_status(order, Step.NOT_SENT)
    if status is None:
        return Applied(order, anomalies=(_illegal(order, Step.NOT_SENT),))
    return Applied(replace(order, status=status, updated_ns=event.ts_ns))


def cancel_requested(order: OrderState) -> OrderState:
    """A cancel was approved: PENDING_CANCEL until the venue confirms; in doubt it stays UNKNOWN."""
    status = next_status(order, Step.CANCEL_ASKED)
    return replace(order, cancel_requested=True, status=status or order.status)


def next_status(order: OrderState, step: Step) -> OrderStatus | None:
    """The status after `step` by the table; None where the step is not allowed."""
    to = TRANSITIONS[order.status].get(step)
    if step is Step.NOT_SENT and order.seen_at_venue:
        return None
    if order.status is OrderStatus.UNKNOWN and to in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}:
        if order.cancel_requested:
            return OrderStatus.PENDING_CANCEL
        return OrderStatus.PARTIALLY_FILLED if order.cum_quantity else to
    return to


def _traded(order: OrderState, report: ExecReport) -> Applied:
    if not report.last_quantity or not report.last_price:
        return Applied(order, anomalies=(_odd(AnomalyCode.EMPTY_FILL, order, "a trade without quantity or price"),))
    anomalies = _second_venue_order(order, report)
    fill = fill_of(report, strategy=order.strategy)
    if report.fee and report.fee_currency is None:
        anomalies += (_odd(AnomalyCode.FEE_WITHOUT_CURRENCY, order, f"booked in {fill.fee_currency}"),)
    cum_quantity = total(order.cum_quantity, fill.quantity)
    if order.status.is_terminal and cum_quantity > order.venue_cum_quantity:
        anomalies += (_odd(AnomalyCode.FILL_AFTER_TERMINAL, order, f"trade {fill.trade_id} while {order.status}"),)
    if cum_quantity > order.quantity:
        told = f"{canonical(cum_quantity)} of {canonical(order.quantity)} after {fill.trade_id}"
        anomalies += (_odd(AnomalyCode.OVERFILL, order, told),)
    status = next_status(order, Step.ALL_FILLED if cum_quantity >= order.quantity else Step.PART_FILLED)
    filled = _progressed(
        order,
        report,
        status=status or order.status,
        cum_quantity=cum_quantity,
        cost=total(order.cost, product(fill.quantity, fill.price)),
        fees=with_amount(order.fees, fill.fee_currency, fill.fee),
        seen=True,
    )
    return Applied(filled, fill, anomalies)


def _reversed(order: OrderState, report: ExecReport, original: Fill | None) -> Applied:
    if original is None:
        return Applied(order, anomalies=(_odd(AnomalyCode.UNKNOWN_TRADE, order, f"trade {report.trade_id}"),))
    reversal = original.reversed(ts_event_ns=report.ts_event_ns)
    anomalies = (_odd(AnomalyCode.TRADE_REVERSED, order, f"trade {report.trade_id} by {report.exec_type}"),)
    taken = replace(
        order,
        cum_quantity=difference(order.cum_quantity, original.quantity),
        venue_cum_quantity=difference(order.venue_cum_quantity, original.quantity),
        cost=difference(order.cost, product(original.quantity, original.price)),
        fees=with_amount(order.fees, original.fee_currency, reversal.signed_fee),
        updated_ns=report.ts_event_ns,
    )
    if taken.status is OrderStatus.PARTIALLY_FILLED and not taken.cum_quantity:
        taken = replace(taken, status=OrderStatus.NEW)
    if report.exec_type is ExecType.TRADE_CANCEL or not report.last_quantity:
        return Applied(taken, None, anomalies, reversal)
    corrected = _traded(taken, report)
    late = tuple(a for a in corrected.anomalies if a.code is not AnomalyCode.FILL_AFTER_TERMINAL)
    return Applied(corrected.order, corrected.booked, anomalies + late, reversal)


def _mismatched(order: OrderState, report: ExecReport) -> Applied:
    """Another instrument or side than the order's: a trade is booked as the venue tells it, the order stays."""
    told = f"{report.exec_type} tells {report.side} {report.instrument_id}, order is {order.side} {order.instrument_id}"
    anomalies = (_odd(AnomalyCode.MISMATCH, order, told),)
    if report.exec_type is ExecType.TRADE and report.last_quantity and report.last_price:
        return Applied(order, fill_of(report, strategy=order.strategy), anomalies)
    return Applied(order, anomalies=anomalies)


def _second_venue_order(order: OrderState, report: ExecReport) -> tuple[Anomaly, ...]:
    if report.venue_order_id and order.venue_order_id and report.venue_order_id != order.venue_order_id:
        told = f"{report.venue_order_id} besides {order.venue_order_id}"
        return (_odd(AnomalyCode.SECOND_VENUE_ORDER, order, told),)
    return ()


def _progressed(
    order: OrderState,
    report: ExecReport,
    *,
    status: OrderStatus,
    cum_quantity: Decimal,
    cost: Decimal,
    fees: tuple[tuple[str, Decimal], ...],
    seen: bool,
) -> OrderState:
    """The order with what a report moved. Spelled out field by field: `replace` takes three times as long."""
    venue_cum = max(order.venue_cum_quantity, report.cum_quantity, cum_quantity)
    if report.exec_type is ExecType.STATUS and report.order_status is OrderStatus.FILLED:
        venue_cum = max(venue_cum, order.quantity)
    return OrderState(
        order.client_order_id,
        order.account,
        order.strategy,
        order.instrument_id,
        order.side,
        order.order_type,
        order.quantity,
        order.venue,
        order.venue_account,
        order.limit_price,
        order.stop_price,
        order.time_in_force,
        order.reduce_only,
        order.is_reduction,
        order.external,
        order.intent_no,
        order.created_ns,
        status,
        order.submitted,
        order.seen_at_venue or seen,
        order.cancel_requested,
        cum_quantity,
        venue_cum,
        cost,
        fees,
        order.venue_order_id or report.venue_order_id,
        report.ts_event_ns,
    )


_TOLD_BY_VENUE: Final = frozenset({Step.ACKED, Step.PART_FILLED, Step.ALL_FILLED, Step.CANCELED, Step.EXPIRED})
_STEP_OF_TYPE: Final = {
    ExecType.NEW: Step.ACKED,
    ExecType.CANCELED: Step.CANCELED,
    ExecType.EXPIRED: Step.EXPIRED,
    ExecType.REJECTED: Step.REJECTED,
    ExecType.UNKNOWN: Step.IN_DOUBT,
}
_STEP_OF_STATUS: Final = {
    OrderStatus.NEW: Step.ACKED,
    OrderStatus.PARTIALLY_FILLED: Step.PART_FILLED,
    OrderStatus.PENDING_CANCEL: Step.CANCEL_ASKED,
    OrderStatus.UNKNOWN: Step.IN_DOUBT,
    OrderStatus.CANCELED: Step.CANCELED,
    OrderStatus.EXPIRED: Step.EXPIRED,
    OrderStatus.REJECTED: Step.REJECTED,
    # Filled by the venue's count: FILLED here only when every trade is booked, so that nothing is released too early.
    OrderStatus.FILLED: Step.PART_FILLED,
}


def _step_of(order: OrderState, report: ExecReport) -> Step | None:
    if report.exec_type is not ExecType.STATUS:
        return _STEP_OF_TYPE[report.exec_type]
    step = _STEP_OF_STATUS.get(report.order_status)
    return Step.ALL_FILLED if step is Step.PART_FILLED and order.is_filled else step


def _illegal(order: OrderState, step: Step) -> Anomaly:
    """A step the table does not list; worse where the venue knows an order that had been given up as never placed."""
    alive = step in _TOLD_BY_VENUE and order.status in {OrderStatus.REJECTED, OrderStatus.NOT_SENT}
    code = AnomalyCode.ALIVE_AFTER_END if alive else AnomalyCode.ILLEGAL_TRANSITION
    return _odd(code, order, f"{step} while {order.status}")


def _odd(code: AnomalyCode, order: OrderState, detail: str) -> Anomaly:
    return Anomaly(code, order.strategy, order.client_order_id, detail)
