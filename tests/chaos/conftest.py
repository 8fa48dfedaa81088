"""One run through every death there is, kept on disk for whoever wants to look at it, or to tamper with a copy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.chaos.__main__ import until_done
from tests.chaos.campaign import Campaign, Cycle
from tests.chaos.report import keep, summary
from tests.chaos.system import MortalSystem

from pitwire.cli.addresses import plain_url
from pitwire.common.crashpoints import CrashPoint

SPEED = 180.0
SEED = 7
KILLED = {
    "persistence": (CrashPoint.ROWS_WRITTEN, CrashPoint.ROWS_COMMITTED),
    "market-data": (CrashPoint.FEED_CANDLE_STORED,),
    "risk-gate": (CrashPoint.GATE_DECIDED, CrashPoint.GATE_DECISION_APPENDED, CrashPoint.GATE_COMMAND_DONE),
    "strategy": (CrashPoint.STRATEGY_INTENT_MADE, CrashPoint.STRATEGY_INTENT_STORED),
    "execution": (
        CrashPoint.EXECUTION_SUBMITTING_MADE,
        CrashPoint.EXECUTION_SUBMITTING_APPENDED,
        CrashPoint.EXECUTION_RELEASED,
        CrashPoint.EXECUTION_DOUBT_ASKED,
        CrashPoint.EXECUTION_SENT,
        CrashPoint.EXECUTION_ANSWERED,
        CrashPoint.EXECUTION_REPORT_APPENDED,
        CrashPoint.EXECUTION_CANCEL_DUE,
    ),
}
"""Where this short run kills; the other points are passed, and their turn to kill comes in `make chaos`."""


@dataclass
class KeptRun:
    """The folder of a run that is over, its cycles, and their summary."""

    folder: Path
    cycles: list[Cycle]
    summary: dict[str, object]
    passed: set[str]
    said: list[str] = field(default_factory=list[str])


@pytest.fixture(scope="session")
def kept_run(infra: str, tmp_path_factory: pytest.TempPathFactory) -> KeptRun:
    """A short campaign: most crash points, a paused leader, each server, and everything at once."""
    if infra not in {"embedded", "docker"}:
        pytest.skip("servers that are not ours are not ours to kill")
    return asyncio.run(short_campaign(tmp_path_factory.mktemp("chaos")))


async def short_campaign(data_dir: Path) -> KeptRun:
    said: list[str] = []
    system = MortalSystem(data_dir, double=False, speed=SPEED, tell=said.append, traced=True)
    jobs: list[asyncio.Task[None]] = []
    try:
        await system.start()
        run = Campaign(system, seed=SEED, tell=said.append)
        jobs = [asyncio.create_task(job) for job in (*system.work(), run.operate())]
        system.trade()
        await until_done(asyncio.create_task(_deaths(run)), jobs)
        for made in run.cycles:
            keep(data_dir, made)
        url = plain_url(system.infra.database_url)
        found = await asyncio.to_thread(summary, data_dir, url, {}, seconds=0)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await system.stop()
    return KeptRun(system.folder.root, run.cycles, found, system.passed(), said)


async def _deaths(run: Campaign) -> None:
    async def lane(made: Cycle, service: str) -> None:
        await run.walk(made, service, [(point, 1) for point in KILLED[service]])

    async def points(made: Cycle) -> None:
        await asyncio.gather(lane(made, "persistence"), lane(made, "market-data"))
        await asyncio.gather(lane(made, "risk-gate"), lane(made, "strategy"))
        await lane(made, "execution")

    await run.run_cycle("points", points, judge=False)
    await run.run_cycle("paused", run.paused, judge=False)
    await run.run_cycle("everything", run.everything, judge=False)
    made = await run.run_cycle("server", run.server, judge=False)
    await run.settle()
    await run.judge(made)


@pytest.fixture(scope="session")
def copied_run(kept_run: KeptRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder copied, so that what is done to it harms nobody else."""
    import shutil

    target = tmp_path_factory.mktemp("copy") / "run"
    shutil.copytree(kept_run.folder, target, symlinks=True)
    yield target
    shutil.rmtree(target)
