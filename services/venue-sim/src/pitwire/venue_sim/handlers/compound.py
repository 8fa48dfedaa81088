"""Requests of several parts: replace an order, amend it, place and end OCO lists."""

from collections.abc import Callable
from enum import StrEnum

from pitwire.venue_sim.core.errors import VenueError, amend_rejected, cancel_rejected, no_such_order
from pitwire.venue_sim.core.types import NewOrder, Order, OrderList, OrderType, Side
from pitwire.venue_sim.handlers import shapes
from pitwire.venue_sim.handlers.params import Params, missing
from pitwire.venue_sim.handlers.shapes import Json
from pitwire.venue_sim.handlers.trading import (
    CancelRestriction,
    ResponseType,
    cancel_one,
    find_order,
    order_answer,
    read_order,
    read_response_type,
)
from pitwire.venue_sim.handlers.venue import Venue

ROWS_DEFAULT = 500
ROWS_MAX = 1000
LEG_FIELDS = {
    "Type": "type",
    "ClientOrderId": "newClientOrderId",
    "Price": "price",
    "StopPrice": "stopPrice",
    "TrailingDelta": "trailingDelta",
    "IcebergQty": "icebergQty",
    "TimeInForce": "timeInForce",
    "StrategyId": "strategyId",
    "StrategyType": "strategyType",
}


class ReplaceMode(StrEnum):
    """What a replacement does when its cancel fails."""

    STOP_ON_FAILURE = "STOP_ON_FAILURE"
    ALLOW_FAILURE = "ALLOW_FAILURE"


class ExceededMode(StrEnum):
    """What a replacement does when the order limit is reached."""

    DO_NOTHING = "DO_NOTHING"
    CANCEL_ONLY = "CANCEL_ONLY"


def cancel_replace(venue: Venue, params: Params, account_id: str) -> Json:
    """POST order/cancelReplace: cancel one order, then place another.

    Raises:
        VenueError: -2021 when one of both failed, -2022 when neither was done; `data` holds both results.
    """
    refusal = "Data sent for parameter 'cancelReplaceMode' is not valid."
    mode = params.choice("cancelReplaceMode", ReplaceMode, -1130, refusal)
    if mode is None:
        raise missing("cancelReplaceMode")
    exceeded = params.choice("orderRateLimitExceededMode", ExceededMode, -1130, "Invalid orderRateLimitExceededMode.")
    restriction = params.choice("cancelRestrictions", CancelRestriction, -1145, "Invalid cancelRestrictions")
    cancel_id = params.client_id("cancelNewClientOrderId")
    order = _order_to_cancel(venue, params, account_id)
    new = read_order(venue, params)
    response = read_response_type(params, new.order_type)
    params.finish()
    if exceeded is not ExceededMode.CANCEL_ONLY:
        venue.limiter.check_order(account_id, now_ms=venue.wall_ms())
    canceled, cancel_answer = _attempt(lambda: cancel_one(venue, order, cancel_id, restriction))
    if not canceled and mode is ReplaceMode.STOP_ON_FAILURE:
        raise _replace_failed(canceled=False, placed=None, answers=(cancel_answer, None))
    placed, new_answer = _attempt(lambda: _place(venue, account_id, new, response))
    if not canceled or not placed:
        raise _replace_failed(canceled=canceled, placed=placed, answers=(cancel_answer, new_answer))
    return {
        "cancelResult": "SUCCESS",
        "newOrderResult": "SUCCESS",
        "cancelResponse": cancel_answer,
        "newOrderResponse": new_answer,
    }


def _order_to_cancel(venue: Venue, params: Params, account_id: str) -> Order | None:
    symbol = params.required("symbol")
    number, client_id = params.integer("cancelOrderId"), params.text("cancelOrigClientOrderId")
    if number is None and client_id is None:
        raise missing("cancelOrderId")
    return venue.exchange.find_order(account_id, symbol, number, client_id)


