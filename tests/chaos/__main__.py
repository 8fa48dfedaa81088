"""`make chaos`: a campaign on a data folder of its own, which another call may go on with."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chaos.campaign import Campaign
from tests.chaos.races import Races
from tests.chaos.report import HEADER, keep, kept, line, summary
from tests.chaos.system import ROOT, MortalSystem

from pitwire.cli.addresses import plain_url
from pitwire.cli.servers import DirectoryLock

JUDGE_EVERY = 10
PAUSE_EVERY = 10
EVERYTHING_EVERY = 15
DATA = ROOT / ".pitwire" / "chaos"
SPEED = 180.0
WON_MIN = 0.2
"""Of two at work at once each wins at least this share of its compare-and-sets."""


def say(text: str) -> None:
    """A line for the person who watches."""
    sys.stderr.write(text + "\n")


async def campaign(data_dir: Path, *, cycles: int, double: bool, seed: int) -> dict[str, Any]:
    """Runs the cycles, judges at the end, and adds up."""
    began = time.monotonic()
    system = MortalSystem(data_dir, double=double, speed=SPEED, tell=lambda _: None)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    jobs: list[asyncio.Task[None]] = []
    try:
        await system.start()
        if double:
            system.start_twins()
        died_at = Counter(kill["point"] for made in kept(data_dir) for kill in made["kills"])
        run = Campaign(system, seed=seed, tell=say, died_at=died_at)
        races = Races(system)
        work = [*system.work(), run.operate(), races.watch()]
        jobs = [asyncio.create_task(job) for job in work]
        system.trade()
        cycling = asyncio.create_task(_cycles(run, data_dir, cycles, stopped))
        await until_done(cycling, jobs)
        url = plain_url(system.infra.database_url)
        return await asyncio.to_thread(lambda: summary(data_dir, url, races.shares(), seconds=time.monotonic() - began))
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await system.stop()


async def until_done(work: asyncio.Task[None], beside: list[asyncio.Task[None]]) -> None:
    """Waits for `work`; raises what ends it or anything beside it."""
    waited: set[asyncio.Task[None]] = {work, *beside}
    while not work.done():
        done, waited = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    work.result()


async def _cycles(run: Campaign, data_dir: Path, cycles: int, stopped: asyncio.Event) -> None:
    before = len(kept(data_dir))
    ways = {"point": run.at_a_point, "random": run.at_random, "server": run.server}
    say(HEADER)
    for number in range(before + 1, before + cycles + 1):
        kind = run.random.choices(list(ways), weights=(6, 2, 1))[0]
        how = ways[kind]
        if number % EVERYTHING_EVERY == 0:
            kind, how = "everything", run.everything
        elif number % PAUSE_EVERY == PAUSE_EVERY // 2:
            kind, how = "paused", run.paused
        last = number == before + cycles or stopped.is_set()
        made = await run.run_cycle(kind, how, judge=number % JUDGE_EVERY == 0 and not last)
        made.number = number
        if last:
            await run.settle()
            await run.judge(made)
        keep(data_dir, made)
        say(line(made))
        if last:
            return


def main() -> int:
    """Exit code 0 only if every judgement was clean and every cycle recovered."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--double", action="store_true", help="two gates and two executions at once, leases off")
    parser.add_argument("--data-dir", type=Path, default=None, help="go on with, or begin, this folder")
    parser.add_argument("--seed", type=int, default=None, help="what is killed when; default: the clock")
    asked = parser.parse_args()
    data_dir = asked.data_dir or DATA.with_name("chaos-double" if asked.double else "chaos")
    seed = asked.seed if asked.seed is not None else time.time_ns() % 1_000_000
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    say(f"campaign on {data_dir}, seed {seed}")
    with DirectoryLock(data_dir, timeout_s=1):
        found = asyncio.run(campaign(data_dir, cycles=asked.cycles, double=asked.double, seed=seed))
    sys.stdout.write(json.dumps(found) + "\n")
    poor = [name for name, score in found["compare_and_sets"].items() if score["share"] < WON_MIN]
    return 0 if found["clean"] and not (asked.double and poor) else 1


if __name__ == "__main__":
    sys.exit(main())
