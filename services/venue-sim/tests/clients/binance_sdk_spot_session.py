"""A session of Binance's own SDK against the venue whose addresses are in VENUE; prints what it saw as JSON."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

VENUE: dict[str, str] = json.loads(os.environ["VENUE"])
WAIT_S = 20.0
sdk = import_module("binance_sdk_spot.spot")
KEYS = {"api_key": VENUE["api_key"], "api_secret": VENUE["api_secret"]}


def client() -> Any:
    """The SDK with other addresses and nothing else changed."""
    return sdk.Spot(
        config_rest_api=sdk.ConfigurationRestAPI(**KEYS, base_path=VENUE["http"]),
        config_ws_api=sdk.ConfigurationWebSocketAPI(**KEYS, stream_url=VENUE["ws_api"]),
        config_ws_streams=sdk.ConfigurationWebSocketStreams(stream_url=f"{VENUE['ws']}/stream"),
    )


async def streams(spot: Any) -> dict[str, bool]:
    """A market stream, the account's stream and an order over sockets."""
    seen: dict[str, asyncio.Future[Any]] = {
        name: asyncio.get_running_loop().create_future() for name in ("book", "user")
    }

    def noting(name: str, wanted: str) -> Callable[[Any], None]:
        def note(event: Any) -> None:
            if wanted in str(event) and not seen[name].done():
                seen[name].set_result(event)

        return note

    market = await spot.websocket_streams.create_connection()
    book = await market.book_ticker(symbol="btcusdt")
    book.on("message", noting("book", "BTCUSDT"))
    api = await spot.websocket_api.create_connection()
    subscribed = await api.user_data_stream_subscribe_signature()
    subscribed.stream.on("message", noting("user", "FILLED"))
    placed = await api.order_place(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.01)
    for future in seen.values():
        await asyncio.wait_for(future, WAIT_S)
    account = await api.account_status()
    await api.close_connection(close_session=True)
    await market.close_connection(close_session=True)
    return {
        "socket order": placed.data().result.status == "FILLED",
        "stream fill": seen["user"].done(),
        "book ticker": seen["book"].done(),
        "socket account": account.data().result.can_trade,
    }


def requests(spot: Any) -> dict[str, bool]:
    """The account and orders by REST; every answer is checked by the SDK's own models."""
    rest = spot.rest_api
    limit = {"type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01, "price": 50000}
    order = rest.new_order(symbol="BTCUSDT", side="BUY", **limit).data()
    found = rest.get_open_orders(symbol="BTCUSDT").data()
    amended = rest.order_amend_keep_priority(symbol="BTCUSDT", new_qty=0.005, order_id=order.order_id).data()
    canceled = rest.delete_order(symbol="BTCUSDT", order_id=order.order_id).data()
    oco = rest.order_list_oco(
        symbol="BTCUSDT", side="SELL", quantity=0.009, above_type="LIMIT_MAKER", above_price=90000,
        below_type="STOP_LOSS", below_stop_price=40000,
    ).data()  # fmt: skip
    return {
        "info": rest.exchange_info(symbol="BTCUSDT").data().symbols[0].status == "TRADING",
        "depth": len(rest.depth(symbol="BTCUSDT", limit=5).data().bids) == 5,
        "candles": len(rest.klines(symbol="BTCUSDT", interval="1m", limit=3).data()) == 3,
        "open": [one.order_id for one in found] == [order.order_id],
        "amended": amended.amended_order.qty == "0.00500000",
        "canceled": canceled.status == "CANCELED",
        "oco": oco.contingency_type == "OCO",
        "account": rest.get_account().data().account_type == "SPOT",
        "my trades": len(rest.my_trades(symbol="BTCUSDT").data()) == 1,
    }


async def main() -> None:
    spot = client()
    seen = await streams(spot)
    sys.stdout.write(json.dumps(seen | await asyncio.to_thread(requests, spot)))


asyncio.run(main())
