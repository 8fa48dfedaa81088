"""Frames of a Binance market as values: depth snapshots and updates, tops of book, trades."""

from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from pitwire.venue_sim.core.levels import Ladder
from pitwire.venue_sim.core.units import ZERO, to_scaled

LEVELS_MAX = 20_000
"""Levels of one side in one frame."""


class FrameError(ValueError):
    """A frame that cannot be what it says it is."""


class Snapshot(NamedTuple):
    """The whole book as REST `depth` gives it; the symbol is None where only the request named it."""

    symbol: str | None
    update_id: int
    bids: Ladder
    asks: Ladder


class DepthUpdate(NamedTuple):
    """New quantities at some prices, from update `first_id` to `last_id`."""

    symbol: str
    first_id: int
    last_id: int
    event_ms: int
    bids: Ladder
    asks: Ladder


class Top(NamedTuple):
    """The best bid and ask right after one update."""

    symbol: str
    update_id: int
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal


class Print(NamedTuple):
    """A trade of the market; price and quantity are integers of 10^-8."""

    symbol: str
    trade_id: int
    price: int
    quantity: int
    traded_ms: int
    event_ms: int
    buyer_is_maker: bool


class Lost(NamedTuple):
    """The connection was lost here: what happened meanwhile nobody saw."""


Frame = Snapshot | DepthUpdate | Top | Print | Lost


def read_frame(value: dict[str, Any]) -> Frame | None:
    """The frame of a JSON object: a combined or plain stream payload, a REST snapshot, or a recorder's note of either.

    None for what the venue has no use for, such as candles.

    Raises:
        FrameError: it lacks something, or has what cannot be.
    """
    if "record" in value:
        return _note(value)
    body = value.get("data", value)
    try:
        if "lastUpdateId" in body:
            return _snapshot(None, body)
        kind = body.get("e")
        if kind == "trade":
            return _print(body)
        if kind == "depthUpdate":
            return _update(body)
        if kind is None and "u" in body:
            quotes = [(body["b"], body["B"]), (body["a"], body["A"])]
            if any(not Decimal(quantity) for _, quantity in quotes):
                # One side is empty; the depth update says how.
                return None
            (bid, bid_quantity), (ask, ask_quantity) = _ladder(quotes)
            return Top(body["s"], int(body["u"]), bid, bid_quantity, ask, ask_quantity)
    except FrameError:
        raise
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as problem:
        raise FrameError(f"not a frame of Binance: {problem!r}") from None
    return None


def _note(value: dict[str, Any]) -> Frame | None:
    """What `pitwire record` writes between the frames."""
    try:
        if value["record"] == "book":
            symbol = str(value["instrument"]).partition(".")[0].replace("-", "")
            return _snapshot(symbol, value["body"])
    except (KeyError, TypeError, ValueError) as problem:
        raise FrameError(f"not a recorded book: {problem!r}") from None
    return Lost() if value["record"] == "disconnected" else None


def _snapshot(symbol: str | None, body: dict[str, Any]) -> Snapshot:
    return Snapshot(symbol, int(body["lastUpdateId"]), _ladder(body["bids"]), _ladder(body["asks"]))


def _update(body: dict[str, Any]) -> DepthUpdate:
    if "pu" in body:
        raise FrameError("this is a futures market; the venue is a spot venue")
    bids, asks = _ladder(body["b"], zero=True), _ladder(body["a"], zero=True)
    return DepthUpdate(body["s"], int(body["U"]), int(body["u"]), int(body["E"]), bids, asks)


def _print(body: dict[str, Any]) -> Print:
    price, quantity = to_scaled(body["p"]), to_scaled(body["q"])
    if price <= 0 or quantity <= 0:
        raise FrameError(f"trade {body['t']} has price {body['p']} and quantity {body['q']}")
    return Print(body["s"], int(body["t"]), price, quantity, int(body["T"]), int(body["E"]), bool(body["m"]))


def _ladder(rows: list[Any], *, zero: bool = False) -> Ladder:
    if len(rows) > LEVELS_MAX:
        raise FrameError(f"{len(rows)} levels, more than {LEVELS_MAX}")
    return [_level(row[0], row[1], zero=zero) for row in rows]


def _level(price_text: str, quantity_text: str, *, zero: bool) -> tuple[Decimal, Decimal]:
    try:
        price, quantity = Decimal(price_text), Decimal(quantity_text)
    except InvalidOperation:
        raise FrameError(f"a level {price_text!r} x {quantity_text!r}") from None
    if not (price.is_finite() and quantity.is_finite()) or price <= ZERO or quantity < ZERO or not (quantity or zero):
        raise FrameError(f"a level {price_text} x {quantity_text}")
    return price, quantity
