"""When a stop order begins to work (Binance Spot API: New order, trailing stop FAQ). All prices are trade prices."""

from decimal import Decimal

from pitwire.venue_sim.core.types import Order, OrderType, Side
from pitwire.venue_sim.core.units import ZERO

BIPS = Decimal(10_000)
LOSS_TYPES = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
"""Kinds that wait for the price to move against them; the other stop kinds take a profit."""


def reaches_stop(order: Order, price: Decimal) -> bool:
    """Is the order's stop price met: a stop loss above the market buys, below it sells; a take profit the other way."""
    rises = (order.side is Side.BUY) == (order.order_type in LOSS_TYPES)
    return price >= order.stop_price if rises else price <= order.stop_price


def triggers_at_once(order: Order, last_price: Decimal) -> bool:
    """Would a new stop order trigger before any further trade? A trailing one never does: it has nothing to trail."""
    return bool(last_price) and order.trailing_delta is None and reaches_stop(order, last_price)


def sees_trade(order: Order, price: Decimal, now_ms: int) -> bool:
    """Show a trade to a waiting stop order; does it trigger?

    A trailing order begins to track with the trade that meets its stop price, or the first one when it has none. It
    remembers the highest price (a sell) or the lowest (a buy) since then and triggers when the price comes back from it
    by `trailing_delta` BIPS.
    """
    if order.trailing_delta is None:
        return reaches_stop(order, price)
    if order.trailing_ms < 0:
        if order.stop_price and not reaches_stop(order, price):
            return False
        order.trailing_ms, order.extreme_price = now_ms, price
        return False
    delta = Decimal(order.trailing_delta) / BIPS
    if order.side is Side.SELL:
        order.extreme_price = max(order.extreme_price, price)
        return price <= order.extreme_price * (1 - delta)
    order.extreme_price = min(order.extreme_price, price)
    return price >= order.extreme_price * (1 + delta)


def funding_price(order: Order, last_price: Decimal) -> Decimal:
    """The price that a buy order's funds are held at: its limit, else its stop, else the last price."""
    return order.limit_price or order.stop_price or last_price or ZERO
