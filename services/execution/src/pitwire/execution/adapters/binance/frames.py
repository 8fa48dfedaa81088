"""Binance's JSON to values. Everything is checked; `DecodeError` names the place and the field, unknown fields pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from pitwire.common.clock import NS_PER_MS
from pitwire.common.enums import Liquidity, OrderStatus, OrderType, Side
from pitwire.common.errors import DecodeError
from pitwire.common.ids import instrument_id
from pitwire.common.money import ZERO, total
from pitwire.common.schemas.market import Instrument
from pitwire.execution.adapters.binance.signing import LIMIT_MAKER
from pitwire.execution.core.venue import OrderFacts, VenueOrder, VenueTrade

_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?\Z")
_ORDER_REF: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,36}\Z")
_ASSET: Final = re.compile(r"[A-Z0-9]{1,16}\Z")
_STATUS: Final = {
    "NEW": OrderStatus.NEW,
    "PENDING_NEW": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "PENDING_CANCEL": OrderStatus.PENDING_CANCEL,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
}
_CHANGE_TYPES: Final = frozenset({"NEW", "CANCELED", "REPLACED", "REJECTED", "TRADE", "EXPIRED", "TRADE_PREVENTION"})
NO_REASON: Final = "NONE"

FindInstrument = Callable[[str], str | None]
"""Venue symbol to instrument_id; None for one that is not configured."""

Row = dict[str, Any]


class OtherInstrument(Exception):
    """A well-formed word about an instrument that is not configured here."""


class Reader:
    """Reads the fields of one JSON object; `place` stands in every error."""

    def __init__(self, row: Any, place: str) -> None:
        if not isinstance(row, dict):
            raise DecodeError(subject=place, reason="not an object")
        self._row: Row = row
        self._place = place

    def text(self, name: str) -> str:
        value = self._row.get(name)
        if not isinstance(value, str):
            raise self.bad(name, "is not a text")
        return value

    def whole(self, name: str) -> int:
        value = self._row.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.bad(name, "is not a whole number")
        return value

    def number(self, name: str) -> Decimal:
        text = self.text(name)
        if not _NUMBER.match(text):
            raise self.bad(name, "is not a decimal number")
        return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)

    def amount(self, name: str) -> Decimal:
        value = self.number(name)
        if value < ZERO:
            raise self.bad(name, "is negative")
        return value

    def positive(self, name: str) -> Decimal:
        value = self.number(name)
        if value <= ZERO:
            raise self.bad(name, "is not above zero")
        return value

    def optional_price(self, name: str) -> Decimal | None:
        return (self.amount(name) or None) if self._row.get(name) is not None else None

    def side(self, name: str) -> Side:
        try:
            return Side(self.text(name))
        except ValueError:
            raise self.bad(name, "is neither BUY nor SELL") from None

    def order_type(self, name: str) -> OrderType:
        text = self.text(name)
        try:
            return OrderType.LIMIT if text == LIMIT_MAKER else OrderType(text)
        except ValueError:
            raise self.bad(name, f"{text[:32]!r} is no known order type") from None

    def status(self, name: str) -> OrderStatus:
        status = _STATUS.get(self.text(name))
        if status is None:
            raise self.bad(name, f"{self.text(name)[:32]!r} is no known status")
        return status

    def order_ref(self, name: str) -> str:
        text = self.text(name)
        if not _ORDER_REF.match(text):
            raise self.bad(name, "is no client order id")
        return text

    def asset(self, name: str) -> str | None:
        value = self._row.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not _ASSET.match(value):
            raise self.bad(name, "is no asset")
        return value

    def flag(self, name: str) -> bool:
        value = self._row.get(name)
        if not isinstance(value, bool):
            raise self.bad(name, "is neither true nor false")
        return value

    def time_ns(self, name: str) -> int:
        value = self.whole(name)
        if value < 0:
            raise self.bad(name, "is before 1970")
        return value * NS_PER_MS

    def rows(self, name: str) -> list[Any]:
        value = self._row.get(name)
        if not isinstance(value, list):
            raise self.bad(name, "is not a list")
        return value

    def get(self, name: str) -> Any:
        return self._row.get(name)

    def bad(self, name: str, what: str) -> DecodeError:
        return DecodeError(subject=self._place, reason=f"{name} {what}")

    def instrument(self, name: str, find: FindInstrument) -> str:
        symbol = self.text(name)
        found = find(symbol)
        if found is None:
            raise OtherInstrument(symbol[:32])
        return found


def facts_of_report(event: Any, find: FindInstrument) -> OrderFacts:
    """`executionReport` of the private stream. While an order is cancelled, `C` is its own id and `c` the cancel's."""
    read = Reader(event, "executionReport")
    change = read.text("x")
    if change not in _CHANGE_TYPES:
        raise read.bad("x", f"{change[:32]!r} is no known change")
    original = read.get("C")
    own_id = read.order_ref("C" if change == "CANCELED" and original not in (None, "", "null") else "c")
    reasons = [str(read.get(name)) for name in ("r", "eR") if read.get(name) not in (None, "", NO_REASON)]
    cum_quantity = read.amount("z")
    order = VenueOrder(
        client_order_id=own_id,
        venue_order_id=str(read.whole("i")),
        instrument_id=read.instrument("s", find),
        side=read.side("S"),
        order_type=read.order_type("o"),
        quantity=max(read.amount("q"), cum_quantity),
        status=read.status("X"),
        cum_quantity=cum_quantity,
        ts_event_ns=read.time_ns("T"),
        limit_price=read.optional_price("p"),
        stop_price=read.optional_price("P"),
        reason=" ".join(reasons),
    )
    trades: tuple[VenueTrade, ...] = ()
    if change == "TRADE":
        trade = VenueTrade(
            trade_id=str(read.whole("t")),
            venue_order_id=order.venue_order_id,
            instrument_id=order.instrument_id,
            side=order.side,
            quantity=read.positive("l"),
            price=read.positive("L"),
            fee=read.number("n"),
            fee_currency=read.asset("N"),
            ts_event_ns=order.ts_event_ns,
            liquidity=Liquidity.MAKER if read.flag("m") else Liquidity.TAKER,
        )
        trades = (trade,)
    return OrderFacts(order, trades, exec_id=str(read.get("I") or ""))


