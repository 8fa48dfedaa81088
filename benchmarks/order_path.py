"""The order path: a quote leaves the venue's socket, the order it causes arrives there; every quote one IOC order.

All services run as their own processes, persistence on, every durable write synced; the real simulated venue answers
behind a proxy that numbers quotes by their price and notes when the order at that price comes back. Rounds alternate
with `floor.py` (same hops and writes, no logic), so that the ratio holds on a machine whose speed drifts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import orjson
import uvloop
from aiohttp import WSMsgType, web
from cpu import CpuMeter
from floor import SHIPPED_CONFIG, Floor, summary, until_empty
from servers import bus_server, keys_in

from pitwire.cli.servers import Postgres
from pitwire.cli.servers.process import free_port
from pitwire.common.config import load_config

SERVICES: Final = ("market_data", "strategy", "risk_gate", "execution", "persistence")
START_WAIT_S: Final = 120.0
WARM_UP_EVENTS: Final = 200
IDLE_S: Final = 5.0
VENUE_ORDERS_PER_10S: Final = 100_000
"""Out of the way: the venue's own default is ten orders a second, as Binance's."""

BELOW_MARKET: Final = Decimal("0.97")
"""Quotes stand this share of the market's price: near enough to be believed, too low for their orders to be filled."""

TICK: Final = Decimal("0.01")
RUN_CACHE: Final = Path(__file__).parents[1] / ".pitwire" / "cache"

CONFIG: Final = """
[venues.sim]
rest = "{http}"
ws = "{ws}"
ws_api = "{ws}/ws-api/v3"
instruments = ["BTC-USDT"]
[venue_accounts.sim-main]
venue = "sim"
account = "main"
key_file = "sim.json"
[accounts.main]
quote = "USDT"
capital = {{ USDT = "100000" }}
[accounts.main.limits]
order_value_max = "10000"
position_value_max = "90000"
open_positions_max = 5
orders_per_minute_max = 1000000
daily_loss_max_percent = "50"
drawdown_max_percent = "50"
instruments_allowed = ["BTC-USDT.sim"]
[strategies.every_quote]
type = "{strategy}"
account = "main"
capital = "50000"
instruments = ["BTC-USDT.sim"]
"""


