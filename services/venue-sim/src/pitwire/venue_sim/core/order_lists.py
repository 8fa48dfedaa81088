"""Order lists: OCO, of which at most one order trades, OTO and OTOCO (Binance Spot API, Order lists)."""

from decimal import Decimal

from pitwire.venue_sim.core import errors
from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.exchange import Exchange, share_funds
from pitwire.venue_sim.core.triggers import LOSS_TYPES
from pitwire.venue_sim.core.types import Contingency, NewOrder, Order, OrderList, OrderStatus, OrderType, Side

PROFIT_TYPES = frozenset({OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})


def submit_oco(
    exchange: Exchange, account_id: str, above: NewOrder, below: NewOrder, *, client_list_id: str, now_ms: int
) -> tuple[OrderList, Effects]:
    """Accept both legs or none. The leg that takes the profit holds the funds of both.

    Raises:
        VenueError: a leg is refused, the types do not fit, or the prices stand on the wrong sides of the market.
    """
    check_types(above.order_type, below.order_type, above.side)
    _check_prices(above, below, exchange.listing(above.symbol).last_price)
    legs = _check_orders(exchange, account_id, [above, below], client_list_id, now_ms=now_ms)
    share_funds(legs)
    for leg in legs:
        exchange.check_market(leg)
        exchange.check_funds(leg)
    order_list, effects = _open(exchange, Contingency.OCO, legs, client_list_id, now_ms=now_ms)
    for leg in sorted(legs, key=lambda leg: leg.order_type not in LOSS_TYPES):
        exchange.accept(leg, effects)
    return order_list, effects


def submit_oto(
    exchange: Exchange, account_id: str, working: NewOrder, pending: list[NewOrder], *, client_list_id: str, now_ms: int
) -> tuple[OrderList, Effects]:
    """Accept a working order, and one or two pending ones that are placed once it is filled.

    Two pending orders, given above first, are an OCO. Pending orders hold no funds; one that cannot be placed when its
    time has come is rejected then.

    Raises:
        VenueError: an order is refused, or the types do not fit.
    """
    if working.order_type not in {OrderType.LIMIT, OrderType.LIMIT_MAKER}:
        raise errors.VenueError(-1014, "Unsupported order combination.")
    if any(order.quote_quantity is not None for order in pending):
        raise errors.VenueError(-1014, "Unsupported order combination.")
    if len(pending) == 2:
        check_types(pending[0].order_type, pending[1].order_type, pending[0].side)
    first, *rest = _check_orders(exchange, account_id, [working, *pending], client_list_id, now_ms=now_ms)
    exchange.check_market(first)
    exchange.check_funds(first)
    order_list, effects = _open(exchange, Contingency.OTO, [first, *rest], client_list_id, now_ms=now_ms)
    for order in rest:
        order.status, order.funded = OrderStatus.PENDING_NEW, False
        exchange.accept(order, effects)
    exchange.accept(first, effects)
    return order_list, effects


def _check_orders(
    exchange: Exchange, account_id: str, orders: list[NewOrder], client_list_id: str, *, now_ms: int
) -> list[Order]:
    """What the orders of a list would become, numbered in turn."""
    rules = exchange.listing(orders[0].symbol).rules
    mine = [one for one in exchange.open_lists.values() if one.account_id == account_id]
    if any(one.client_list_id == client_list_id for one in mine):
        raise errors.order_rejected(errors.DUPLICATE_ORDER)
    if len({order.client_order_id for order in orders}) < len(orders):
        raise errors.order_rejected(errors.DUPLICATE_ORDER)
    if sum(one.symbol == rules.symbol for one in mine) >= rules.order_lists_max:
        raise errors.filter_failure("MAX_NUM_ORDER_LISTS")
    checked: list[Order] = []
    for number, new in enumerate(orders):
        order = exchange.check_form(account_id, new, now_ms=now_ms, beside=number)
        order.venue_order_id += number
        order.list_id = exchange.next_list_id
        checked.append(order)
    return checked


def _open(
    exchange: Exchange, contingency: Contingency, orders: list[Order], client_list_id: str, *, now_ms: int
) -> tuple[OrderList, Effects]:
    order_list = OrderList(
        list_id=exchange.next_list_id,
        account_id=orders[0].account_id,
        symbol=orders[0].symbol,
        client_list_id=client_list_id,
        order_ids=[order.venue_order_id for order in orders],
        ts_ms=now_ms,
        contingency=contingency,
    )
    exchange.add_list(order_list)
    effects = Effects(exchange, now_ms)
    effects.lists.append((order_list, False))
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
