"""Requests in Binance's words, signed (Spot API documentation, SIGNED endpoint security)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from pitwire.common.enums import OrderType, TimeInForce
from pitwire.common.ids import content_hash
from pitwire.common.schemas.base import decimal_text
from pitwire.execution.adapters.keys import ApiKey, signing_with
from pitwire.execution.core.venue import NewOrder

LIMIT_MAKER: Final = "LIMIT_MAKER"
_WITH_TIME_IN_FORCE: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})

Params = dict[str, str | int]


class Signer:
    """Signs with one account's key: HMAC-SHA256 in hex, or Ed25519 in base64, over the parameters."""

    def __init__(self, key: ApiKey) -> None:
        self.api_key = key.api_key
        self._sign = _signing_with(key)

    def query(self, params: Mapping[str, str | int]) -> str:
        """For REST: the percent-encoded parameters with the signature of exactly that text at the end."""
        text = urlencode(params)
        return f"{text}&signature={quote(self._sign(text), safe='')}"

    def frame(self, request_id: int, method: str, params: Params) -> bytes:
        """For the WebSocket API: the request with key and signature over the sorted parameters."""
        params["apiKey"] = self.api_key
        pairs = sorted(params.items())
        text = "&".join(f"{name}={_plain(value)}" for name, value in pairs)
        params["signature"] = self._sign(text)
        return orjson.dumps({"id": request_id, "method": method, "params": params})


def _signing_with(key: ApiKey) -> Callable[[str], str]:
    if key.is_private:
        sign = signing_with(key.secret.reveal())
        return lambda text: base64.b64encode(sign(text.encode())).decode()
    secret = key.secret.reveal().encode()
    return lambda text: hmac.digest(secret, text.encode(), "sha256").hex()


def _plain(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    return value if value.isascii() else quote(value, safe="")


def type_word(order: NewOrder) -> str:
    """The venue's word for the type of the order."""
    return LIMIT_MAKER if order.post_only else order.order_type.value


def order_params(order: NewOrder) -> Params:
    """The order itself: everything but key, time and signature. The full answer is asked for, with its trades."""
    params: Params = {
        "symbol": order.venue_symbol,
        "side": order.side.value,
        "type": type_word(order),
        "quantity": decimal_text(order.quantity),
        "newClientOrderId": order.client_order_id,
        "newOrderRespType": "FULL",
    }
    if order.order_type in _WITH_TIME_IN_FORCE and not order.post_only:
        params["timeInForce"] = order.time_in_force.value
    if order.limit_price is not None:
        params["price"] = decimal_text(order.limit_price)
    if order.stop_price is not None:
        params["stopPrice"] = decimal_text(order.stop_price)
    return params


def request_hash(method: str, params: Mapping[str, Any]) -> str:
    """sha256 of what is asked for, in one canonical form."""
    return content_hash(orjson.dumps([method, params], option=orjson.OPT_SORT_KEYS))


SUPPORTED_TIMES: Final = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})
