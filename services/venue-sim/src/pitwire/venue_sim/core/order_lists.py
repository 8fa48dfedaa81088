"""OCO lists: two orders on one quantity, of which at most one trades (Binance Spot API, New order list OCO)."""

from decimal import Decimal
from typing import TYPE_CHECKING

from pitwire.venue_sim.core import errors
from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.types import NewOrder, Order, OrderList, OrderType, Side

if TYPE_CHECKING:
    from pitwire.venue_sim.core.exchange import Exchange

PROFIT_TYPES = frozenset({OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
LOSS_TYPES = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})


def submit_oco(
    exchange: "Exchange", account_id: str, above: NewOrder, below: NewOrder, *, client_list_id: str, now_ms: int
) -> tuple[OrderList, Effects]:
    """Accept both legs or none. The leg that takes the profit holds the funds of both.

    Raises:
        VenueError: a leg is refused, the types do not fit, or the prices stand on the wrong sides of the market.
    """
    check_types(above.order_type, below.order_type, above.side)
    if any(one.client_list_id == client_list_id and not one.is_done for one in exchange.lists.values()):
        raise errors.order_rejected(errors.DUPLICATE_ORDER)
    if above.client_order_id == below.client_order_id:
        raise errors.order_rejected(errors.DUPLICATE_ORDER)
    _check_prices(above, below, exchange.listing(above.symbol).last_price)
    legs = [exchange.check_new(account_id, new, now_ms=now_ms) for new in (above, below)]
    legs[1].venue_order_id += 1
    profit, loss = sorted(legs, key=lambda leg: leg.order_type in LOSS_TYPES)
    profit.hold_price = max(profit.hold_price, loss.hold_price)
    loss.funded = False
    for leg in legs:
        leg.list_id = exchange.next_list_id
        exchange.check_funds(leg)
    numbers = [leg.venue_order_id for leg in legs]
    order_list = OrderList(
        list_id=exchange.next_list_id,
        account_id=account_id,
        symbol=above.symbol,
        client_list_id=client_list_id,
        order_ids=numbers,
        ts_ms=now_ms,
    )
    exchange.next_list_id += 1
    exchange.lists[order_list.list_id] = order_list
    effects = Effects(exchange, now_ms)
    effects.lists.append((order_list, False))
    for leg in (loss, profit):
        exchange.accept(leg, effects)
    return order_list, effects


def check_types(above: OrderType, below: OrderType, side: Side) -> None:
    """Refuse two types that make no OCO."""
    if not {above, below} <= PROFIT_TYPES | LOSS_TYPES:
        raise errors.VenueError(-1158, "Order type not supported in OCO.")
    if above is OrderType.LIMIT_MAKER and below is OrderType.LIMIT_MAKER:
        raise errors.VenueError(-1168, "At least one OCO order must be contingent.")
    sell = side is Side.SELL
    profit, loss = (above, below) if sell else (below, above)
    if profit in LOSS_TYPES:
        if sell:
            raise errors.VenueError(-1197, "A stop loss order in a sell OCO must be below.")
        raise errors.VenueError(-1196, "A stop loss order in a buy OCO must be above.")
    if loss in PROFIT_TYPES:
        if loss is OrderType.LIMIT_MAKER:
            code, where = (-1166, "sell OCO must be above") if sell else (-1165, "buy OCO must be below")
            raise errors.VenueError(code, f"A limit order in a {where}.")
        code, where = (-1199, "sell OCO must be above") if sell else (-1198, "buy OCO must be below")
        raise errors.VenueError(code, f"A take profit order in a {where}.")


def _check_prices(above: NewOrder, below: NewOrder, last_price: Decimal) -> None:
    high = above.limit_price if above.order_type is OrderType.LIMIT_MAKER else above.stop_price
    low = below.limit_price if below.order_type is OrderType.LIMIT_MAKER else below.stop_price
    for price, is_high in ((high, True), (low, False)):
        if price is None:
            continue
        if (is_high and not price > last_price) or (not is_high and not price < last_price):
            raise errors.order_rejected(errors.PRICE_RELATION)


def open_legs(exchange: "Exchange", order: Order) -> list[Order]:
    """The open orders of an order's list, or the order alone."""
    if order.list_id < 0:
        return [order]
    legs = [exchange.orders[number] for number in exchange.lists[order.list_id].order_ids]
    return [leg for leg in legs if leg.is_open]


def note_end(exchange: "Exchange", order: Order, effects: Effects) -> None:
    """Note that a list is done when none of its orders is open any more."""
    if order.list_id < 0:
        return
    order_list = exchange.lists[order.list_id]
    if not order_list.is_done and not open_legs(exchange, order):
        order_list.is_done = True
        order_list.ts_ms = effects.now_ms
        effects.lists.append((order_list, True))
