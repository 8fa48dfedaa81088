"""Order lists: OCO, OTO and OTOCO placed, ended and queried."""

from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.errors import VenueError, cancel_rejected
from pitwire.venue_sim.core.types import NewOrder, OrderList, OrderType, Side, TimeInForce
from pitwire.venue_sim.handlers import shapes
from pitwire.venue_sim.handlers.params import Params, missing
from pitwire.venue_sim.handlers.queries import read_day
from pitwire.venue_sim.handlers.shapes import Json
from pitwire.venue_sim.handlers.trading import ResponseType, cancel_one, read_order
from pitwire.venue_sim.handlers.venue import Venue

ROWS_DEFAULT = 500
ROWS_MAX = 1000
ORDER_FIELDS = {
    "Type": "type",
    "Side": "side",
    "Quantity": "quantity",
    "ClientOrderId": "newClientOrderId",
    "Price": "price",
    "StopPrice": "stopPrice",
    "TrailingDelta": "trailingDelta",
    "IcebergQty": "icebergQty",
    "TimeInForce": "timeInForce",
    "StrategyId": "strategyId",
    "StrategyType": "strategyType",
}


def place_oco(venue: Venue, params: Params, account_id: str) -> Json:
    """POST orderList/oco."""
    shared = _shared(params, "symbol", "side", "quantity")
    above, below = (_read_order(venue, params, leg, shared) for leg in ("above", "below"))
    list_id = _read_list_id(params)
    placed = venue.place_oco(account_id, above, below, list_id)
    return _answer(venue, *placed)


def place_oto(venue: Venue, params: Params, account_id: str) -> Json:
    """POST orderList/oto: a working order and one that is placed once it is filled."""
    shared = _shared(params, "symbol")
    working, pending = (_read_order(venue, params, leg, shared) for leg in ("working", "pending"))
    list_id = _read_list_id(params)
    return _answer(venue, *venue.place_oto(account_id, working, [pending], list_id))


def place_otoco(venue: Venue, params: Params, account_id: str) -> Json:
    """POST orderList/otoco: a working order and an OCO that is placed once it is filled."""
    shared = _shared(params, "symbol")
    working = _read_order(venue, params, "working", shared)
    pair = shared | {name: params.required(f"pending{name.capitalize()}") for name in ("side", "quantity")}
    above, below = (_read_order(venue, params, leg, pair) for leg in ("pendingAbove", "pendingBelow"))
    list_id = _read_list_id(params)
    return _answer(venue, *venue.place_oto(account_id, working, [above, below], list_id))


def _shared(params: Params, *names: str) -> dict[str, str]:
    shared = {name: params.required(name) for name in names}
    stp_mode = params.text("selfTradePreventionMode")
    return shared if stp_mode is None else shared | {"selfTradePreventionMode": stp_mode}


def _read_list_id(params: Params) -> str | None:
    list_id = params.client_id("listClientOrderId")
    params.choice("newOrderRespType", ResponseType, -1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    params.finish()
    return list_id


def _answer(venue: Venue, order_list: OrderList, effects: Effects) -> Json:
    orders = venue.exchange.list_orders(order_list)
    # What an order came to at once is told by the stream: a pending order still shows as pending here.
    reports = [shapes.order_result(order, effects.now_ms) for order in orders]
    return shapes.order_list(order_list, orders) | {"orderReports": reports}


def _read_order(venue: Venue, params: Params, leg: str, shared: dict[str, str]) -> NewOrder:
    """One order of a list from the parameters that begin with its name, and those that it shares."""
    values = dict(shared)
    for suffix, name in ORDER_FIELDS.items():
        value = None if name in shared else params.text(f"{leg}{suffix}")
        if value is not None:
            values[name] = value
    for suffix, name in (("Type", "type"), ("Side", "side"), ("Quantity", "quantity")):
        if name not in values:
            raise missing(f"{leg}{suffix}")
    if values["type"] == OrderType.LIMIT_MAKER:
        values.pop("timeInForce", None)
    if "icebergQty" in values and values.get("timeInForce", TimeInForce.GTC) != TimeInForce.GTC:
        raise VenueError(-1160, f"Parameter '{leg}IcebergQty' is not supported if '{leg}TimeInForce' is not GTC.")
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
    open_order = next(order for order in venue.exchange.list_orders(order_list) if order.is_open)
    return cancel_one(venue, open_order, cancel_id, None)


def query_list(venue: Venue, params: Params, account_id: str) -> Json:
    """GET orderList."""
    order_list = _find_list(venue, params, account_id, name="origClientOrderId")
    params.finish()
    if order_list is None:
        raise VenueError(-2018, "Order list does not exist.")
    return shapes.order_list(order_list, venue.exchange.list_orders(order_list))


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
        shapes.order_list(order_list, venue.exchange.list_orders(order_list))
        for order_list in venue.exchange.open_lists.values()
        if order_list.account_id == account_id
    ]


def all_lists(venue: Venue, params: Params, account_id: str) -> list[Json]:
    """GET allOrderList."""
    from_id, limit = params.integer("fromId"), params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    start_ms, end_ms = read_day(params)
    params.finish()
    rows = [
        order_list
        for order_list in venue.exchange.lists.values()
        if order_list.account_id == account_id
        and (from_id is None or order_list.list_id >= from_id)
        and (start_ms is None or order_list.ts_ms >= start_ms)
        and (end_ms is None or order_list.ts_ms <= end_ms)
    ]
    return [shapes.order_list(order_list, venue.exchange.list_orders(order_list)) for order_list in rows[-limit:]]
