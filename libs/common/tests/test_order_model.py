"""Every reachable state of one order between gate, execution, wire and venue, with crashes and a lossy network.

Breadth first over explicit states, exhaustive at the bound below. The real order state machine, trade memory and
exposure are inside; execution, wire and venue are a model: the request may be lost, late, accepted or refused, answers
may be lost, repeated and reordered, execution may die between any two steps. PITWIRE_CAMPAIGN raises the bound.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from pitwire.common.enums import ExecType, OrderStatus, OrderType, Side
from pitwire.common.order_state import OrderState, apply, cancel_requested, not_sent, submitting
from pitwire.common.portfolio import Exposure
from pitwire.common.schemas.execution import ExecReport, NotSent, Submitting

CAMPAIGN = int(os.environ.get("PITWIRE_CAMPAIGN", "0"))
QUANTITY, FAULTS_MAX, MESSAGES_MAX = (4, 5, 6) if CAMPAIGN else (3, 3, 5)
BTC = "BTC-USDT.sim"


@dataclass(frozen=True)
class World:
    """`wire` is the request between execution and venue; `trades` are the venue's, `booked` are ours."""

    order: OrderState
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
        return QUANTITY - len(self.trades) if self.venue == "WORKING" else 0

    def say(self, *messages: tuple[str, int, int]) -> World:
        """The venue answers; more than the bound of messages in flight is not explored."""
        return replace(self, messages=tuple(sorted((*self.messages, *messages))))


def approved() -> OrderState:
    return OrderState(
        "ID", "main", "momentum", BTC, Side.BUY, OrderType.LIMIT, Decimal(QUANTITY), "sim", "acct", Decimal(10)
    )


COMMON = {"account": "main", "exec_no": 1, "epoch": 1, "strategy": "momentum", "client_order_id": "ID", "ts_ns": 1}


def report(kind: str, *, status: str = "NEW", cum: int = 0, trade: int = 0) -> ExecReport:
    return ExecReport.model_validate(
        COMMON
        | {
            "venue": "sim",
            "venue_account": "acct",
            "instrument_id": BTC,
            "side": "BUY",
            "exec_type": kind,
            "order_status": status,
            "order_quantity": str(QUANTITY),
            "trade_id": str(trade) if trade else "",
            "last_quantity": "1" if trade else "0",
            "last_price": "10" if trade else "0",
            "cum_quantity": str(cum),
            "ts_event_ns": 1,
        }
    )


REPORTS: dict[tuple[str, str, int, int], ExecReport] = {}


def told(world: World, kind: str, *, status: str = "NEW", cum: int = 0, trade: int = 0) -> World:
    """Execution journals what it was told; the fold takes it as `Orders` does: a known trade changes nothing."""
    if trade and trade in world.booked:
        return world
    key = (kind, status, cum, trade)
    made = REPORTS.setdefault(key, report(kind, status=status, cum=cum, trade=trade))
    applied = apply(world.order, made)
    booked = tuple(sorted((*world.booked, trade))) if applied.booked else world.booked
    odd = tuple(sorted({*world.odd, *(anomaly.code.value for anomaly in applied.anomalies)}))
    return replace(world, order=applied.order, booked=booked, odd=odd)


SUBMITTING = Submitting.model_validate(
    COMMON
    | {
        "intent_no": 1,
        "decision_sequence": 1,
        "venue": "sim",
        "venue_account": "acct",
        "venue_symbol": "BTCUSDT",
        "instrument_id": BTC,
        "side": "BUY",
        "order_type": "LIMIT",
        "time_in_force": "GTC",
        "quantity": str(QUANTITY),
        "limit_price": "10",
        "request_hash": "h",
        "valid_until_ns": 1,
    }
)
NOT_SENT = NotSent.model_validate(COMMON | {"reason": "APPROVAL_EXPIRED"})


