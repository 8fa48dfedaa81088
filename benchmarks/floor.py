"""The floor of the order path: the same processes, hops and durable writes as the system, and no logic at all.

venue socket -> market-data -> bus -> strategy -> INTENT -> gate -> OMS (synced) -> execution -> OMS (synced)
-> read back -> venue socket. Messages have the size of the real ones. `python benchmarks/floor.py` prints one JSON
line; `order_path.py` runs it interleaved with the real services.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sized
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import orjson
import uvloop
from aiohttp import web
from cpu import CpuMeter
from servers import bus_server, connect, keys_in

from pitwire.common import subjects
from pitwire.common.bus.nats import NatsBus
from pitwire.common.bus.port import Record
from pitwire.common.config import PitwireConfig, load_config

ACCOUNT: Final = "main"
INSTRUMENT: Final = "BTC-USDT.sim"
PADDING: Final = {"intent": "x" * 600, "decision": "x" * 1100, "submitting": "x" * 600, "order": "x" * 250}
ROLES: Final = ("market-data", "strategy", "risk-gate", "execution")
START_WAIT_S: Final = 60.0
LATE_MAX_S: Final = 5.0
"""How long after the last event its order is waited for."""

SHIPPED_CONFIG: Final = Path(os.environ.get("PITWIRE_CONFIG", Path(__file__).parents[1] / "pitwire.toml"))


@dataclass
class Probe:
    """The venue's end: sends numbered events and notes when the order for each arrives."""

    sent_ns: dict[int, int] = field(default_factory=dict)
    took_ms: list[float] = field(default_factory=list)
    feeds: list[web.WebSocketResponse] = field(default_factory=list)
    orders: int = 0

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.feeds.append(socket)
        async for _ in socket:
            pass
        self.feeds.remove(socket)
        return socket

    async def api(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.orders += 1
        async for message in socket:
            number = orjson.loads(message.data)["id"]
            sent = self.sent_ns.pop(number, None)
            if sent is not None:
                self.took_ms.append((time.perf_counter_ns() - sent) / 1e6)
        return socket

    async def emit(self, number: int) -> None:
        frame = orjson.dumps(
            {"stream": "btcusdt@bookTicker", "data": {"u": number, "b": "1", "B": "1", "a": "2", "A": "1"}}
        )
        for feed in self.feeds:
            self.sent_ns[number] = time.perf_counter_ns()
            await feed.send_bytes(frame)


async def market_data(bus: NatsBus, venue: str) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue}/stream") as socket:
        async for message in socket:
            await bus.publish(subjects.quote(INSTRUMENT), message.data)


async def strategy(bus: NatsBus, _: str) -> None:
    arrived: asyncio.Queue[Record] = asyncio.Queue()
    await bus.subscribe(subjects.quote(INSTRUMENT), arrived.put_nowait)
    waiting: set[asyncio.Task[int]] = set()
    while True:
        record = await arrived.get()
        number = orjson.loads(record.data)["data"]["u"]
        data = orjson.dumps({"n": number, "p": PADDING["intent"]})
        task = asyncio.create_task(bus.append(subjects.intent(ACCOUNT, "momentum"), data))
        waiting.add(task)
        task.add_done_callback(waiting.discard)


async def risk_gate(bus: NatsBus, _: str) -> None:
    subject = subjects.ledger(ACCOUNT)
    newest = await bus.last("OMS", subject)
    last = newest.sequence if newest else 0
    async for batch in bus.read("INTENT", (subjects.intents_of(ACCOUNT),), after=0):
        if batch:
            numbers = [orjson.loads(record.data)["n"] for record in batch]
            data = orjson.dumps({"n": numbers, "p": PADDING["decision"]})
            last = await bus.append(subject, data, expected_last=last)


