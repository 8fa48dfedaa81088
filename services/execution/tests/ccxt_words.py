"""What tests of the adapter of ccxt share: its structures, and its errors under their names."""

from __future__ import annotations

from typing import Any

from pitwire.execution.adapters.ccxt import words

MARKET = {
    "id": "XBTUSDT", "base": "BTC", "quote": "USDT", "precision": {"price": "0.1", "amount": "0.0001"},
    "limits": {"amount": {"min": "0.0001", "max": None}},
}  # fmt: skip
ORDER: dict[str, Any] = {
    "id": "O1", "clientOrderId": "ABC", "symbol": "BTC/USDT", "side": "buy", "type": "limit", "amount": "1",
    "filled": "0", "status": "open", "timestamp": 1_700_000_000_000, "price": "100", "triggerPrice": None,
}  # fmt: skip
TRADE: dict[str, Any] = {
    "id": "7", "order": "O1", "symbol": "BTC/USDT", "side": "buy", "amount": "0.5", "price": "99.5",
    "fee": {"cost": "0.01", "currency": "USDT"}, "timestamp": 1_700_000_000_001, "takerOrMaker": "maker",
}  # fmt: skip


# -- errors, named as ccxt names them --------------------------------------------------------------------------------


class BaseError(Exception): ...


class ExchangeError(BaseError): ...


class InvalidOrder(ExchangeError): ...


class OrderNotFound(InvalidOrder): ...


class DuplicateOrderId(InvalidOrder): ...


class InsufficientFunds(ExchangeError): ...


class AuthenticationError(ExchangeError): ...


class NetworkError(BaseError): ...


class RequestTimeout(NetworkError): ...


class DDoSProtection(NetworkError): ...


def btc() -> Any:
    """The market as an instrument."""
    return words.instrument_of(MARKET, "sim", words.TICK_SIZE)
