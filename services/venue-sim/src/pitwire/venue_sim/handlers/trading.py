"""New orders and cancels: parameters to requests, requests to the exchange, results to JSON."""

from decimal import Decimal
from enum import StrEnum

from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.errors import VenueError, cancel_rejected
from pitwire.venue_sim.core.rules import DEFAULT_STP_MODE
from pitwire.venue_sim.core.types import STOP_KINDS, NewOrder, Order, OrderStatus, OrderType, Side, TimeInForce
from pitwire.venue_sim.handlers.params import Params, missing, not_required
from pitwire.venue_sim.handlers.shapes import (
    Json,
    cancel_result,
    order_ack,
    order_commission,
    order_full,
    order_list,
    order_result,
)
from pitwire.venue_sim.handlers.venue import Venue

STRATEGY_TYPE_MIN = 1_000_000


class ResponseType(StrEnum):
    """How much a client wants to hear about its new order."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


class StpMode(StrEnum):
    """Self-trade prevention modes that the venue knows."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"
    TRANSFER = "TRANSFER"


DEFAULT_STP = StpMode(DEFAULT_STP_MODE)


class CancelRestriction(StrEnum):
    """In which state an order must be for its cancel to count."""

    ONLY_NEW = "ONLY_NEW"
    ONLY_PARTIALLY_FILLED = "ONLY_PARTIALLY_FILLED"


_LIMIT = frozenset({"timeInForce", "quantity", "price"})
MANDATORY: dict[OrderType, frozenset[str]] = {
    OrderType.LIMIT: _LIMIT,
    OrderType.MARKET: frozenset(),
    OrderType.LIMIT_MAKER: frozenset({"quantity", "price"}),
    OrderType.STOP_LOSS: frozenset({"quantity"}),
    OrderType.TAKE_PROFIT: frozenset({"quantity"}),
    OrderType.STOP_LOSS_LIMIT: _LIMIT,
    OrderType.TAKE_PROFIT_LIMIT: _LIMIT,
}
"""Besides symbol, side and type; stop kinds also need stopPrice or trailingDelta, MARKET one of its two amounts."""


def place_order(venue: Venue, params: Params, account_id: str) -> Json:
    """POST order."""
    new = read_order(venue, params)
    response = read_response_type(params, new.order_type)
    params.finish()
    order, effects = venue.place(account_id, new)
    return order_answer(order, effects, response)


def order_answer(order: Order, effects: Effects, response: ResponseType) -> Json:
    """The answer to an accepted order, as long as it was asked for."""
    if response is ResponseType.ACK:
        return order_ack(order, effects.now_ms)
    if response is ResponseType.RESULT:
        return order_result(order, effects.now_ms)
    return order_full(order, effects.now_ms, effects.reports)


def test_order(venue: Venue, params: Params, account_id: str) -> Json:
    """POST order/test: every check, no order."""
    new = read_order(venue, params)
    read_response_type(params, new.order_type)
    with_rates = params.flag("computeCommissionRates", default=False)
    params.finish()
    venue.exchange.check_new(account_id, new, now_ms=venue.time.market_ms())
    return order_commission(venue.exchange.listings[new.symbol].fees) if with_rates else {}


def read_response_type(params: Params, order_type: OrderType) -> ResponseType:
    """newOrderRespType, by default FULL for LIMIT and MARKET and ACK for the rest."""
    refusal = "Data sent for parameter 'newOrderRespType' is not valid."
    chosen = params.choice("newOrderRespType", ResponseType, -1130, refusal)
    if chosen is not None:
        return chosen
    return ResponseType.FULL if order_type in {OrderType.LIMIT, OrderType.MARKET} else ResponseType.ACK


def read_order(venue: Venue, params: Params) -> NewOrder:
    """A new order from its parameters.

    Raises:
        VenueError: a parameter is missing, malformed or not wanted.
    """
    symbol = params.required("symbol")
    side = params.choice("side", Side, -1117, "Invalid side.")
    order_type = params.choice("type", OrderType, -1116, "Invalid orderType.")
    if side is None:
        raise missing("side")
    if order_type is None:
        raise missing("type")
    venue.exchange.listing(symbol)
    time_in_force = params.choice("timeInForce", TimeInForce, -1115, "Invalid timeInForce.")
    amounts = {name: params.decimal(name) for name in ("quantity", "quoteOrderQty", "price", "stopPrice", "icebergQty")}
    trailing_delta = params.integer("trailingDelta")
    _check_mandatory(order_type, params, amounts, trailing_delta)
    iceberg = amounts["icebergQty"] or None
    if iceberg is not None and time_in_force not in {TimeInForce.GTC, None}:
        raise not_required("icebergQty")
    new_id = params.client_id("newClientOrderId")
    return NewOrder(
        symbol=symbol,
        side=side,
        order_type=order_type,
        client_order_id=new_id or f"venue-{venue.exchange.next_order_id}",
        time_in_force=time_in_force or TimeInForce.GTC,
        quantity=amounts["quantity"],
        quote_quantity=amounts["quoteOrderQty"],
        limit_price=amounts["price"],
        stop_price=amounts["stopPrice"],
        trailing_delta=trailing_delta,
        iceberg_quantity=iceberg,
        strategy_id=params.integer("strategyId"),
        strategy_type=read_strategy_type(params),
        stp_mode=_read_stp(params),
    )


