"""From a halt to execution's acknowledgement while orders flow: one JSON line.

    .venv/bin/python -m benchmarks.halt_ack

Execution is its own process between a real nats-server (every write synced) and the simulated venue; this one is the
gate, approves orders all the time, and adds halts of a scope that stops none of them, so that the load goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Final

import uvloop
from services.execution.tests.builders import halt
from tests.integration.execution_world import ExecutionWorld, execution_world

from pitwire.common import codec, subjects
from pitwire.common.enums import HaltScope
from pitwire.common.errors import OutcomeUnknown

P99_MAX_MS: Final = 50.0
ANSWER_MAX_S: Final = 30.0
BETWEEN_S: Final = 0.05


async def measure(halts: int, rate: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with execution_world(Path(folder)) as world:
            world.start_execution()
            await world.until_trading()
            sent: dict[str, float] = {}
            took_ms: list[float] = []
            tasks = [asyncio.create_task(_load(world, rate)), asyncio.create_task(_hear(world, sent, took_ms))]
            operator = await world.nats.connect("operator")
            await asyncio.sleep(2)
            loop = asyncio.get_running_loop()
            for number in range(halts):
                message = halt(f"h{number}", HaltScope.STRATEGY, "nobody")
                sent[message.halt_id] = loop.time()
                with contextlib.suppress(OutcomeUnknown):
                    await operator.append(subjects.halt("operator"), codec.encode(message), codec.headers_for(message))
                await asyncio.sleep(BETWEEN_S)
            async with asyncio.timeout(ANSWER_MAX_S):
                while len(took_ms) < halts:  # noqa: ASYNC110 - filled by the reader beside it
                    await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            _print(world, sorted(took_ms), rate)


async def _load(world: ExecutionWorld, rate: float) -> None:
    """Approvals of small orders at market, for ever."""
    while True:
        await world.approve()
        await asyncio.sleep(1 / rate)


async def _hear(world: ExecutionWorld, sent: dict[str, float], took_ms: list[float]) -> None:
    operator = await world.nats.connect("operator")
    loop = asyncio.get_running_loop()
    async for batch in operator.read("CTL", (subjects.EVERY_HALT_SEEN,), after=0):
        took_ms += [1_000 * (loop.time() - sent[record.subject.rsplit(".", 1)[1]]) for record in batch]


def _print(world: ExecutionWorld, took_ms: list[float], rate: float) -> None:
    p99 = took_ms[int(len(took_ms) * 0.99) - 1]
    result = {
        "benchmark": "halt_ack",
        "halts": len(took_ms),
        "orders_per_s": rate,
        "events": len(world.events),
        "p50_ms": round(took_ms[len(took_ms) // 2], 2),
        "p99_ms": round(p99, 2),
        "max_ms": round(took_ms[-1], 2),
        "at_most_p99_ms": P99_MAX_MS,
        "holds": p99 <= P99_MAX_MS,
        "load_1m": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--halts", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0)
    args = parser.parse_args()
    uvloop.run(measure(args.halts, args.rate))


if __name__ == "__main__":
    main()
