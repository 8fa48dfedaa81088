"""Market data on a recorded capture: depth frames parsed and applied, and every frame built and published.

`python benchmarks/market_data.py` prints one JSON line for each, with its floor from the same run: reading and
`orjson.loads` alone, and those plus publishing the bytes unread. Rounds of floor and work alternate; the best of each
counts. Needs recorded data (`PITWIRE_DATA`).
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson
import uvloop
from floor import SHIPPED_CONFIG
from prometheus_client import CollectorRegistry
from servers import bus_server, connect, keys_in

from pitwire.common import subjects
from pitwire.common.bus.nats import NatsBus
from pitwire.common.clock import SystemClock
from pitwire.common.config import load_config
from pitwire.common.telemetry import Tracing
from pitwire.common.testing.recorded import ROOT
from pitwire.market_data.adapters.frames import Notice, snapshot_of, tick_of
from pitwire.market_data.adapters.memory import MemoryFeed
from pitwire.market_data.core.depth import BinanceBook, Diff
from pitwire.market_data.core.feed import FeedCore
from pitwire.market_data.handlers.metrics import Metrics
from pitwire.market_data.handlers.venue import VenueHandlers

CAPTURE: Final = ROOT / "orderbook" / "binance_spot_BTCUSDT_ws_20240808.jsonl.gz"
BTC: Final = "BTC-USDT.sim"
KNOWN: Final = {"BTCUSDT": BTC}
FRAMES_PER_TURN: Final = 32


def lines_of_capture(path: Path) -> list[bytes]:
    with gzip.open(path, "rb") as file:
        return file.readlines()


def read(lines: list[bytes], what: Callable[[bytes], object]) -> None:
    """Reading: a line in memory is split into its receive time and the frame."""
    for line in lines:
        received, _, raw = line.partition(b" ")
        int(received)
        what(raw)


def depth(lines: list[bytes], rounds: int) -> dict[str, Any]:
    snapshot = next(line.partition(b" ")[2] for line in lines if b' {"lastUpdateId"' in line[:40])
    diffs = [line for line in lines if b"@depth" in line[:60]]
    whole = snapshot_of(BTC, orjson.loads(snapshot))
    levels = [orjson.loads(line.partition(b" ")[2])["data"] for line in diffs]
    per_frame = sum(len(each["b"]) + len(each["a"]) for each in levels) / len(levels)
    del levels
    floors, works, book = [], [], BinanceBook()

    def apply(raw: bytes) -> None:
        tick = tick_of(raw, KNOWN)
        assert isinstance(tick, Diff)
        book.on_diff(tick)
        if book.wants_snapshot:
            book.on_snapshot(whole)

    for _ in range(rounds):
        floors.append(cpu_s(lambda: read(diffs, orjson.loads)))
        book = BinanceBook()
        works.append(cpu_s(lambda: read(diffs, apply)))
        assert book.is_synced
    return result("depth_applied", len(diffs), min(floors), min(works)) | {"levels_per_frame": round(per_frame, 1)}


def cpu_s(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def result(name: str, frames: int, floor_s: float, work_s: float) -> dict[str, Any]:
    return {
        "benchmark": name,
        "frames": frames,
        "frames_per_s": round(frames / work_s),
        "floor_frames_per_s": round(frames / floor_s),
        "times_floor": round(work_s / floor_s, 2),
        "unit": "CPU seconds of this process",
    }


class BenchShell:
    """What a tick needs of a shell: the bus and a clock."""

    def __init__(self, bus: NatsBus) -> None:
        self.bus = bus
        self.clock = SystemClock()

    def progress(self, **_: Any) -> None: ...

    async def alert(self, *_: Any, **__: Any) -> None: ...

    async def quarantine(self, *_: Any, **__: Any) -> None:
        sys.exit("a recorded frame was refused")


async def publish(lines: list[bytes], rounds: int) -> dict[str, Any]:
    frames = [
        (int(line.partition(b" ")[0]), line.partition(b" ")[2].rstrip()) for line in lines if b'"stream"' in line[:40]
    ]
    with tempfile.TemporaryDirectory() as folder:
        async with bus_server(Path(folder), load_config(SHIPPED_CONFIG)) as server:
            bus = await connect("market-data", server.url, keys_in(Path(folder)))
            floors, works = [], []
            for _ in range(rounds):
                floors.append(await floor_round(bus, frames))
                works.append(await work_round(bus, lines, frames))
            await bus.close()
    return result("frames_published", len(frames), min(floors), min(works))


async def floor_round(bus: NatsBus, frames: list[tuple[int, bytes]]) -> float:
    subject, start = subjects.quote(BTC), time.process_time()
    for at, (_, raw) in enumerate(frames):
        orjson.loads(raw)
        await bus.publish(subject, raw)
        if not at % FRAMES_PER_TURN:
            await asyncio.sleep(0)
    return time.process_time() - start


async def work_round(bus: NatsBus, lines: list[bytes], frames: list[tuple[int, bytes]]) -> float:
    core = FeedCore("sim", "bench", {BTC: ("1m",)}, silence_max_ns=10**18, books={BTC})
    feed = MemoryFeed((BTC,))
    raw = next(line.partition(b" ")[2] for line in lines if b' {"lastUpdateId"' in line[:40])
    feed.books.append(snapshot_of(BTC, orjson.loads(raw)))
    shell: Any = BenchShell(bus)
    handlers = VenueHandlers(core, feed, shell, Metrics(CollectorRegistry()), Tracing(), lambda: None)
    books = asyncio.create_task(handlers.read_books())
    start = time.process_time()
    for at, (recv_ns, frame) in enumerate(frames):
        tick = tick_of(frame, KNOWN)
        if tick is not None and not isinstance(tick, Notice):
            await handlers.on_tick(tick, recv_ns)
        if not at % FRAMES_PER_TURN:
            await asyncio.sleep(0)
    took = time.process_time() - start
    books.cancel()
    assert not core.snapshot_requests()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if not CAPTURE.exists():
        sys.exit(f"no recorded data at {CAPTURE}; set PITWIRE_DATA to its folder")
    lines = lines_of_capture(CAPTURE)
    print(orjson.dumps(depth(lines, args.rounds)).decode(), flush=True)
    print(orjson.dumps(uvloop.run(publish(lines, args.rounds))).decode())


if __name__ == "__main__":
    main()
