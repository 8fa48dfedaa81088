"""What candles, quotes and trades answer, and what of them is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from pitwire.common.schemas.market import BookLevel, Candle, Quote, Trade

D = Decimal
COMMON: dict[str, Any] = {
    "instrument_id": "BTC-USDT.sim",
    "epoch": "e",
    "sequence": 1,
    "ts_event_ns": 60_000_000_000,
    "ts_recv_ns": 0,
}


def candle(low: str = "9", high: str = "12", close: str = "11", **changed: Any) -> Candle:
    values = {"interval": "1m", "open_time_ns": 0, "close_time_ns": 60_000_000_000, "volume": "5", "open": "10"}
    return Candle.model_validate(COMMON | values | {"low": low, "high": high, "close": close} | changed)


def quote(bid: str, ask: str) -> Quote:
    values = {"bid_price": bid, "ask_price": ask, "bid_quantity": "1", "ask_quantity": "1"}
    return Quote.model_validate(COMMON | values)


def test_what_a_candle_answers() -> None:
    up, down, flat = candle(), candle(close="9.5"), candle(close="10")
    assert (up.typical_price * 3, up.range) == (D(32), D(3))
    assert [(c.is_bullish, c.is_bearish) for c in (up, down, flat)] == [(True, False), (False, True), (False, False)]


@pytest.mark.parametrize(
    "changed",
    [
        {"low": "10.5"},
        {"low": "11.5", "open": "12"},
        {"high": "10.9"},
        {"high": "9.9", "close": "9"},
        {"close_time_ns": 0},
        {"open": "NaN"},
        {"volume": "-1"},
        {"low": "0"},
    ],
)
def test_a_candle_whose_prices_or_times_contradict_each_other_is_refused(changed: dict[str, Any]) -> None:
    """S-50, F-25."""
    with pytest.raises(ValidationError):
        candle(**changed)


def test_what_a_quote_answers() -> None:
    found = quote("99", "101")
    assert (found.mid_price, found.spread, found.spread_percent) == (D(100), D(2), D(2))
    assert [quote(*q).is_crossed for q in (("99", "101"), ("100", "100"), ("101", "100"))] == [False, True, True]
    assert quote("101", "100").spread == D(-1)


def test_the_notional_of_a_trade_and_of_a_level() -> None:
    trade = Trade.model_validate(
        COMMON | {"trade_id": "1", "last_price": "0.1", "last_quantity": "0.2", "aggressor_side": "BUY"}
    )
    assert trade.notional == D("0.02")
    assert BookLevel(price=D(3), quantity=D("0.5")).notional == D("1.5")
