"""Sweeps on the bus: real workers on a real server, killed at random; every run has one result, the engine's own."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from tests.integration.bus_world import NatsWorld, nats_world

from pitwire.backtest.adapters.bench import Bench
from pitwire.backtest.adapters.files import Files
from pitwire.backtest.core.job import Job
from pitwire.backtest.core.sweep import Params, grid, key_of
from pitwire.backtest.handlers.submitting import Submission, Sweep
from pitwire.common import subjects, topology
from pitwire.common.clock import SystemClock
from pitwire.common.topology import RESULTS

BARS: Final = 400
SPACE: Final = {"fast": [str(n) for n in range(2, 22)], "slow": [str(n) for n in range(30, 40)]}
RUNS: Final = 200
KILLS: Final = 4
SWEEP_MAX_S: Final = 150.0
OWN: Final = """
import time
from pitwire.strategy import Hold, Params

class SlowParams(Params):
    seconds: float = 0.0

class Slow:
    def __init__(self, params: SlowParams) -> None:
        self.params = params

    def on_candle(self, candle, portfolio):
        time.sleep(self.params.seconds)
        return Hold("slow")
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NatsWorld]:
    async with nats_world(tmp_path) as found:
        yield found


def candles(folder: Path, bars: int = BARS) -> str:
    rows = [f"{1_704_067_200_000 + 60_000 * n},{c},{c + 1},{c - 1},{c},5" for n in range(bars) for c in [100 + n % 40]]
    path = folder / "BTCUSDT_1m.csv"
    path.write_text("\n".join(["open_time_ms,open,high,low,close,volume", *rows]) + "\n")
    return str(path)


def sweep_of(folder: Path, kind: str = "momentum", bars: int = BARS, **params: Any) -> Sweep:
    sources = Files((folder,))
    job = Job.model_validate(
        {"strategies": [{"name": "m", "type": kind, "params": params}], "data": [candles(folder, bars)]}
    )
    located = sources.located(job)
    return Sweep("s1", located, sources.digests(located))


class Workers:
    """Worker processes of one world."""

    def __init__(self, world: NatsWorld, folder: Path) -> None:
        self._stack = ExitStack()
        self._folder = folder
        self._env = os.environ | {
            "PITWIRE_NATS_URL": world.server.url,
            "PITWIRE_NATS_SEED_FILE": str(world.seeds / "backtest.nk"),
        }
        self.alive: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._folder / "workers.log").open("ab"))
        found = subprocess.Popen([sys.executable, "-m", "pitwire.backtest"], env=self._env, stderr=log)
        self.alive.append(found)
        return found

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        self.alive.remove(worker)

    def close(self) -> None:
        for worker in [*self.alive]:
            self.kill(worker)
        self._stack.close()


@pytest.fixture
def workers(world: NatsWorld, tmp_path: Path) -> Any:
    found = Workers(world, tmp_path)
    yield found
    found.close()


async def collect(world: NatsWorld, sweep: Sweep, todo: Sequence[Params], *, upto: int | None = None) -> list[Any]:
    """The rows as they came; with `upto` the one who asked is gone after so many."""
    bus = await world.connect("researcher")
    rows: list[Any] = []
    async with asyncio.timeout(SWEEP_MAX_S):
        async for row in Submission(bus, SystemClock(), sweep, todo).results():
            rows.append(row)
            if len(rows) == upto:
                break
    await bus.close()
    return rows


async def test_two_hundred_runs_with_killed_workers_have_one_result_each(
    world: NatsWorld, workers: Workers, tmp_path: Path
) -> None:
    sweep, todo, dice = sweep_of(tmp_path), grid(SPACE), random.Random(7)
    assert len(todo) == RUNS
    for _ in range(3):
        workers.start()
    killed = 0

    async def kill_some() -> None:
        nonlocal killed
        bus = await world.connect("researcher")
        for share in range(1, KILLS + 1):
            while (await bus.state(RESULTS.name)).last_sequence < share * RUNS // (KILLS + 2):
                await asyncio.sleep(0.02)
            workers.kill(dice.choice(workers.alive))
            killed += 1
            workers.start()

    killing = asyncio.create_task(kill_some())
    first = await collect(world, sweep, todo, upto=RUNS // 3)
    second = await collect(world, sweep, todo)
    await killing
    assert killed == KILLS
    assert len(first) == RUNS // 3, "the one who asked went away in the middle"
    assert sorted(key_of(row["params"]) for row in second) == sorted(map(key_of, todo))
    bus = await world.connect("researcher")
    assert (await bus.state(RESULTS.name)).last_sequence == RUNS, "one record for each run, however often it was run"
    bench = Bench(sweep.job, Files((tmp_path,)), runs=RUNS)
    for row in second[:: RUNS // 10]:
        assert row == orjson.loads(orjson.dumps(bench.run(row["params"]), default=str))


async def test_a_worker_told_to_stop_gives_its_run_back(world: NatsWorld, workers: Workers, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    sweep = sweep_of(tmp_path, "own.py:Slow", bars=60, seconds=0.05)
    first = workers.start()
    asked = asyncio.create_task(collect(world, sweep, [{}]))
    bus = await world.connect("researcher")
    heard: list[object] = []
    await bus.subscribe(subjects.backtest_progress("s1"), heard.append)
    async with asyncio.timeout(30):
        while not heard:
            await asyncio.sleep(0.05)
    first.terminate()
    assert await asyncio.to_thread(first.wait, 15) == 0
    workers.alive.remove(first)
    began = asyncio.get_running_loop().time()
    workers.start()
    assert [row["metrics"]["fills"] for row in await asked] == [0]
    assert asyncio.get_running_loop().time() - began < topology.CONFIRM_WITHIN_S, "it need not run out of time first"


async def test_what_cannot_be_run_is_answered_with_the_reason(
    world: NatsWorld, workers: Workers, tmp_path: Path
) -> None:
    sweep = sweep_of(tmp_path)
    workers.start()
    (row,) = await collect(world, sweep, [{"fast": "9", "slow": "3"}])
    assert "fast is 9, expected less than slow" in row["error"]
    changed = Sweep("s2", sweep.job, dict.fromkeys(sweep.digests, "0" * 32))
    (row,) = await collect(world, changed, [{"fast": "3"}])
    assert "other bytes here" in row["error"]


async def test_the_command_hands_its_runs_to_the_workers_and_goes_on_by_its_results(
    world: NatsWorld, workers: Workers, tmp_path: Path
) -> None:
    results = tmp_path / "results.jsonl"
    words = [
        "sweep",
        "-s",
        "momentum",
        "-d",
        candles(tmp_path),
        "-g",
        "fast=3:8",
        "-g",
        "slow=9,15",
        "--workers",
        "bus",
    ]
    env = os.environ | {
        "PITWIRE_NATS_URL": world.server.url,
        "PITWIRE_NATS_SEED_FILE": str(world.seeds / "researcher.nk"),
        "PITWIRE_DATA_DIR": str(tmp_path / "none"),
    }

    async def sweep() -> dict[str, Any]:
        command = [sys.executable, "-m", "pitwire.cli", *words, "--results", str(results), "-o", "json"]
        done = await asyncio.to_thread(subprocess.run, command, env=env, capture_output=True)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = orjson.loads(done.stdout)
        return found

    workers.start()
    first = await sweep()
    assert len(first["runs"]) == 12
    assert first["bars"] == 12 * BARS
    workers.close()
    again = await sweep()
    assert again["runs"] == first["runs"]
    assert again["bars"] == 0, "all were done"
