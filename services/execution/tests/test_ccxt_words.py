"""ccxt's unified structures and errors, right and wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from services.execution.tests.ccxt_words import (
    MARKET,
    ORDER,
    TRADE,
    AuthenticationError,
    DDoSProtection,
    DuplicateOrderId,
    ExchangeError,
    InsufficientFunds,
    InvalidOrder,
    OrderNotFound,
    RequestTimeout,
    btc,
)
from services.execution.tests.stand_in import BTC

from pitwire.common.enums import OrderStatus, OrderType
from pitwire.common.errors import DecodeError
from pitwire.execution.adapters.binance.errors import ErrorClass
from pitwire.execution.adapters.ccxt import words
from pitwire.execution.adapters.ccxt.exchange import is_limit, is_not_found, refusal_of


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InsufficientFunds("no"), ErrorClass.INSUFFICIENT_FUNDS),
        (InvalidOrder("price"), ErrorClass.INVALID_ORDER),
        (AuthenticationError("key"), ErrorClass.UNAUTHORIZED),
        (InvalidOrder("-2010 Duplicate order sent."), None),
        (DuplicateOrderId("again"), None),
        (OrderNotFound("?"), None),
        (RequestTimeout("10 s"), None),
        (DDoSProtection("429"), None),
        (ExchangeError("something new"), None),
        (ValueError("a defect of the library"), None),
    ],
    ids=str,
)
def test_only_what_says_so_beyond_doubt_is_a_refusal(error: Exception, expected: ErrorClass | None) -> None:
    """Law 4."""
    assert refusal_of(error) is expected


def test_limits_and_absences_are_told_apart() -> None:
    assert (is_limit(DDoSProtection("429")), is_limit(RequestTimeout("x"))) == (True, False)
    assert (is_not_found(OrderNotFound("x")), is_not_found(InvalidOrder("x"))) == (True, False)


# -- words -----------------------------------------------------------------------------------------------------------


def test_a_market_is_read_with_its_steps_in_either_way_of_stating_them() -> None:
    assert (btc().instrument_id, btc().venue_symbol) == (BTC, "XBTUSDT")
    assert (btc().tick_size, btc().lot_size, btc().min_quantity) == (
        Decimal("0.1"),
        Decimal("0.0001"),
        Decimal("0.0001"),
    )
    places = MARKET | {"precision": {"price": "2", "amount": "8"}}
    assert words.instrument_of(places, "sim", words.DECIMAL_PLACES).tick_size == Decimal("0.01")
    with pytest.raises(DecodeError):
        words.instrument_of(MARKET, "sim", 3)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, OrderStatus.NEW),
        ({"filled": "0.4"}, OrderStatus.PARTIALLY_FILLED),
        ({"filled": "1", "status": "closed"}, OrderStatus.FILLED),
        ({"filled": "0.4", "status": "closed"}, OrderStatus.EXPIRED),
        ({"status": "canceled"}, OrderStatus.CANCELED),
        ({"status": "rejected"}, OrderStatus.REJECTED),
    ],
)
def test_every_status_is_read(changed: dict[str, Any], status: OrderStatus) -> None:
    assert words.order_of(ORDER | changed, btc()).status is status


def test_the_exchanges_own_word_tells_stops_apart() -> None:
    stop = ORDER | {"type": "market", "info": {"type": "TAKE_PROFIT"}, "triggerPrice": "120"}
    order = words.order_of(stop, btc())
    assert (order.order_type, order.stop_price) == (OrderType.TAKE_PROFIT, Decimal(120))
    assert words.order_of(ORDER | {"info": {"type": "LIMIT_MAKER"}}, btc()).order_type is OrderType.LIMIT


@pytest.mark.parametrize(
    "changed",
    [{"status": "odd"}, {"amount": None}, {"filled": "NaN"}, {"id": None}, {"side": "hold"}, {"type": "wish"},
     {"timestamp": None}],
    ids=str,
)  # fmt: skip
def test_an_order_that_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        words.order_of(ORDER | changed, btc())


def test_a_trade_needs_a_number_for_its_id_since_trades_are_asked_for_by_it() -> None:
    assert words.trade_of(TRADE, btc()).fee == Decimal("0.01")
    with pytest.raises(DecodeError):
        words.trade_of(TRADE | {"id": "a-b-c"}, btc())
