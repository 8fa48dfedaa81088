"""A session of python-binance against the venue whose addresses are in VENUE; prints what it saw as JSON."""

import asyncio
import json
import os
import sys
from importlib import import_module
from typing import Any

VENUE: dict[str, str] = json.loads(os.environ["VENUE"])
WAIT_S = 20.0
binance = import_module("binance")
AsyncClient: Any = binance.AsyncClient
AsyncClient.API_URL = f"{VENUE['http']}/api"
AsyncClient.WS_API_URL = VENUE["ws_api"]
binance.BinanceSocketManager.STREAM_URL = f"{VENUE['ws']}/"


async def until_fill(socket: Any) -> list[dict[str, Any]]:
    """The events up to a fill."""
    events: list[dict[str, Any]] = []
    while not events or events[-1].get("X") != "FILLED":
        event = await socket.recv()
        events.append(event.get("event", event))
    return events


async def session(client: Any) -> dict[str, Any]:
    sockets = binance.BinanceSocketManager(client)
    info = await client.get_symbol_info("BTCUSDT")
    candles = await client.get_klines(symbol="BTCUSDT", interval="1m", limit=3)
    async with sockets.user_socket() as user, sockets.trade_socket("BTCUSDT") as market:
        order = await client.order_market_buy(symbol="BTCUSDT", quantity="0.01")
        events = await asyncio.wait_for(until_fill(user), WAIT_S)
        trade = await asyncio.wait_for(market.recv(), WAIT_S)
    async with binance.DepthCacheManager(client, symbol="BTCUSDT") as depth:
        cache = await asyncio.wait_for(depth.recv(), WAIT_S)
    limit = await client.order_limit_buy(symbol="BTCUSDT", quantity="0.01", price="50000")
    found = await client.get_open_orders(symbol="BTCUSDT")
    canceled = await client.cancel_order(symbol="BTCUSDT", orderId=limit["orderId"])
    by_socket = await client.ws_order_limit_buy(symbol="BTCUSDT", quantity="0.01", price="48000")
    await client.ws_cancel_order(symbol="BTCUSDT", orderId=by_socket["orderId"])
    account = await client.get_account()
    return {
        "symbol": info["status"] == "TRADING",
        "candles": len(candles) == 3,
        "filled": order["status"] == "FILLED",
        "stream fill": events[-1]["i"] == order["orderId"] and events[0]["x"] == "NEW",
        "trade": trade["e"] == "trade",
        "depth": cache.get_bids()[0][0] < cache.get_asks()[0][0],
        "open": [one["orderId"] for one in found] == [limit["orderId"]],
        "canceled": canceled["status"] == "CANCELED",
        "socket order": by_socket["status"] == "NEW",
        "my trades": len(await client.get_my_trades(symbol="BTCUSDT")) == 1,
        "balance": any(one["asset"] == "BTC" and float(one["free"]) == 0.00999 for one in account["balances"]),
    }


async def main() -> None:
    client = await AsyncClient.create(VENUE["api_key"], VENUE["api_secret"])
    try:
        sys.stdout.write(json.dumps(await session(client)))
    finally:
        await client.close_connection()


asyncio.run(main())
