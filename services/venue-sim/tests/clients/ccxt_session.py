"""A session of ccxt against the venue whose addresses are in VENUE; prints what it saw as JSON."""

import asyncio
import json
import os
import sys
from importlib import import_module
from typing import Any

VENUE: dict[str, str] = json.loads(os.environ["VENUE"])
WAIT_S = 20.0


def exchange() -> Any:
    """ccxt's Binance with other addresses and nothing else changed."""
    rest = f"{VENUE['http']}/api/v3"
    urls = {
        "public": rest,
        "private": rest,
        "v1": f"{VENUE['http']}/api/v1",
        "sapi": f"{VENUE['http']}/sapi/v1",
        "ws": {"spot": f"{VENUE['ws']}/ws", "ws-api": {"spot": VENUE["ws_api"]}},
    }
    return import_module("ccxt.pro").binance(
        {
            "apiKey": VENUE["api_key"],
            "secret": VENUE["api_secret"],
            "urls": {"api": urls},
            "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
        }
    )


async def session(binance: Any) -> dict[str, Any]:
    pair = "BTC/USDT"
    await binance.load_markets()
    ticker, book = await binance.fetch_ticker(pair), await binance.fetch_order_book(pair, 5)
    candles = await binance.fetch_ohlcv(pair, "1m", limit=3)
    watched = asyncio.gather(binance.watch_my_trades(pair), binance.watch_order_book(pair), binance.watch_ticker(pair))
    await asyncio.sleep(2)
    bought = await binance.create_order(pair, "market", "buy", 0.01)
    trades, live_book, live_ticker = await asyncio.wait_for(watched, WAIT_S)
    resting = await binance.create_order(pair, "limit", "buy", 0.01, 50_000)
    edited = await binance.edit_order(resting["id"], pair, "limit", "buy", 0.01, 49_000)
    open_orders = await binance.fetch_open_orders(pair)
    canceled = await binance.cancel_order(edited["id"], pair)
    by_socket = await binance.create_order_ws(pair, "limit", "buy", 0.01, 48_000)
    await binance.cancel_order_ws(by_socket["id"], pair)
    stop = await binance.create_order(pair, "limit", "buy", 0.01, 90_000, {"stopPrice": 89_000})
    await binance.cancel_all_orders(pair)
    oco = await binance.private_post_orderlist_oco(
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "quantity": "0.009",
            "aboveType": "LIMIT_MAKER",
            "abovePrice": "90000",
            "belowType": "STOP_LOSS",
            "belowStopPrice": "40000",
        }
    )
    fee, balance = await binance.fetch_trading_fee(pair), await binance.fetch_balance()
    return {
        "filled": bought["status"] == "closed" and bought["filled"] == 0.01,
        "stream fill": trades[-1]["order"] == bought["id"],
        "book": book["bids"][0][0] < book["asks"][0][0] and live_book["bids"][0][0] < live_book["asks"][0][0],
        "ticker": ticker["last"] > 0 and live_ticker["last"] > 0,
        "candles": len(candles) == 3,
        "edited": [order["price"] for order in open_orders] == [49_000],
        "canceled": canceled["status"] == "canceled",
        "stop": stop["id"] is not None,
        "oco": oco["contingencyType"] == "OCO",
        "my trades": [trade["order"] for trade in await binance.fetch_my_trades(pair)] == [bought["id"]],
        "orders": len(await binance.fetch_orders(pair)) == 7,
        "balance": balance["BTC"]["total"] == 0.00999,
        "fee": fee["taker"] == 0.001,
    }


async def main() -> None:
    binance = exchange()
    try:
        sys.stdout.write(json.dumps(await session(binance)))
    finally:
        await binance.close()


asyncio.run(main())
