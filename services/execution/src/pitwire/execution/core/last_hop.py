"""The last hop: may this approved order leave now, and the two records that say what became of it.

The process that holds the venue's key checks everything again; whatever stands upstream is advice.
"""

from __future__ import annotations

from dataclasses import dataclass

from pitwire.common.enums import NotSentReason, TradingState
from pitwire.common.errors import InvariantBroken
from pitwire.common.order_state import not_sent, submitting
from pitwire.common.schemas.execution import NotSent, Submitting
from pitwire.execution.core.approvals import Setup, listing_fault, new_order
from pitwire.execution.core.held_halts import HeldHalts
from pitwire.execution.core.orders import Entry, Orders
from pitwire.execution.core.telling import UNPLACED
from pitwire.execution.core.venue import NewOrder


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an approved order goes no further."""

    reason: NotSentReason
    detail: str = ""
    halt_ids: tuple[str, ...] = ()


class LastHop:
    """Asked before `Submitting` is made and again when it has come back, so that every halt before it counts."""

    def __init__(self, setup: Setup, halts: HeldHalts, orders: Orders) -> None:
        self._setup = setup
        self._halts = halts
        self._orders = orders

    def refuse(self, client_order_id: str, now_ns: int, *, venue_trouble: str, gate_fresh: bool) -> NotSent | None:
        """Why this approved order must not leave now, as an event queued for the journal; None: it may."""
        entry = self._orders.get(client_order_id)
        if entry is None or entry.approved is None:
            raise InvariantBroken(f"{client_order_id} of {self._setup.account} is not waiting to be sent")
        refusal = self._refusal(entry, now_ns, venue_trouble=venue_trouble, gate_fresh=gate_fresh)
        return self.not_sent(client_order_id, refusal, now_ns) if refusal else None

    def not_sent(self, client_order_id: str, refusal: Refusal, now_ns: int) -> NotSent:
        """That this order goes no further, queued for the journal; only while it is certain that it never left."""
        entry = self._orders.get(client_order_id)
        if entry is None or entry.sent:
            raise InvariantBroken(f"{client_order_id} of {self._setup.account} may have left already")
        event = NotSent(
            account=self._setup.account,
            exec_no=UNPLACED,
            epoch=0,
            strategy=entry.order.strategy,
            client_order_id=client_order_id,
            trace=entry.trace,
            ts_ns=now_ns,
            reason=refusal.reason,
            halt_ids=refusal.halt_ids,
            detail=refusal.detail,
        )
        entry.composed = True
        self._orders.queue(entry, not_sent(entry.told, event).order)
        return event

    def _refusal(self, entry: Entry, now_ns: int, *, venue_trouble: str, gate_fresh: bool) -> Refusal | None:
        order = entry.told
        state, halt_ids = self._halts.state_for(self._setup.account, order.strategy, order.venue, order.instrument_id)
        late_ms = (now_ns - entry.valid_until_ns) // 1_000_000
        unlisted, fault = self._listing(entry)
        reducing = state is TradingState.REDUCING and not order.is_reduction
        refusals = (
            (bool(entry.fault), NotSentReason.INVALID_APPROVAL, entry.fault),
            (state is TradingState.HALTED, NotSentReason.HALTED, ""),
            (reducing, NotSentReason.REDUCING, ""),
            (entry.wants_cancel, NotSentReason.CANCELED_FIRST, ""),
            (late_ms >= 0, NotSentReason.APPROVAL_EXPIRED, f"{late_ms} ms too late"),
            (not gate_fresh, NotSentReason.GATE_SILENT, "the gate that leads this account is not heard"),
            (bool(venue_trouble), NotSentReason.VENUE_UNAVAILABLE, venue_trouble),
            (bool(unlisted), NotSentReason.VENUE_UNAVAILABLE, unlisted),
            (bool(fault), NotSentReason.INVALID_APPROVAL, fault),
        )
        for holds, reason, detail in refusals:
            if holds:
                halts = reason in (NotSentReason.HALTED, NotSentReason.REDUCING)
                return Refusal(reason, detail, halt_ids if halts else ())
        return None

    def _listing(self, entry: Entry) -> tuple[str, str]:
        """That the venue does not list the instrument, and which of its rules the order breaks; empty for neither."""
        instrument = self._setup.instruments.get(entry.told.instrument_id)
        if instrument is None:
            return f"{entry.told.instrument_id} is not listed at {entry.told.venue}", ""
        return "", listing_fault(instrument, entry.approved.intent) if entry.approved else ""

    def wanted(self, client_order_id: str) -> NewOrder:
        """The approved order as the venue is to be asked for it."""
        entry = self._orders.get(client_order_id)
        instrument = self._setup.instruments.get(entry.order.instrument_id) if entry else None
        if entry is None or entry.approved is None or instrument is None:
            raise InvariantBroken(f"{client_order_id} of {self._setup.account} is not waiting to be sent")
        return new_order(entry.approved, instrument)

    def submitting(
        self, order: NewOrder, *, request_hash: str, valid_until_ns: int, trace: str, now_ns: int
    ) -> Submitting:
        """The linearization point of `order`, queued for the journal."""
        entry = self._orders.get(order.client_order_id)
        if entry is None or entry.composed:
            raise InvariantBroken(f"{order.client_order_id} of {self._setup.account} is submitted twice")
        told = entry.told
        event = Submitting(
            account=self._setup.account,
            exec_no=UNPLACED,
            epoch=0,
            strategy=told.strategy,
            client_order_id=order.client_order_id,
            trace=trace or entry.trace,
            ts_ns=now_ns,
            intent_no=told.intent_no,
            decision_sequence=entry.decision_sequence,
            venue=told.venue,
            venue_account=told.venue_account,
            venue_symbol=order.venue_symbol,
            instrument_id=order.instrument_id,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            quantity=order.quantity,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            request_hash=request_hash,
            valid_until_ns=valid_until_ns,
        )
        entry.composed = True
        self._orders.queue(entry, submitting(told, event).order)
        return event

    def sending(self, client_order_id: str) -> None:
        """The request goes on the wire now."""
        entry = self._orders.get(client_order_id)
        if entry is None or entry.sent or not entry.order.submitted:
            raise InvariantBroken(f"{client_order_id} of {self._setup.account} must not be sent (again)")
        entry.sent = entry.awaiting = True
