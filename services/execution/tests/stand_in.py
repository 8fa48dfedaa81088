"""A tiny Binance: signatures checked, the answers that a test puts in, and every way to behave badly."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import WSMsgType, web

from pitwire.common.clock import SystemClock
from pitwire.common.config import VenueConfig
from pitwire.common.instruments import InstrumentRegistry
from pitwire.execution.adapters.binance.adapter import BinanceVenue
from pitwire.execution.adapters.binance.limits import address_limits
from pitwire.execution.adapters.keys import ApiKey, Secret
from pitwire.execution.core.venue import OrderFacts

SECRET = "secret"
KEY = "key"
BTC = "BTC-USDT.sim"
SYMBOL = {
    "symbol": "BTCUSDT",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000", "stepSize": "0.001"},
    ],
}

Answer = tuple[int, Any, dict[str, str]]


class StandIn:
    """Serves REST and the WebSocket API on a free port of loopback."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.streams: list[web.WebSocketResponse] = []
        self.rest: dict[str, Callable[[dict[str, str]], Answer]] = {}
        self.ws: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {}
        self.deaf = False
        self.time_shift_ms = 0
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/ws-api/v3", self._on_socket)
        app.router.add_route("*", "/api/v3/{name}", self._on_rest)
        app.router.add_route("*", "/sapi/v1/account/{name}", self._on_rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        for socket in self.sockets:
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def methods(self) -> list[str]:
        return [method for method, _ in self.asked]

    async def tell(self, event: dict[str, Any]) -> None:
        for stream in self.streams:
            await stream.send_str(orjson.dumps({"subscriptionId": 0, "event": event}).decode())

    # -- REST ------------------------------------------------------------------------------------------------------

    async def _on_rest(self, request: web.Request) -> web.Response:
        name = f"{request.method} {request.match_info['name']}"
        query = request.raw_path.partition("?")[2]
        params = dict(parse_qsl(query))
        self.asked.append((name, dict(params)))
        if "signature" in params:
            unsigned = query.rpartition("&signature=")[0]
            assert request.headers["X-MBX-APIKEY"] == KEY
            assert params["signature"] == sign(unsigned), "the signature is wrong"
        status, body, headers = self._rest_answer(name, params)
        return web.Response(status=status, body=orjson.dumps(body), headers=headers)

    def _rest_answer(self, name: str, params: dict[str, str]) -> Answer:
        if name in self.rest:
            return self.rest[name](params)
        known: dict[str, Any] = {
            "GET time": {"serverTime": now_ms() + self.time_shift_ms},
            "GET account": {"canTrade": True},
            "GET exchangeInfo": {"symbols": [SYMBOL]},
            "GET openOrders": [],
            "GET allOrders": [],
            "GET myTrades": [],
        }
        return (200, known[name], {}) if name in known else (400, {"code": -2013, "msg": "Order does not exist."}, {})

    # -- WebSocket API -----------------------------------------------------------------------------------------------

    async def _on_socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=not self.deaf)
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._on_text(socket, orjson.loads(message.data))
        self.sockets.remove(socket)
        if socket in self.streams:
            self.streams.remove(socket)
        return socket

    async def _on_text(self, socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        method, params = request["method"], request["params"]
        self.asked.append((method, params))
        unsigned = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
        assert params["signature"] == sign(unsigned), "the signature is wrong"
        answer: dict[str, Any] | None = {"status": 200, "result": {"subscriptionId": 0}}
        if method in self.ws:
            answer = self.ws[method](params)
        elif method == "userDataStream.subscribe.signature":
            self.streams.append(socket)
        if answer is not None:
            await socket.send_str(orjson.dumps({"id": request["id"], **answer}).decode())


def now_ms() -> int:
    return SystemClock().wall_ns() // 1_000_000


def sign(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


class Ear:
    """Keeps what a venue account is told."""

    def __init__(self) -> None:
        self.facts: list[OrderFacts] = []
        self.gaps: list[str] = []
        self.malformed: list[tuple[str, str]] = []
        self.links: list[str] = []

    def on_facts(self, facts: OrderFacts) -> None:
        self.facts.append(facts)

    def on_gap(self, reason: str) -> None:
        self.gaps.append(reason)

    def on_malformed(self, place: str, data: bytes, reason: str) -> None:
        self.malformed.append((place, reason))

    def on_link(self, state: str) -> None:
        self.links.append(state)


class Client:
    """The adapter against the stand-in."""

    def __init__(self, stand_in: StandIn, **settings: Any) -> None:
        self.stand_in = stand_in
        self.ear = Ear()
        address = f"127.0.0.1:{stand_in.port}"
        config = VenueConfig(
            rest=f"http://{address}",
            ws=f"ws://{address}",
            ws_api=f"ws://{address}/ws-api/v3",
            instruments=("BTC-USDT",),
            **settings,
        )
        self.instruments = InstrumentRegistry()
        self.venue = BinanceVenue(
            "sim",
            config,
            ApiKey(KEY, Secret(SECRET)),
            self.instruments,
            SystemClock(),
            lambda: 0.0,
            address_limits(config.rate_share_percent),
        )
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        for instrument in await self.venue.reads.load_instruments():
            self.instruments.put(instrument)
        self.task = asyncio.create_task(self.venue.run(self.ear))

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.venue.close()
