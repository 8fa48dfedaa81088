"""Hands the runs of a sweep to the workers on the bus, and collects what comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from pitwire.backtest.core.job import Job
from pitwire.backtest.core.sweep import Params, key_of
from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Bus, Record
from pitwire.common.clock import Clock
from pitwire.common.errors import BusUnavailable, LostRace, OutcomeUnknown
from pitwire.common.ids import content_hash
from pitwire.common.schemas.research import BacktestJob, BacktestResult

AHEAD_MAX: Final = 1_000
"""Runs in the queue or in the hands of workers at once; the next goes in when a result has come out."""

BUS_TRIES_MAX: Final = 120
BUS_WAIT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Sweep:
    """What all runs share. `digests`: path -> sha256 of each file that a worker needs."""

    name: str
    job: Job
    digests: Mapping[str, str]


class Submission:
    """One sweep on the bus. Asked for again under the same name it goes on: what has its result is not run again."""

    def __init__(self, bus: Bus, clock: Clock, sweep: Sweep, todo: Sequence[Params]) -> None:
        self._bus = bus
        self._clock = clock
        self._sweep = sweep
        self._missing = {run_of(params): params for params in todo}
        self._runs = len(todo)
        self._waiting: deque[str] = deque()
        self._out: set[str] = set()
        self.heard = 0
        """Results and words of progress that came so far."""

    async def results(self) -> AsyncGenerator[dict[str, Any], None]:
        """Each run's result once, as it comes; ends with the last."""
        await self._bus.subscribe(subjects.backtest_progress(self._sweep.name), self._on_progress)
        filters = (subjects.backtest_results_of(self._sweep.name),)
        async with contextlib.aclosing(self._bus.read(topology.RESULTS.name, filters, after=0)) as batches:
            async for batch in batches:
                for record in batch:
                    result = codec.decode(BacktestResult, record.data, subject=record.subject)
                    self._out.discard(result.run)
                    self.heard += 1
                    if self._missing.pop(result.run, None) is not None:
                        yield orjson.loads(result.row)
                if not self._missing:
                    return
                if not batch and not self._out:
                    self._waiting = deque(self._missing)
                await self._hand_out()

    async def _hand_out(self) -> None:
        while self._waiting and len(self._out) < AHEAD_MAX:
            run = self._waiting.popleft()
            if run in self._missing:
                await self._put(run, self._missing[run])
                self._out.add(run)

    async def _put(self, run: str, params: Params) -> None:
        """Into the queue, unless it is there already or in the hands of a worker."""
        job = BacktestJob(
            sweep=self._sweep.name,
            run=run,
            runs=self._runs,
            job=self._sweep.job.model_dump_json(),
            params=params,
            digests=dict(self._sweep.digests),
            ts_ns=self._clock.wall_ns(),
        )
        subject, data, headers = subjects.backtest_job(job.sweep, run), codec.encode(job), codec.headers_for(job)
        for _ in range(BUS_TRIES_MAX):
            try:
                await self._bus.append(subject, data, headers, expected_last=0)
            except (BusUnavailable, OutcomeUnknown):
                await asyncio.sleep(BUS_WAIT_S)
            except LostRace:
                return
            else:
                return
        raise BusUnavailable(f"{subject}: not stored in {BUS_TRIES_MAX} tries")

    def _on_progress(self, _: Record) -> None:
        self.heard += 1


def run_of(params: Params) -> str:
    """The name of a run within its sweep."""
    return content_hash(key_of(params).encode())[:16]


def job_hash(job: Job, digests: Mapping[str, str]) -> str:
    """The same for the same job on the same bytes."""
    return content_hash(job.model_dump_json().encode() + orjson.dumps(dict(digests), option=orjson.OPT_SORT_KEYS))[:32]
