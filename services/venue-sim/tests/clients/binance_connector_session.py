"""A session of binance-connector against the venue whose addresses are in VENUE; prints what it saw as JSON."""

import json
import os
import queue
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

VENUE: dict[str, str] = json.loads(os.environ["VENUE"])
WAIT_S = 20.0
Spot: Any = import_module("binance.spot").Spot
Streams: Any = import_module("binance.websocket.spot.websocket_stream").SpotWebsocketStreamClient
Api: Any = import_module("binance.websocket.spot.websocket_api").SpotWebsocketAPIClient
RESTING = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}


def into(said: "queue.Queue[str]") -> Callable[[object, str], None]:
    """Keeps what a socket says."""

    def on_message(_: object, text: str) -> None:
        said.put(text)

    return on_message


def first(said: "queue.Queue[str]", key: str) -> dict[str, Any]:
    """The first message that has a key."""
    while True:
        message = json.loads(said.get(timeout=WAIT_S))
        body = message.get("data", message)
        if key in body:
            return dict(body)


def streamed() -> dict[str, Any]:
    """A trade of the combined streams."""
    said: queue.Queue[str] = queue.Queue()
    client = Streams(stream_url=VENUE["ws"], on_message=into(said), is_combined=True)
    client.trade(symbol="btcusdt")
    try:
        return first(said, "t")
    finally:
        client.stop()


def ordered_by_socket() -> dict[str, Any]:
    """The answer to an order over the WebSocket API."""
    said: queue.Queue[str] = queue.Queue()
    client = Api(
        stream_url=VENUE["ws_api"],
        api_key=VENUE["api_key"],
        api_secret=VENUE["api_secret"],
        on_message=into(said),
    )
    client.new_order(
        **{**RESTING, "price": 48000, "quantity": 0.01, "newOrderRespType": "RESULT"},
    )
    try:
        return dict(first(said, "status"))
    finally:
        client.stop()


def session() -> dict[str, Any]:
    client = Spot(VENUE["api_key"], VENUE["api_secret"], base_url=VENUE["http"])
    filled = client.new_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
    resting = client.new_order(**RESTING, price="50000")
    found = client.get_open_orders("BTCUSDT")
    replaced = client.cancel_and_replace(
        **RESTING, cancelReplaceMode="STOP_ON_FAILURE", price="49000", cancelOrderId=resting["orderId"]
    )
    cancelled = client.cancel_open_orders("BTCUSDT")
    by_socket = ordered_by_socket()
    trade = streamed()
    return {
        "time": client.time()["serverTime"] > 0,
        "info": client.exchange_info(symbol="BTCUSDT")["symbols"][0]["status"] == "TRADING",
        "candles": len(client.klines("BTCUSDT", "1m", limit=3)) == 3,
        "depth": len(client.depth("BTCUSDT", limit=5)["bids"]) == 5,
        "filled": filled["status"] == "FILLED",
        "open": [one["orderId"] for one in found] == [resting["orderId"]],
        "replaced": replaced["newOrderResponse"]["price"] == "49000.00000000",
        "cancelled": [one["status"] for one in cancelled] == ["CANCELED"],
        "socket order": by_socket["status"] == 200 and by_socket["result"]["status"] == "NEW",
        "trade": trade["e"] == "trade",
        "my trades": len(client.my_trades("BTCUSDT")) == 1,
        "balance": any(one["asset"] == "BTC" and one["free"] == "0.00999000" for one in client.account()["balances"]),
    }


sys.stdout.write(json.dumps(session()))
sys.stdout.flush()
# Its sockets keep threads of their own that outlive `stop`.
os._exit(0)
