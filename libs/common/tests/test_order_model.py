"""Every reachable state of one order between gate, execution, wire and venue, with crashes and a lossy network.

Breadth first, exhaustive at the bound below, over the states and steps of `order_world`. The real exposure is inside.
PITWIRE_CAMPAIGN raises the bound.
"""

from __future__ import annotations

import os
from collections import deque
from decimal import Decimal

import pytest
from libs.common.tests.order_world import BTC, Bound, World, approved, quiescent, settled_by_queries, steps

from pitwire.common.enums import OrderStatus, Side
from pitwire.common.order_state import OrderState
from pitwire.common.portfolio import Exposure

CAMPAIGN = int(os.environ.get("PITWIRE_CAMPAIGN", "0"))
BOUND = Bound(4, 5, 6) if CAMPAIGN else Bound(3, 3, 5)


def open_quantity(order: OrderState) -> Decimal:
    """What the real exposure counts for this order."""
    exposure = Exposure()
    exposure.hold(approved(BOUND).order, asset="USDT", worst_price=Decimal(10), amount=10 * order.quantity)
    exposure.follow(order)
    return exposure.working(BTC, Side.BUY).quantity


def check(world: World) -> None:
    order = world.order
    assert open_quantity(order) >= world.could_still_fill, "I-16, I-17: released without proof"
    assert order.cum_quantity == len(world.booked), "I-4, I-8: a fill lost or booked twice"
    assert set(world.booked) <= set(world.trades), "a fill out of nothing"
    assert order.cum_quantity + order.leaves_quantity <= BOUND.quantity
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


@pytest.mark.timeout(0 if CAMPAIGN else 120)
def test_every_reachable_state_keeps_its_promises() -> None:
    """S-17, S-29, S-30, S-31, S-33, S-34: exhaustive at the bound, with each rare state really seen."""
    start = approved(BOUND)
    seen = {start}
    todo = deque([start])
    sometimes: dict[str, int] = {}
    while todo:
        world = todo.popleft()
        check(world)
        note(world, sometimes)
        for after in steps(world):
            check_move(world, after)
            if after not in seen:
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
