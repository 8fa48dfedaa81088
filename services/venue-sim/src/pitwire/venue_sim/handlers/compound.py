"""Requests of two parts in one: replace an order, amend it."""

from collections.abc import Callable
from enum import StrEnum

from pitwire.venue_sim.core.errors import VenueError, amend_rejected, no_such_order
from pitwire.venue_sim.core.types import NewOrder, Order
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
