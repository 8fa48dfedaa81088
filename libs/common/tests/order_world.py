"""One order between execution, wire and venue as explicit states, and every step that may come next.

The real order state machine is inside; execution, wire and venue are a model: the request may be lost, late, accepted
or refused, answers may be lost, repeated and reordered, execution may die between any two steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from pitwire.common.enums import ExecType, OrderStatus, OrderType, Side
from pitwire.common.order_state import OrderState, apply, cancel_requested, not_sent, submitting
from pitwire.common.schemas.execution import ExecReport, NotSent, Submitting

BTC = "BTC-USDT.sim"


@dataclass(frozen=True)
class Bound:
    """How much is explored: lots of the order, faults, messages in flight."""

    quantity: int
    faults_max: int
    messages_max: int


@dataclass(frozen=True)
class World:
    """`wire` is the request between execution and venue; `trades` are the venue's, `booked` are ours."""

    order: OrderState
    bound: Bound
    booked: tuple[int, ...] = ()
    sending: bool = False
    wire: bool = False
    sent: int = 0
    asked: bool = False
    venue: str = "NONE"
    trades: tuple[int, ...] = ()
    messages: tuple[tuple[str, int, int], ...] = ()
    faults: int = 0
    odd: tuple[str, ...] = ()

    @property
    def venue_leaves(self) -> int:
        return self.bound.quantity - len(self.trades) if self.venue == "WORKING" else 0

    @property
    def could_still_fill(self) -> int:
        """The truth that no book here may be below: filled unbooked, working, or still able to arrive at the venue."""
        if self.wire or self.sending:
            return self.bound.quantity
        return len(self.trades) - len(self.booked) + self.venue_leaves

    def say(self, *messages: tuple[str, int, int]) -> World:
        """The venue answers; more than the bound of messages in flight is not explored."""
        return replace(self, messages=tuple(sorted((*self.messages, *messages))))


def approved(bound: Bound) -> World:
    """An order of `bound.quantity` lots at 10 that the gate has approved; every order here is called ID."""
    quantity = Decimal(bound.quantity)
    return World(
        OrderState("ID", "main", "momentum", BTC, Side.BUY, OrderType.LIMIT, quantity, "sim", "acct", Decimal(10)),
        bound,
    )


COMMON = {"account": "main", "exec_no": 1, "epoch": 1, "strategy": "momentum", "client_order_id": "ID", "ts_ns": 1}


def report(kind: str, quantity: int, *, status: str = "NEW", cum: int = 0, trade: int = 0) -> ExecReport:
    return ExecReport.model_validate(
        COMMON
        | {
            "venue": "sim",
            "venue_account": "acct",
            "instrument_id": BTC,
            "side": "BUY",
            "exec_type": kind,
            "order_status": status,
            "order_quantity": str(quantity),
            "trade_id": str(trade) if trade else "",
            "last_quantity": "1" if trade else "0",
            "last_price": "10" if trade else "0",
            "cum_quantity": str(cum),
            "ts_event_ns": 1,
        }
    )


REPORTS: dict[tuple[str, int, str, int, int], ExecReport] = {}


def told(world: World, kind: str, *, status: str = "NEW", cum: int = 0, trade: int = 0) -> World:
    """Execution journals what it was told; the fold takes it as `Orders` does: a known trade changes nothing."""
    if trade and trade in world.booked:
        return world
    quantity = world.bound.quantity
    key = (kind, quantity, status, cum, trade)
    made = REPORTS.get(key) or REPORTS.setdefault(key, report(kind, quantity, status=status, cum=cum, trade=trade))
    applied = apply(world.order, made)
    booked = tuple(sorted((*world.booked, trade))) if applied.booked else world.booked
    odd = tuple(sorted({*world.odd, *(anomaly.code.value for anomaly in applied.anomalies)}))
    return replace(world, order=applied.order, booked=booked, odd=odd)


SUBMITTING_FIELDS = COMMON | {
    "intent_no": 1,
    "decision_sequence": 1,
    "venue": "sim",
    "venue_account": "acct",
    "venue_symbol": "BTCUSDT",
    "instrument_id": BTC,
    "side": "BUY",
    "order_type": "LIMIT",
    "time_in_force": "GTC",
    "limit_price": "10",
    "request_hash": "h",
    "valid_until_ns": 1,
}
SUBMITTED = {n: Submitting.model_validate(SUBMITTING_FIELDS | {"quantity": str(n)}) for n in range(1, 6)}
NOT_SENT = NotSent.model_validate(COMMON | {"reason": "APPROVAL_EXPIRED"})


