"""The simulated venue's WebSocket API: new orders at a fixed rate over many connections, whatever the answers take.

An open loop: every order has its time beforehand, and an answer's delay is counted from that time, so a venue that
cannot keep up shows it. Market orders that trade alternate with limit orders that rest; every fourth order's account
cancels a resting one; only new orders count. Beside them one connection listens to the account and the market. Venue
and load have a core each. The floor, in the same run, is a server that only answers the same messages.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import uvloop
from aiohttp import web

CONNECTIONS: Final = 50
RECV_WINDOW_MS: Final = 60_000
START_AFTER_S: Final = 1.0
ANSWERS_WAIT_S: Final = 30.0
CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")
VENUE_CORE, LOAD_CORE = 0, 1


@dataclass
class Keys:
    """Where the server is and who may trade there."""

    url: str
    streams: str
    api_key: str = "floor"
    api_secret: str = "floor"


@dataclass
class Client:
    """One connection and its share of the orders."""

    keys: Keys
    number: int
    rate: float
    orders: int
    took_ms: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        """Sign everything beforehand: the load must not wait for itself."""
        self._messages: list[list[str]] = []
        for order in range(self.orders):
            side = "BUY" if order // 2 % 2 else "SELL"
            params: dict[str, Any] = {"symbol": "BTCUSDT", "side": side, "newClientOrderId": self._name(order)}
            if order % 2:
                price = "50000.00" if side == "BUY" else "70000.00"
                params |= {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.00100", "price": price}
            else:
                params |= {"type": "MARKET", "quantity": "0.00100"}
            messages = [self._signed(order, "order.place", params)]
            if order % 2:
                cancel = {"symbol": "BTCUSDT", "origClientOrderId": self._name(order)}
                messages.append(self._signed(f"x{order}", "order.cancel", cancel))
            self._messages.append(messages)

    def _name(self, order: int) -> str:
        return f"c{self.number}-{order}"

    def _signed(self, request_id: int | str, method: str, params: dict[str, Any]) -> str:
        params |= {"apiKey": self.keys.api_key, "timestamp": time.time_ns() // 1_000_000, "recvWindow": RECV_WINDOW_MS}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = hmac.new(self.keys.api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        return orjson.dumps({"id": request_id, "method": method, "params": params}).decode()

    async def run(self, socket: aiohttp.ClientWebSocketResponse, start_s: float) -> None:
        """Send every order at its time and hear the answers."""
        due_s = [start_s + order / self.rate for order in range(self.orders)]
        reader = asyncio.create_task(self._read(socket, due_s))
        for due, messages in zip(due_s, self._messages, strict=True):
            wait_s = due - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            for message in messages:
                await socket.send_str(message)
        async with asyncio.timeout(ANSWERS_WAIT_S):
            await reader

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, due_s: list[float]) -> None:
        while len(self.took_ms) < self.orders:
            answer = orjson.loads((await socket.receive()).data)
            if not isinstance(answer["id"], int):
                continue
            self.took_ms.append((time.monotonic() - due_s[answer["id"]]) * 1000)
            if answer["status"] != 200:
                self.refused.append(answer["error"]["msg"])


async def load(keys: Keys, rate: float, seconds: float) -> tuple[list[float], list[str], float]:
    """(milliseconds per answer, refusals, seconds from the first order to the last answer) of one run."""
    each = rate / CONNECTIONS
    clients = [Client(keys, number, each, int(each * seconds)) for number in range(CONNECTIONS)]
    for client in clients:
        client.prepare()
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        listener = await stack.enter_async_context(session.ws_connect(keys.streams))
        hearing = asyncio.create_task(_hear(listener))
        sockets = [await stack.enter_async_context(session.ws_connect(keys.url, compress=0)) for _ in clients]
        start_s = time.monotonic() + START_AFTER_S
        await asyncio.gather(
            *(
                client.run(socket, start_s + number / rate)
                for number, (client, socket) in enumerate(zip(clients, sockets, strict=True))
            )
        )
        took_s = time.monotonic() - start_s
        hearing.cancel()
    return (
        [ms for client in clients for ms in client.took_ms],
        [m for client in clients for m in client.refused],
        took_s,
    )


async def _hear(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass


def cpu_s(pid: int) -> float:
    """Processor seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def measure(keys: Keys, pid: int, *, rate: float, seconds: float) -> dict[str, object]:
    """One run against a server that is up."""
    before = cpu_s(pid)
    took_ms, refused, took_s = uvloop.run(load(keys, rate, seconds))
    ranks = statistics.quantiles(took_ms, n=1000)
    return {
        "orders": len(took_ms),
        "orders_per_s": round(len(took_ms) / took_s),
        "p50_ms": round(ranks[499], 2),
        "p99_ms": round(ranks[989], 2),
        "max_ms": round(max(took_ms), 2),
        "refused": len(refused),
        "first_refusal": refused[0] if refused else None,
        "server_cpu_us_per_order": round((cpu_s(pid) - before) / len(took_ms) * 1e6),
    }


@contextlib.contextmanager
def venue() -> Iterator[tuple[Keys, int]]:
    """The simulated venue as a process on its core."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--orders-per-10s", "1000000", "--balance", "USDT=100000000", "--balance", "BTC=10000"]
        command = [sys.executable, "-m", "pitwire.venue_sim", "--port", "0", "--data-dir", folder, *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        os.sched_setaffinity(process.pid, {VENUE_CORE})
        try:
            assert process.stdout is not None
            info = orjson.loads(process.stdout.readline())
            streams = f"{info['ws']}/stream?streams=btcusdt@bookTicker/btcusdt@depth/btcusdt@trade"
            yield Keys(info["ws_api"], streams, info["api_key"], info["api_secret"]), process.pid
        finally:
            process.terminate()
            process.communicate(timeout=10)


def answer_only(port: Connection) -> None:
    """The floor's server: reads each message and answers it, nothing else."""
    os.sched_setaffinity(0, {VENUE_CORE})

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            asked = orjson.loads(message.data)
            await socket.send_str(orjson.dumps({"id": asked["id"], "status": 200, "result": asked["params"]}).decode())
        return socket

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    uvloop.run(main())


@contextlib.contextmanager
def floor() -> Iterator[tuple[Keys, int]]:
    """The floor as a process on the same core."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=answer_only, args=(theirs,), daemon=True)
    process.start()
    try:
        url = f"ws://127.0.0.1:{mine.recv()}/"
        assert process.pid is not None
        yield Keys(url, url), process.pid
    finally:
        process.terminate()
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=3000, help="new orders a second (default 3000)")
    parser.add_argument("--seconds", type=float, default=10, help="how long (default 10, at most 40)")
    given = parser.parse_args()
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {LOAD_CORE})
    with floor() as (keys, pid):
        lowest = measure(keys, pid, rate=given.rate, seconds=min(given.seconds, 5))
    with venue() as (keys, pid):
        measured = measure(keys, pid, rate=given.rate, seconds=min(given.seconds, 40))
    line = {"benchmark": "venue", "rate": given.rate, "connections": CONNECTIONS, **measured, "floor": lowest}
    print(orjson.dumps(line).decode())


if __name__ == "__main__":
    main()