def read_strategy_type(params: Params, name: str = "strategyType") -> int | None:
    """strategyType, which has to be at least 1,000,000 (-1134)."""
    value = params.integer(name)
    if value is not None and value < STRATEGY_TYPE_MIN:
        raise VenueError(-1134, "`strategyType` was less than 1000000.")
    return value


def _read_stp(params: Params) -> str:
    refusal = "This symbol does not allow the specified self-trade prevention mode."
    return (params.choice("selfTradePreventionMode", StpMode, -1013, refusal) or DEFAULT_STP).value


def _check_mandatory(
    order_type: OrderType, params: Params, amounts: dict[str, Decimal | None], trailing_delta: int | None
) -> None:
    present = {name for name, value in amounts.items() if value is not None}
    if params.values.get("timeInForce"):
        present.add("timeInForce")
    for name in sorted(MANDATORY[order_type] - present):
        raise missing(name)
    allowed = MANDATORY[order_type] | {"icebergQty"}
    if order_type is OrderType.MARKET:
        allowed = frozenset({"quantity", "quoteOrderQty"})
        if len(present & allowed) != 1:
            raise missing("quantity") if not present & allowed else not_required("quoteOrderQty")
    elif order_type in STOP_KINDS:
        allowed |= {"stopPrice"}
        if "stopPrice" not in present and trailing_delta is None:
            raise missing("stopPrice")
    elif order_type is OrderType.LIMIT_MAKER and params.values.get("timeInForce") == "GTC":
        allowed |= {"timeInForce"}
    for name in sorted(present - allowed):
        raise not_required(name)
    if trailing_delta is not None and order_type not in STOP_KINDS:
        raise not_required("trailingDelta")
    for name in present & {"price", "quantity", "quoteOrderQty"}:
        if amounts.get(name) == 0:
            raise VenueError(-1013, f"Invalid {'quantity' if name == 'quantity' else name}.")


def find_order(venue: Venue, params: Params, account_id: str) -> Order | None:
    """The order that symbol, orderId and origClientOrderId name.

    Raises:
        VenueError: the symbol is not listed, or neither id was sent.
    """
    symbol = params.required("symbol")
    venue.exchange.listing(symbol)
    venue_order_id = params.integer("orderId")
    client_order_id = params.text("origClientOrderId")
    if venue_order_id is None and client_order_id is None:
        raise VenueError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    return venue.exchange.find_order(account_id, symbol, venue_order_id, client_order_id)


def cancel_order(venue: Venue, params: Params, account_id: str) -> Json:
    """DELETE order."""
    restriction = params.choice("cancelRestrictions", CancelRestriction, -1145, "Invalid cancelRestrictions")
    order = find_order(venue, params, account_id)
    cancel_id = params.client_id("newClientOrderId")
    params.finish()
    return cancel_one(venue, order, cancel_id, restriction)


def cancel_one(venue: Venue, order: Order | None, cancel_id: str | None, restriction: CancelRestriction | None) -> Json:
    """Cancel one order that may not exist; an order of a list ends, and is answered with, the whole list.

    Raises:
        VenueError: -2011.
    """
    if order is None or not order.is_open:
        raise cancel_rejected()
    is_new = order.status is OrderStatus.NEW
    if restriction is not None and is_new is not (restriction is CancelRestriction.ONLY_NEW):
        raise cancel_rejected("Order was not canceled due to cancel restrictions.")
    used_id = venue.cancel(order, cancel_id)
    if order.list_id < 0:
        return cancel_result(order, order.updated_ms, used_id)
    canceled = venue.exchange.lists[order.list_id]
    orders = venue.exchange.list_orders(canceled)
    reports = [cancel_result(leg, leg.updated_ms, used_id) for leg in orders]
    return order_list(canceled, orders) | {"orderReports": reports}


def cancel_open_orders(venue: Venue, params: Params, account_id: str) -> list[Json]:
    """DELETE openOrders: all of one symbol."""
    symbol = params.required("symbol")
    venue.exchange.listing(symbol)
    params.finish()
    orders = venue.exchange.open_orders(account_id, symbol)
    if not orders:
        raise cancel_rejected()
    return [cancel_one(venue, order, None, None) for order in orders if order.is_open]
