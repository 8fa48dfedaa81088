"""ccxt's unified structures to values. Numbers are texts there (`number = str`); what is missing is a `DecodeError`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pitwire.common.clock import NS_PER_MS
from pitwire.common.enums import Liquidity, OrderStatus, OrderType, Side
from pitwire.common.errors import DecodeError
from pitwire.common.ids import instrument_id
from pitwire.common.money import ZERO
from pitwire.common.schemas.market import Instrument
from pitwire.execution.core.venue import VenueOrder, VenueTrade

Row = Mapping[str, Any]
TICK_SIZE: Final = 4
DECIMAL_PLACES: Final = 2
"""How an exchange of ccxt states its steps (`precisionMode`)."""

LIMIT_TYPES: Final = frozenset({"LIMIT", "LIMIT_MAKER"})
_ENDS: Final = {"canceled": OrderStatus.CANCELED, "expired": OrderStatus.EXPIRED, "rejected": OrderStatus.REJECTED}


def bad(place: str, name: str, value: object) -> DecodeError:
    """What says that a field is not what it has to be."""
    return DecodeError(subject=place, reason=f"{name} is {str(value)[:32]!r}")


def number(row: Row, name: str, place: str) -> Decimal:
    """A number, which has to be there."""
    value = row.get(name)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise bad(place, name, value) from None
    if not found.is_finite():
        raise bad(place, name, value)
    return found


def optional(row: Row, name: str, place: str) -> Decimal | None:
    """A number; None where there is none, or zero."""
    return (number(row, name, place) or None) if row.get(name) is not None else None


def text(row: Row, name: str, place: str) -> str:
    """A text, which has to be there."""
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise bad(place, name, value)
    return value


def side(row: Row, place: str) -> Side:
    """Buy or sell."""
    try:
        return Side(text(row, "side", place).upper())
    except ValueError:
        raise bad(place, "side", row.get("side")) from None


def order_of(row: Row, instrument: Instrument) -> VenueOrder:
    """A unified order. `closed` is filled where all of it is; else it ended early, which ccxt does not tell apart."""
    place = "order"
    quantity, filled = number(row, "amount", place), number(row, "filled", place)
    return VenueOrder(
        client_order_id=str(row.get("clientOrderId") or f"venue-{text(row, 'id', place)}"),
        venue_order_id=text(row, "id", place),
        instrument_id=instrument.instrument_id,
        side=side(row, place),
        order_type=_order_type(row),
        quantity=max(quantity, filled),
        status=_status(text(row, "status", place), quantity, filled),
        cum_quantity=filled,
        ts_event_ns=_time_ns(row, place),
        limit_price=optional(row, "price", place),
        stop_price=optional(row, "triggerPrice", place),
    )


def _status(word: str, quantity: Decimal, filled: Decimal) -> OrderStatus:
    if word == "open":
        return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW
    if word == "closed":
        return OrderStatus.FILLED if filled >= quantity else OrderStatus.EXPIRED
    if word not in _ENDS:
        raise bad("order", "status", word)
    return _ENDS[word]


def _order_type(row: Row) -> OrderType:
    """The exchange's own word where it is one of ours: the unified one does not tell stops apart."""
    raw = row.get("info")
    told = (raw.get("type") if isinstance(raw, Mapping) else None, row.get("type"))
    for word in (str(each).upper().replace(" ", "_") for each in told):
        if word in LIMIT_TYPES:
            return OrderType.LIMIT
        if word in set(OrderType):
            return OrderType(word)
    raise bad("order", "type", row.get("type"))


def _time_ns(row: Row, place: str) -> int:
    for name in ("lastUpdateTimestamp", "lastTradeTimestamp", "timestamp"):
        if isinstance(value := row.get(name), int):
            return value * NS_PER_MS
    raise bad(place, "timestamp", None)


def trade_of(row: Row, instrument: Instrument) -> VenueTrade:
    """A unified trade of ours. Its id has to be a whole number: trades are asked for by it."""
    place = "trade"
    fee = row.get("fee") or {}
    trade_id = text(row, "id", place)
    if not trade_id.isdecimal():
        raise bad(place, "id", trade_id)
    maker = row.get("takerOrMaker")
    return VenueTrade(
        trade_id=trade_id,
        venue_order_id=text(row, "order", place),
        instrument_id=instrument.instrument_id,
        side=side(row, place),
        quantity=number(row, "amount", place),
        price=number(row, "price", place),
        fee=number(fee, "cost", place) if fee.get("cost") is not None else ZERO,
        fee_currency=fee.get("currency"),
        ts_event_ns=_time_ns(row, place),
        liquidity=Liquidity(maker.upper()) if maker in {"maker", "taker"} else None,
    )


def instrument_of(market: Row, venue: str, precision_mode: int) -> Instrument:
    """A unified market."""
    place = "market"
    base, quote = text(market, "base", place), text(market, "quote", place)
    precision, limits = market.get("precision") or {}, (market.get("limits") or {}).get("amount") or {}
    return Instrument(
        instrument_id=instrument_id(f"{base}-{quote}", venue),
        symbol=f"{base}-{quote}",
        venue=venue,
        venue_symbol=text(market, "id", place),
        base=base,
        quote=quote,
        tick_size=_step(precision, "price", precision_mode),
        lot_size=_step(precision, "amount", precision_mode),
        min_quantity=optional(limits, "min", place) or ZERO,
        max_quantity=optional(limits, "max", place),
    )


def _step(precision: Row, name: str, mode: int) -> Decimal:
    value = number(precision, name, "market precision")
    if mode == TICK_SIZE:
        return value
    if mode == DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(value))
    raise bad("market precision", "mode", mode)