def _attempt(action: Callable[[], Json]) -> tuple[bool, Json]:
    try:
        return True, action()
    except VenueError as error:
        return False, {"code": error.code, "msg": error.msg}


def _place(venue: Venue, account_id: str, new: NewOrder, response: ResponseType) -> Json:
    order, effects = venue.place(account_id, new)
    return order_answer(order, effects, response)


def _replace_failed(*, canceled: bool, placed: bool | None, answers: tuple[Json, Json | None]) -> VenueError:
    words = {True: "SUCCESS", False: "FAILURE", None: "NOT_ATTEMPTED"}
    data: dict[str, object] = {
        "cancelResult": words[canceled],
        "newOrderResult": words[placed],
        "cancelResponse": answers[0],
        "newOrderResponse": answers[1],
    }
    if canceled or placed:
        return VenueError(-2021, "Order cancel-replace partially failed.", status=409, data=data)
    return VenueError(-2022, "Order cancel-replace failed.", data=data)


def amend_order(venue: Venue, params: Params, account_id: str) -> Json:
    """PUT order/amend/keepPriority: a smaller quantity, the same place in the queue."""
    order = find_order(venue, params, account_id)
    quantity = params.decimal("newQty")
    new_id = params.client_id("newClientOrderId")
    params.finish()
    if quantity is None:
        raise missing("newQty")
    if order is None or not order.is_open:
        raise no_such_order() if order is None else amend_rejected("Order is not open.")
    old_id = order.client_order_id
    exec_id = venue.amend(order, quantity, new_id)
    return shapes.amended(order, old_id=old_id, exec_id=exec_id)