async def execution(bus: NatsBus, venue: str) -> None:
    subject = subjects.exec_events(ACCOUNT)
    newest = await bus.last("OMS", subject)
    last = newest.sequence if newest else 0
    numbers: asyncio.Queue[int] = asyncio.Queue()

    async def write() -> None:
        nonlocal last
        while True:
            number = await numbers.get()
            last = await bus.append(
                subject, orjson.dumps({"n": number, "p": PADDING["submitting"]}), expected_last=last
            )

    writer = asyncio.create_task(write())
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue}/ws-api/v3") as socket:
        async for batch in bus.read("OMS", (subjects.ledger(ACCOUNT), subject), after=last):
            for record in batch:
                raw: dict[str, Any] = orjson.loads(record.data)
                if record.subject == subject:
                    await socket.send_bytes(orjson.dumps({"id": raw["n"], "p": PADDING["order"]}))
                else:
                    for number in raw["n"]:
                        numbers.put_nowait(number)
    writer.cancel()


WORK: Final = {"market-data": market_data, "strategy": strategy, "risk-gate": risk_gate, "execution": execution}


async def run_role(role: str, url: str, keys: Path, venue: str) -> None:
    await WORK[role](await connect(role, url, keys), venue)


class Floor:
    """The whole chain, started once; `measure` sends events and returns the milliseconds of each."""

    def __init__(self, folder: Path, config: PitwireConfig) -> None:
        self._folder = folder
        self._config = config
        self._stack = AsyncExitStack()
        self._probe = Probe()
        self._number = 0
        self.cpu: CpuMeter

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _start(self) -> None:
        keys = keys_in(self._folder)
        server = await self._stack.enter_async_context(bus_server(self._folder, self._config))
        venue = await self._serve()
        pids = {"nats": server.pid}
        for role in ROLES:
            child = subprocess.Popen(  # noqa: ASYNC220 - started once, before anything is measured
                [sys.executable, __file__, "--role", role, "--nats", server.url, "--keys", keys, "--venue", venue],
                env={**os.environ, "PYTHONPATH": ""},
            )
            self._stack.callback(child.wait)
            self._stack.callback(child.kill)
            pids[role] = child.pid
        async with asyncio.timeout(START_WAIT_S):
            while not (self._probe.feeds and self._probe.orders):  # noqa: ASYNC110 - waits for other processes
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        self.cpu = CpuMeter(pids, own="venue")

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _serve(self) -> str:
        app = web.Application()
        app.router.add_get("/stream", self._probe.stream)
        app.router.add_get("/ws-api/v3", self._probe.api)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"ws://127.0.0.1:{runner.addresses[0][1]}"

    async def measure(self, *, events: int, rate: float) -> list[float]:
        self._probe.took_ms.clear()
        self._probe.sent_ns.clear()
        with self.cpu:
            start = time.perf_counter()
            for at in range(events):
                await asyncio.sleep(max(0.0, start + at / rate - time.perf_counter()))
                self._number += 1
                await self._probe.emit(self._number)
            await until_empty(self._probe.sent_ns)
        return list(self._probe.took_ms)


async def until_empty(waited_for: Sized) -> None:
    """Returns when nothing is waited for any more, or after `LATE_MAX_S`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LATE_MAX_S):
            while len(waited_for):  # noqa: ASYNC110 - waits for other processes
                await asyncio.sleep(0.02)


def percentile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def summary(values: list[float]) -> dict[str, float | int]:
    return {"n": len(values), "p50_ms": round(percentile(values, 0.5), 3), "p99_ms": round(percentile(values, 0.99), 3)}


async def main_floor(events: int, rate: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Floor(Path(folder), load_config(SHIPPED_CONFIG)) as floor:
            await floor.measure(events=200, rate=rate)
            took = await floor.measure(events=events, rate=rate)
            cost = floor.cpu.ms_per(events + 200)
    result = {"benchmark": "order_path_floor", "rate": rate, **summary(took), "cpu_ms_per_order": cost}
    print(orjson.dumps(result).decode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=ROLES)
    parser.add_argument("--nats")
    parser.add_argument("--keys", type=Path)
    parser.add_argument("--venue")
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=100.0)
    args = parser.parse_args()
    if args.role:
        uvloop.run(run_role(args.role, args.nats, args.keys, args.venue))
    else:
        uvloop.run(main_floor(args.events, args.rate))


if __name__ == "__main__":
    main()