def execution_steps(world: World) -> Iterator[World]:
    order = world.order
    if not order.submitted and order.status is not OrderStatus.NOT_SENT:
        yield replace(world, order=submitting(order, SUBMITTING).order, sending=True)
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
        if trade == QUANTITY:
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
        if world.faults < FAULTS_MAX:
            yield replace(rest, faults=world.faults + 1)
            yield replace(told(world, kind, cum=cum, trade=trade), faults=world.faults + 1)
    if world.faults < FAULTS_MAX:
        if world.wire:
            yield replace(world, wire=False, faults=world.faults + 1)
        if world.sending:
            # Died after `Submitting` was stored: nobody can know whether it was sent; the successor must ask.
            yield replace(world, sending=False, faults=world.faults + 1)
            yield replace(world, sending=False, wire=True, sent=world.sent + 1, faults=world.faults + 1)
        if world.order.status is OrderStatus.UNKNOWN or world.order.seen_at_venue:
            # A confused successor says it never sent it, though it is in doubt or was seen: not to be believed.
            yield replace(world, order=not_sent(world.order, NOT_SENT).order, faults=world.faults + 1)


def open_quantity(order: OrderState) -> Decimal:
    """What the real exposure counts for this order."""
    exposure = Exposure()
    exposure.hold(approved(), asset="USDT", worst_price=Decimal(10), amount=Decimal(10 * QUANTITY))
    exposure.follow(order)
    return exposure.working(BTC, Side.BUY).quantity


def check(world: World) -> None:
    order = world.order
    could_still_fill = len(world.trades) - len(world.booked) + world.venue_leaves
    if world.wire or world.sending:
        could_still_fill = QUANTITY
    assert open_quantity(order) >= could_still_fill, "I-16, I-17: released without proof"
    assert order.cum_quantity == len(world.booked), "I-4, I-8: a fill lost or booked twice"
    assert set(world.booked) <= set(world.trades), "a fill out of nothing"
    assert order.cum_quantity + order.leaves_quantity <= QUANTITY
    assert world.sent <= 1, "I-2: sent twice"
    assert order.submitted or not world.sent, "I-1: sent before it was durable"
    assert not world.odd, f"flagged though the venue is honest: {world.odd}"


def check_move(before: World, after: World) -> None:
    if before.order.status.is_terminal:
        assert after.order.status is before.order.status, "I-4: terminal absorbs"
    assert after.order.cum_quantity >= before.order.cum_quantity, "I-4: cum is monotone"
    in_doubt = before.order.status is OrderStatus.UNKNOWN and after.order.status.is_terminal
    if in_doubt:
        assert not after.wire, "I-17: a doubt ended while the request could still arrive"


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


@pytest.mark.timeout(0 if CAMPAIGN else 120)
def test_every_reachable_state_keeps_its_promises() -> None:
    """S-17, S-29, S-30, S-31, S-33, S-34: exhaustive at the bound, with each rare state really seen."""
    start = World(approved())
    seen = {start}
    todo = deque([start])
    sometimes: dict[str, int] = {}
    while todo:
        world = todo.popleft()
        check(world)
        note(world, sometimes)
        for steps in (execution_steps, venue_steps, network_steps):
            for after in steps(world):
                check_move(world, after)
                if after not in seen and len(after.messages) <= MESSAGES_MAX:
                    seen.add(after)
                    todo.append(after)
        if quiescent(world) and world.order.submitted:
            last = settled_by_queries(world)
            assert len(last.booked) == len(world.trades), "I-39: a fill was never found"
            assert open_quantity(last.order) == world.venue_leaves, "I-39: a reservation was left behind"
    assert len(seen) > 10_000
    assert all(sometimes.values()), f"never seen: {[name for name, count in sometimes.items() if not count]}"


def note(world: World, sometimes: dict[str, int]) -> None:
    """States that must be reached, or the model proves less than it says."""
    order = world.order
    facts = {
        "filled before acknowledged": order.cum_quantity > 0 and ("NEW", 0, 0) in world.messages,
        "canceled by the venue with a trade still under way": order.status is OrderStatus.CANCELED
        and len(world.trades) > len(world.booked),
        "in doubt while working": order.status is OrderStatus.UNKNOWN and world.venue == "WORKING",
        "in doubt and never arrived": order.status is OrderStatus.UNKNOWN and world.venue == "NONE" and not world.wire,
        "not placed": order.status is OrderStatus.REJECTED and world.venue == "NONE",
        "cancel asked and filled": order.cancel_requested and order.status is OrderStatus.FILLED,
        "died before sending": order.submitted and not world.sending and not world.sent and order.is_active,
        "never sent": order.status is OrderStatus.NOT_SENT,
        "all filled in doubt": order.status is OrderStatus.UNKNOWN and world.venue == "FILLED",
    } | {f"status {status}": order.status is status for status in OrderStatus}
    for name, holds in facts.items():
        sometimes[name] = sometimes.get(name, 0) + holds
