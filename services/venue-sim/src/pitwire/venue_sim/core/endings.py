"""How orders end without being filled, what that means for the rest of their list, and prevented self-trades."""

from decimal import Decimal

from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.state import State
from pitwire.venue_sim.core.types import (
    Contingency,
    ExecType,
    Order,
    OrderStatus,
    OrderType,
    Prevented,
    Side,
)
from pitwire.venue_sim.core.units import ZERO

REASON_OCO = "OCO_TRIGGER"
DECREMENTING = frozenset({"DECREMENT", "TRANSFER"})
_EXEC_TYPES = {
    OrderStatus.CANCELED: ExecType.CANCELED,
    OrderStatus.EXPIRED: ExecType.EXPIRED,
    OrderStatus.EXPIRED_IN_MATCH: ExecType.TRADE_PREVENTION,
    OrderStatus.REJECTED: ExecType.REJECTED,
}


def finish(
    state: State,
    order: Order,
    status: OrderStatus,
    effects: Effects,
    *,
    cancel_id: str = "",
    reason: str = "",
    prevented: Prevented | None = None,
) -> None:
    """End an order that is not filled, and with it the rest of its list: canceled when it is, else expired."""
    for leg in open_legs(state, order):
        if leg is order:
            _end(state, leg, status, effects, cancel_id=cancel_id, reason=reason, prevented=prevented)
        elif status is OrderStatus.CANCELED:
            _end(state, leg, status, effects, cancel_id=cancel_id)
        else:
            _end(state, leg, OrderStatus.EXPIRED, effects, reason=REASON_OCO)
    note_list_end(state, order, effects)


def _end(
    state: State,
    order: Order,
    status: OrderStatus,
    effects: Effects,
    *,
    cancel_id: str = "",
    reason: str = "",
    prevented: Prevented | None = None,
) -> None:
    """Out of the book, funds back, one report."""
    listing = state.listings[order.symbol]
    if order.is_working:
        listing.book.remove(order)
    elif order in listing.stops:
        listing.stops.remove(order)
    state.close(order, status, effects.now_ms)
    effects.report(order, _EXEC_TYPES[status], cancel_id=cancel_id, reason=reason, prevented=prevented)


def open_legs(state: State, order: Order) -> list[Order]:
    """The open orders of an order's list, or the order alone."""
    if order.list_id < 0:
        return [order]
    return [leg for leg in state.list_orders(state.lists[order.list_id]) if leg.is_open]


def note_list_progress(state: State, order: Order, effects: Effects) -> None:
    """An order of a list has traded or begins to work.

    The first order of an OTO releases the pending ones once it is filled; any other order ends the rest of its list.
    """
    if order.list_id < 0:
        return
    order_list = state.lists[order.list_id]
    if order_list.contingency is Contingency.OTO and order.venue_order_id == order_list.order_ids[0]:
        if order.status is OrderStatus.FILLED:
            effects.released.append(order_list)
        return
    for leg in open_legs(state, order):
        if leg is not order:
            _end(state, leg, OrderStatus.EXPIRED, effects, reason=REASON_OCO)
    note_list_end(state, order, effects)


def note_list_end(state: State, order: Order, effects: Effects) -> None:
    """Note that a list is done when none of its orders is open any more."""
    if order.list_id < 0:
        return
    order_list = state.lists[order.list_id]
    if not order_list.is_done and not open_legs(state, order):
        state.end_list(order_list, effects.now_ms)
        effects.lists.append((order_list, True))


# ------------------------------------------------------------------------------------------------------- self-trades
def prevent_trade(state: State, taker: Order, maker: Order, price: Decimal, effects: Effects) -> None:
    """Instead of a trade of an account with itself: what the taker's mode says (Binance Spot, STP FAQ)."""
    quantity = min(taker.leaves_quantity, maker.leaves_quantity)
    prevented = _note_prevented(state, taker, maker, price, quantity, effects)
    ended = [maker, taker] if taker.stp_mode == "EXPIRE_BOTH" else []
    if taker.stp_mode == "EXPIRE_TAKER":
        ended = [taker]
    elif taker.stp_mode == "EXPIRE_MAKER":
        ended = [maker]
    elif taker.stp_mode in DECREMENTING:
        for order in (maker, taker):
            _take_away(state, order, quantity)
        ended = [order for order in (maker, taker) if order.leaves_quantity == 0]
        for order in (maker, taker):
            if order.leaves_quantity > 0:
                effects.report(order, ExecType.TRADE_PREVENTION, prevented=prevented)
    for order in ended:
        finish(state, order, OrderStatus.EXPIRED_IN_MATCH, effects, prevented=prevented)


def held_by(order: Order, quantity: Decimal) -> Decimal:
    """What an order holds for a part of its quantity."""
    if not order.funded:
        return ZERO
    return quantity * order.hold_price if order.side is Side.BUY else quantity


def _take_away(state: State, order: Order, quantity: Decimal) -> None:
    order.prevented_quantity += quantity
    if order.order_type is not OrderType.MARKET:
        state.release(order, held_by(order, quantity))


def _note_prevented(
    state: State, taker: Order, maker: Order, price: Decimal, quantity: Decimal, effects: Effects
) -> Prevented:
    prevented = Prevented(
        match_id=len(state.prevented),
        account_id=taker.account_id,
        symbol=taker.symbol,
        taker_order_id=taker.venue_order_id,
        maker_order_id=maker.venue_order_id,
        price=price,
        quantity=quantity,
        # A transfer needs both orders to ask for it; within one account it is a decrement by another name.
        stp_mode="DECREMENT" if taker.stp_mode == "TRANSFER" != maker.stp_mode else taker.stp_mode,
        ts_ms=effects.now_ms,
    )
    state.prevented.append(prevented)
    effects.prevented.append(prevented)
    return prevented