def execution_steps(world: World) -> Iterator[World]:
    order = world.order
    if not order.submitted and order.status is not OrderStatus.NOT_SENT:
        yield replace(world, order=submitting(order, SUBMITTED[world.bound.quantity]).order, sending=True)
        yield replace(world, order=not_sent(order, NOT_SENT).order)
    if world.sending:
        yield replace(world, sending=False, wire=True, sent=world.sent + 1)
        yield replace(world, sending=False, order=not_sent(order, NOT_SENT).order)
    if order.submitted and not world.sending and order.status is not OrderStatus.UNKNOWN and order.is_active:
        yield told(world, ExecType.UNKNOWN, status="UNKNOWN")
    if order.is_active and not order.cancel_requested:
        yield replace(world, order=cancel_requested(order))
    if order.cancel_requested and order.is_active and order.submitted and not world.asked:
        yield replace(world, asked=True)
    if order.submitted and not world.sending:
        yield from query_answers(world)


def query_answers(world: World) -> Iterator[World]:
    """A query tells the truth of the venue; absence is proof only when the request can arrive no more."""
    if world.venue == "NONE":
        if not world.wire and world.order.status is OrderStatus.UNKNOWN:
            yield told(world, ExecType.REJECTED, status="REJECTED")
        return
    for trade in world.trades:
        if trade not in world.booked:
            yield told(world, ExecType.TRADE, status="PARTIALLY_FILLED", trade=trade, cum=len(world.trades))
    status = {"WORKING": "PARTIALLY_FILLED" if world.trades else "NEW"}.get(world.venue, world.venue)
    yield told(world, ExecType.STATUS, status=status, cum=len(world.trades))


def venue_steps(world: World) -> Iterator[World]:
    if world.wire:
        yield replace(world, wire=False, venue="WORKING").say(("NEW", 0, 0))
        yield replace(world, wire=False, venue="REJECTED").say(("REJECTED", 0, 0))
    if world.venue == "WORKING":
        trade = len(world.trades) + 1
        filled = replace(world, trades=(*world.trades, trade))
        if trade == world.bound.quantity:
            filled = replace(filled, venue="FILLED")
        yield filled.say(("TRADE", trade, trade))
        yield replace(world, venue="EXPIRED").say(("EXPIRED", len(world.trades), 0))
        if world.asked:
            yield replace(world, venue="CANCELED").say(("CANCELED", len(world.trades), 0))


def network_steps(world: World) -> Iterator[World]:
    """Any message may arrive next; each fault loses or repeats one, or loses the request, or kills execution."""
    for at, (kind, cum, trade) in enumerate(world.messages):
        rest = replace(world, messages=(*world.messages[:at], *world.messages[at + 1 :]))
        yield told(rest, kind, status="NEW", cum=cum, trade=trade)
        if world.faults < world.bound.faults_max:
            yield replace(rest, faults=world.faults + 1)
            yield replace(told(world, kind, cum=cum, trade=trade), faults=world.faults + 1)
    if world.faults < world.bound.faults_max:
        if world.wire:
            yield replace(world, wire=False, faults=world.faults + 1)
        if world.sending:
            # Died after `Submitting` was stored: nobody can know whether it was sent; the successor must ask.
            yield replace(world, sending=False, faults=world.faults + 1)
            yield replace(world, sending=False, wire=True, sent=world.sent + 1, faults=world.faults + 1)
        if world.order.status is OrderStatus.UNKNOWN or world.order.seen_at_venue:
            # A confused successor says it never sent it, though it is in doubt or was seen: not to be believed.
            yield replace(world, order=not_sent(world.order, NOT_SENT).order, faults=world.faults + 1)


def steps(world: World) -> Iterator[World]:
    """Every state that may come next, within the bound of messages in flight."""
    for source in (execution_steps, venue_steps, network_steps):
        yield from (after for after in source(world) if len(after.messages) <= world.bound.messages_max)


def quiescent(world: World) -> bool:
    return not world.messages and not world.wire and not world.sending


def settled_by_queries(world: World) -> World:
    """Recovery: doubt, then ask until the answers change nothing."""
    if world.order.submitted and world.order.is_active and world.venue == "NONE":
        world = told(world, ExecType.UNKNOWN, status="UNKNOWN")
    while True:
        answers = [answer for answer in query_answers(world) if answer != world]
        if not answers:
            return world
        world = answers[0]