def order_of(row: Any, place: str, find: FindInstrument, *, own_id: str = "clientOrderId") -> VenueOrder:
    """An order in an answer: of a query, a new order (`transactTime`), or a cancel (`origClientOrderId`)."""
    read = Reader(row, place)
    cum_quantity = read.amount("executedQty")
    time = next((name for name in ("transactTime", "updateTime", "time") if read.get(name) is not None), "time")
    return VenueOrder(
        client_order_id=read.order_ref(own_id),
        venue_order_id=str(read.whole("orderId")),
        instrument_id=read.instrument("symbol", find),
        side=read.side("side"),
        order_type=read.order_type("type"),
        quantity=max(read.amount("origQty"), cum_quantity),
        status=read.status("status"),
        cum_quantity=cum_quantity,
        ts_event_ns=read.time_ns(time),
        limit_price=read.optional_price("price"),
        stop_price=read.optional_price("stopPrice"),
    )


def facts_of_placed(row: Any, find: FindInstrument) -> OrderFacts:
    """The full answer to a new order. What it traded at once it took from the book."""
    order = order_of(row, "order.place", find)
    trades: list[VenueTrade] = []
    for fill in Reader(row, "order.place").rows("fills"):
        read = Reader(fill, "order.place fills")
        trades.append(
            VenueTrade(
                trade_id=str(read.whole("tradeId")),
                venue_order_id=order.venue_order_id,
                instrument_id=order.instrument_id,
                side=order.side,
                quantity=read.positive("qty"),
                price=read.positive("price"),
                fee=read.number("commission"),
                fee_currency=read.asset("commissionAsset"),
                ts_event_ns=order.ts_event_ns,
                liquidity=Liquidity.TAKER,
            )
        )
    return OrderFacts(order, tuple(trades))


def trade_of(row: Any, find: FindInstrument) -> VenueTrade:
    """A row of `myTrades`."""
    read = Reader(row, "myTrades")
    return VenueTrade(
        trade_id=str(read.whole("id")),
        venue_order_id=str(read.whole("orderId")),
        instrument_id=read.instrument("symbol", find),
        side=Side.BUY if read.flag("isBuyer") else Side.SELL,
        quantity=read.positive("qty"),
        price=read.positive("price"),
        fee=read.number("commission"),
        fee_currency=read.asset("commissionAsset"),
        ts_event_ns=read.time_ns("time"),
        liquidity=Liquidity.MAKER if read.flag("isMaker") else Liquidity.TAKER,
    )


def balance_of(row: Any) -> tuple[str, Decimal]:
    """A row of `account`: the asset, and what is free and locked of it."""
    read = Reader(row, "account balances")
    asset = read.asset("asset")
    if asset is None:
        raise read.bad("asset", "is missing")
    return asset, total(read.amount("free"), read.amount("locked"))


def offered_types(row: Any) -> frozenset[str]:
    """The order types of a symbol of `exchangeInfo`, in the venue's words; empty where it does not say."""
    read = Reader(row, "exchangeInfo")
    if read.get("orderTypes") is None:
        return frozenset()
    words = read.rows("orderTypes")
    if not all(isinstance(word, str) for word in words):
        raise read.bad("orderTypes", "is not a list of texts")
    return frozenset(words)


def instrument_of(row: Any, venue: str) -> Instrument:
    """A symbol of `exchangeInfo`: the steps in which it is traded."""
    read = Reader(row, "exchangeInfo")
    base, quote = read.text("baseAsset"), read.text("quoteAsset")
    filters = {Reader(each, "exchangeInfo filter").text("filterType"): each for each in read.rows("filters")}
    for name in ("PRICE_FILTER", "LOT_SIZE"):
        if name not in filters:
            raise DecodeError(subject="exchangeInfo", reason=f"{base}-{quote} has no {name}")
    price, lot = Reader(filters["PRICE_FILTER"], "PRICE_FILTER"), Reader(filters["LOT_SIZE"], "LOT_SIZE")
    return Instrument(
        instrument_id=instrument_id(f"{base}-{quote}", venue),
        symbol=f"{base}-{quote}",
        venue=venue,
        venue_symbol=read.text("symbol"),
        base=base,
        quote=quote,
        tick_size=price.positive("tickSize"),
        lot_size=lot.positive("stepSize"),
        min_quantity=lot.amount("minQty"),
        max_quantity=lot.amount("maxQty") or None,
    )
