"""Order types, statuses, times in force and a venue's refusals in a sentence each; complete by test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pitwire.common.enums import OrderStatus, OrderType, TimeInForce
from pitwire.execution.adapters.binance.errors import ErrorClass

ORDER_TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "Fills at once at whatever the book offers; counted at the mark plus 5 percent.",
    OrderType.LIMIT: "Fills at `limit_price` or better; rests in the book unless its time in force forbids.",
    OrderType.STOP_LOSS: "Becomes a market order when the price reaches `stop_price` against the position.",
    OrderType.STOP_LOSS_LIMIT: "Becomes a limit order at `limit_price` when the price reaches `stop_price`.",
    OrderType.TAKE_PROFIT: "Becomes a market order when the price reaches `stop_price` in favour of the position.",
    OrderType.TAKE_PROFIT_LIMIT: "Becomes a limit order at `limit_price` when the price reaches `stop_price`.",
}

TIMES_IN_FORCE: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "Good till cancelled.",
    TimeInForce.IOC: "Immediate or cancel: what does not fill at once expires.",
    TimeInForce.FOK: "Fill or kill: all of it at once, or nothing.",
}

ORDER_STATUSES: Final[Mapping[OrderStatus, str]] = {
    OrderStatus.PENDING_NEW: "Approved or on its way; the venue has not confirmed it.",
    OrderStatus.NEW: "The venue works on it; nothing is filled.",
    OrderStatus.PARTIALLY_FILLED: "Some of it is filled, the rest works.",
    OrderStatus.PENDING_CANCEL: "A cancel was asked for and not confirmed: it may still fill.",
    OrderStatus.UNKNOWN: "Nobody knows whether the venue has it: still reserved, asked for, never sent again.",
    OrderStatus.FILLED: "Ended: all of it is filled.",
    OrderStatus.CANCELED: "Ended by a cancel; a trade that comes later is booked and flagged.",
    OrderStatus.REJECTED: "Ended: the venue did not take it.",
    OrderStatus.EXPIRED: "Ended by its time in force or by the venue.",
    OrderStatus.NOT_SENT: "Ended before it left: the reason stands in denial-codes.md.",
}

VENUE_ERRORS: Final[Mapping[ErrorClass, str]] = {
    ErrorClass.RATE_LIMITED: "Asked too often: nothing is asked before the time the venue names.",
    ErrorClass.TOO_MANY_ORDERS: "More new orders than it takes in a while: no new order before that time.",
    ErrorClass.BANNED: "The address is banned for a while: nothing is asked before it is over.",
    ErrorClass.UNAUTHORIZED: "Key, signature or permission is wrong: a person must look at the key.",
    ErrorClass.CLOCK_SKEW: "The request was signed outside the window: the venue's clock is asked again.",
    ErrorClass.INSUFFICIENT_FUNDS: "The account there has less than the books say: it is reconciled.",
    ErrorClass.INVALID_ORDER: "Price, quantity or type breaks a rule of the venue.",
    ErrorClass.DUPLICATE_CLIENT_ID: "It has an order of this id already: that order is asked for.",
    ErrorClass.ORDER_NOT_FOUND: "It knows no such order, or the order has ended.",
    ErrorClass.MARKET_CLOSED: "The instrument is not traded now.",
    ErrorClass.UNSUPPORTED: "It cannot do what was asked.",
    ErrorClass.BAD_REQUEST: "The request is malformed: a defect of this side.",
    ErrorClass.STREAM: "The stream of account events ended or cannot be had: it is opened again.",
    ErrorClass.VENUE_UNAVAILABLE: "It is overloaded or down.",
    ErrorClass.UNKNOWN_STATE: "It does not say what became of the request.",
    ErrorClass.REJECTED: "It refused for another reason, which the report quotes.",
}