def place_oco(venue: Venue, params: Params, account_id: str) -> Json:
    """POST orderList/oco."""
    symbol, side, quantity = (params.required(name) for name in ("symbol", "side", "quantity"))
    shared = {"symbol": symbol, "side": side, "quantity": quantity}
    stp_mode = params.text("selfTradePreventionMode")
    if stp_mode is not None:
        shared["selfTradePreventionMode"] = stp_mode
    above, below = (_read_leg(venue, params, leg, shared) for leg in ("above", "below"))
    list_id = params.client_id("listClientOrderId")
    params.choice("newOrderRespType", ResponseType, -1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    params.finish()
    order_list, effects = venue.place_oco(account_id, above, below, list_id)
    legs = list_orders(venue, order_list)
    reports = [shapes.order_result(leg, effects.now_ms) for leg in legs]
    return shapes.order_list(order_list, legs) | {"orderReports": reports}


def _read_leg(venue: Venue, params: Params, leg: str, shared: dict[str, str]) -> NewOrder:
    values = dict(shared)
    for suffix, name in LEG_FIELDS.items():
        value = params.text(f"{leg}{suffix}")
        if value is not None:
            values[name] = value
    if "type" not in values:
        raise missing(f"{leg}Type")
    if values["type"] == OrderType.LIMIT_MAKER:
        values.pop("timeInForce", None)
    values.setdefault("newClientOrderId", f"venue-{venue.exchange.next_order_id}-{leg}")
    return read_order(venue, Params(values))


def place_old_oco(venue: Venue, params: Params, account_id: str) -> Json:
    """POST order/oco, the older form: one limit order and one stop order."""
    sell = params.required("side") == Side.SELL
    limit, stop = ("above", "below") if sell else ("below", "above")
    names = {
        "price": f"{limit}Price",
        "limitClientOrderId": f"{limit}ClientOrderId",
        "limitIcebergQty": f"{limit}IcebergQty",
        "limitStrategyId": f"{limit}StrategyId",
        "limitStrategyType": f"{limit}StrategyType",
        "stopPrice": f"{stop}StopPrice",
        "stopLimitPrice": f"{stop}Price",
        "stopLimitTimeInForce": f"{stop}TimeInForce",
        "stopClientOrderId": f"{stop}ClientOrderId",
        "stopIcebergQty": f"{stop}IcebergQty",
        "stopStrategyId": f"{stop}StrategyId",
        "stopStrategyType": f"{stop}StrategyType",
        "trailingDelta": f"{stop}TrailingDelta",
    }
    values = {names.get(name, name): value for name, value in params.values.items()}
    values[f"{limit}Type"] = OrderType.LIMIT_MAKER
    values[f"{stop}Type"] = OrderType.STOP_LOSS_LIMIT if "stopLimitPrice" in params.values else OrderType.STOP_LOSS
    return place_oco(venue, Params(values), account_id)


def cancel_list(venue: Venue, params: Params, account_id: str) -> Json:
    """DELETE orderList."""
    symbol = params.required("symbol")
    venue.exchange.listing(symbol)
    cancel_id = params.client_id("newClientOrderId")
    order_list = _find_list(venue, params, account_id, name="listClientOrderId")
    params.finish()
    if order_list is None or order_list.is_done or order_list.symbol != symbol:
        raise cancel_rejected()
    legs = list_orders(venue, order_list)
    open_leg = next(leg for leg in legs if leg.is_open)
    used_id = venue.cancel(open_leg, cancel_id)
    reports = [shapes.cancel_result(leg, leg.updated_ms, used_id) for leg in legs]
    return shapes.order_list(order_list, legs) | {"orderReports": reports}


def query_list(venue: Venue, params: Params, account_id: str) -> Json:
    """GET orderList."""
    order_list = _find_list(venue, params, account_id, name="origClientOrderId")
    params.finish()
    if order_list is None:
        raise VenueError(-2018, "Order list does not exist.")
    return shapes.order_list(order_list, list_orders(venue, order_list))


def _find_list(venue: Venue, params: Params, account_id: str, *, name: str) -> OrderList | None:
    number, client_id = params.integer("orderListId"), params.text(name)
    if number is None and client_id is None:
        raise missing("orderListId")
    for order_list in venue.exchange.lists.values():
        named = order_list.list_id == number if number is not None else order_list.client_list_id == client_id
        if named and order_list.account_id == account_id:
            return order_list
    return None


def open_lists(venue: Venue, params: Params, account_id: str) -> list[Json]:
    """GET openOrderList."""
    params.finish()
    return [
        shapes.order_list(order_list, list_orders(venue, order_list))
        for order_list in venue.exchange.lists.values()
        if order_list.account_id == account_id and not order_list.is_done
    ]


def all_lists(venue: Venue, params: Params, account_id: str) -> list[Json]:
    """GET allOrderList."""
    from_id, limit = params.integer("fromId"), params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    start_ms, end_ms = params.integer("startTime"), params.integer("endTime")
    params.finish()
    rows = [
        order_list
        for order_list in venue.exchange.lists.values()
        if order_list.account_id == account_id
        and (from_id is None or order_list.list_id >= from_id)
        and (start_ms is None or order_list.ts_ms >= start_ms)
        and (end_ms is None or order_list.ts_ms <= end_ms)
    ]
    return [shapes.order_list(order_list, list_orders(venue, order_list)) for order_list in rows[-limit:]]


def prevented_matches(venue: Venue, params: Params, account_id: str) -> list[Json]:
    """GET myPreventedMatches."""
    symbol = params.required("symbol")
    venue.exchange.listing(symbol)
    match_id, order_id = params.integer("preventedMatchId"), params.integer("orderId")
    from_id, limit = params.integer("fromPreventedMatchId"), params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    params.finish()
    rows = [
        prevented
        for prevented in venue.exchange.prevented
        if (prevented.account_id, prevented.symbol) == (account_id, symbol)
        and (match_id is None or prevented.match_id == match_id)
        and (order_id is None or order_id in {prevented.taker_order_id, prevented.maker_order_id})
        and (from_id is None or prevented.match_id >= from_id)
    ]
    return [shapes.prevented_match(prevented) for prevented in rows[:limit]]


def list_orders(venue: Venue, order_list: OrderList) -> list[Order]:
    """The orders of a list."""
    return [venue.exchange.orders[number] for number in order_list.order_ids]