class Proxy:
    """Between the services and the simulated venue: passes everything on, puts its own quotes in, times orders."""

    def __init__(self, venue: Mapping[str, str]) -> None:
        self._venue = venue
        self._session = aiohttp.ClientSession()
        self._base_price = Decimal(0)
        self._feeds: list[web.WebSocketResponse] = []
        self.sent_ns: dict[str, int] = {}
        self.took_ms: list[float] = []
        self._number = 0

    async def start(self, stack: AsyncExitStack) -> int:
        stack.push_async_callback(self._session.close)
        async with self._session.get(self._venue["http"] + "/api/v3/ticker/price?symbol=BTCUSDT") as answer:
            market = Decimal((await answer.json())["price"])
        self._base_price = (market * BELOW_MARKET).quantize(TICK)
        app = web.Application()
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/ws-api/v3", self._api)
        app.router.add_route("*", "/{path:.*}", self._rest)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=1).start()
        return int(runner.addresses[0][1])

    @property
    def connected(self) -> bool:
        return bool(self._feeds)

    async def emit(self) -> None:
        self._number += 1
        price = str(self._base_price + TICK * self._number)
        data = {"u": self._number, "s": "BTCUSDT", "b": price, "B": "1", "a": str(Decimal(price) + TICK), "A": "1"}
        frame = orjson.dumps({"stream": "btcusdt@bookTicker", "data": data}).decode()
        for feed in self._feeds:
            self.sent_ns[price] = time.perf_counter_ns()
            await feed.send_str(frame)

    async def _rest(self, request: web.Request) -> web.Response:
        url = self._venue["http"] + request.path_qs
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "content-length")}
        async with self._session.request(request.method, url, data=await request.read(), headers=headers) as answer:
            return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        return await self._pass(request, self._venue["ws"] + request.path_qs, is_feed=True)

    async def _api(self, request: web.Request) -> web.WebSocketResponse:
        return await self._pass(request, self._venue["ws"] + request.path_qs, is_feed=False)

    async def _pass(self, request: web.Request, url: str, *, is_feed: bool) -> web.WebSocketResponse:
        inside = web.WebSocketResponse(autoping=True)
        await inside.prepare(request)
        async with self._session.ws_connect(url) as outside:
            down = asyncio.create_task(self._down(outside, inside, is_feed=is_feed))
            if is_feed:
                self._feeds.append(inside)
            try:
                async for message in inside:
                    if message.type is WSMsgType.TEXT:
                        self._note(message.data)
                        await outside.send_str(message.data)
                    elif message.type is WSMsgType.BINARY:
                        self._note(message.data)
                        await outside.send_bytes(message.data)
            finally:
                if is_feed:
                    self._feeds.remove(inside)
                down.cancel()
        return inside

    def _note(self, text: str | bytes) -> None:
        """An order request: the price says which quote it answers."""
        now = time.perf_counter_ns()
        raw: dict[str, Any] = orjson.loads(text)
        if raw.get("method") != "order.place":
            return
        price = str(Decimal(raw["params"]["price"]).quantize(TICK))
        sent = self.sent_ns.pop(price, None)
        if sent is not None:
            self.took_ms.append((now - sent) / 1e6)

    @staticmethod
    async def _down(outside: aiohttp.ClientWebSocketResponse, inside: web.WebSocketResponse, *, is_feed: bool) -> None:
        async for message in outside:
            if message.type is WSMsgType.TEXT and not (is_feed and "@bookTicker" in message.data[:64]):
                await inside.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await inside.send_bytes(message.data)
        await inside.close()


class SystemUnderTest:
    """The real system, started once; `measure` sends quotes and returns the milliseconds of each order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = AsyncExitStack()
        self._proxy: Proxy
        self._pids: dict[str, int] = {}
        self.cpu: CpuMeter

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        self.cpu = CpuMeter(self._pids, own="proxy")
        return self

    async def _start(self) -> None:
        folder = self._folder
        folder.mkdir(parents=True)
        venue = await self._start_venue()
        self._proxy = Proxy(venue)
        port = await self._proxy.start(self._stack)
        keys = {"api_key": venue["api_key"], "api_secret": venue["api_secret"]}
        (folder / "sim.json").write_bytes(orjson.dumps(keys))
        (folder / "sim.json").chmod(0o600)
        strategy = f"{Path(__file__).with_name('every_quote.py')}:EveryQuote"
        text = CONFIG.format(http=f"http://127.0.0.1:{port}", ws=f"ws://127.0.0.1:{port}", strategy=strategy)
        (folder / "pitwire.toml").write_text(text)
        config = load_config(folder / "pitwire.toml")
        server = await self._stack.enter_async_context(bus_server(folder, config))
        postgres = Postgres(folder / "pg", cache=RUN_CACHE)
        database = await self._stack.enter_async_context(postgres)
        self._pids |= {"nats": server.pid, "postgres": database.pid}
        await self._start_services(server.url, database.dsn)

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start_venue(self) -> dict[str, str]:
        options = ["--port", "0", "--speed", "1", "--orders-per-10s", str(VENUE_ORDERS_PER_10S)]
        child = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "pitwire.venue_sim", *options, "--data-dir", str(self._folder / "venue")],
            stdout=asyncio.subprocess.PIPE,
            stderr=(self._folder / "venue.log").open("w"),
        )
        self._stack.push_async_callback(child.wait)
        self._stack.callback(child.terminate)
        self._pids["venue_sim"] = child.pid
        assert child.stdout
        venue: dict[str, str] = orjson.loads(await asyncio.wait_for(child.stdout.readline(), START_WAIT_S))
        return venue

    async def _start_services(self, nats_url: str, dsn: str) -> None:
        base = os.environ | {
            "PITWIRE_CONFIG": str(self._folder / "pitwire.toml"),
            "PITWIRE_NATS_URL": nats_url,
            "PITWIRE_DATABASE_URL": dsn,
            "PITWIRE_DATA_DIR": str(self._folder / "data"),
        }
        logs = {name: self._folder / f"{name}.log" for name in SERVICES}
        ports = {name: free_port() for name in SERVICES}
        for name in SERVICES:
            seed = keys_in(self._folder) / f"{name.replace('_', '-')}.nk"
            child = subprocess.Popen(  # noqa: ASYNC220 - started once, before anything is measured
                [sys.executable, "-m", f"pitwire.{name}"],
                env=base | {"PITWIRE_NATS_SEED_FILE": str(seed), "PITWIRE_HEALTH_PORT": str(ports[name])},
                stderr=logs[name].open("w"),
            )
            self._stack.callback(child.wait)
            self._stack.callback(child.terminate)
            self._pids[name] = child.pid
        async with asyncio.timeout(START_WAIT_S):
            while await self._not_ready(ports):  # noqa: ASYNC110 - waits for other processes
                await asyncio.sleep(0.2)
            while not self._proxy.took_ms:
                await self._proxy.emit()
                await asyncio.sleep(0.3)

    @staticmethod
    async def _not_ready(ports: Mapping[str, int]) -> list[str]:
        found: list[str] = []
        async with aiohttp.ClientSession() as session:
            for name, port in ports.items():
                try:
                    async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        found += [name] if answer.status != HTTPStatus.OK else []
                except aiohttp.ClientError:
                    found.append(name)
        return found

    async def measure(self, *, events: int, rate: float) -> list[float]:
        self._proxy.took_ms.clear()
        self._proxy.sent_ns.clear()
        with self.cpu:
            start = time.perf_counter()
            for at in range(events):
                await asyncio.sleep(max(0.0, start + at / rate - time.perf_counter()))
                await self._proxy.emit()
            await until_empty(self._proxy.sent_ns)
        return list(self._proxy.took_ms)

    async def idle(self) -> dict[str, float]:
        """Percent of one processor that each process takes while no event comes."""
        meter = CpuMeter(self._pids, own="proxy")
        with meter:
            await asyncio.sleep(IDLE_S)
        return meter.percent()


async def compare(rounds: int, events: int, rate: float) -> None:
    ours: list[float] = []
    floors: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            SystemUnderTest(folder / "system") as system,
            Floor(folder / "floor", load_config(SHIPPED_CONFIG)) as floor,
        ):
            idle = await system.idle()
            await system.measure(events=WARM_UP_EVENTS, rate=rate)
            await floor.measure(events=WARM_UP_EVENTS, rate=rate)
            for _ in range(rounds):
                ours += await system.measure(events=events, rate=rate)
                floors += await floor.measure(events=events, rate=rate)
            costs = {
                name: part.cpu.ms_per(WARM_UP_EVENTS + rounds * events)
                for name, part in (("system", system), ("floor", floor))
            }
    result: dict[str, Any] = {
        "benchmark": "order_path",
        "rate": rate,
        "sent": rounds * events,
        "system": summary(ours),
        "floor": summary(floors),
        "cpu_ms_per_order": costs,
        "idle_cpu_percent": idle,
    }
    for part in ("p50", "p99"):
        result[f"{part}_ratio"] = round(result["system"][f"{part}_ms"] / result["floor"][f"{part}_ms"], 3)
    print(orjson.dumps(result).decode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--rate", type=float, default=100.0)
    args = parser.parse_args()
    uvloop.run(compare(args.rounds, args.events, args.rate))


if __name__ == "__main__":
    main()
