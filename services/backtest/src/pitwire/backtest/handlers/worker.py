"""Takes runs of sweeps from the queue; each gets exactly one result, whoever dies meanwhile.

A result is stored by compare-and-set before its run is confirmed: a worker that dies in between leaves a run whose
result is there already, which the next one only confirms.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
from pydantic import ValidationError

from pitwire.backtest.core.job import Job
from pitwire.backtest.ports import Desk, MakeDesk, Sources
from pitwire.common import codec, subjects, topology
from pitwire.common.bus.queue import Queue, Work
from pitwire.common.config import explain
from pitwire.common.errors import BusUnavailable, DecodeError, LostRace, OutcomeUnknown, UsageError
from pitwire.common.schemas.research import BacktestJob, BacktestProgress, BacktestResult
from pitwire.common.shell import Shell

DELIVERIES_MAX: Final = 5
"""So many workers may die with a run in their hands before it is given up as one that kills them."""

TELL_PERIOD_S: Final = 1.0
BUS_WAIT_S: Final = 0.5
BUS_TRIES_MAX: Final = 120
"""So often the bus may not answer: then the process ends, and starts again with its run back in the queue."""


class Interrupted(Exception):
    """The worker was told to stop while it computed."""


class Worker:
    """One run at a time. The files of the sweep it works on are read once."""

    def __init__(self, shell: Shell, queue: Queue, sources: Sources, make_desk: MakeDesk, name: str) -> None:
        self._shell = shell
        self._queue = queue
        self._sources = sources
        self._make_desk = make_desk
        self._name = name
        self._desk: tuple[str, Desk] | None = None
        self._share = 0.0
        self._stopping = False
        self._computing: asyncio.Future[dict[str, Any]] | None = None

    async def run(self) -> None:
        """For ever; a bus that does not answer is waited for, bounded."""
        failed = 0
        while not self._stopping:
            try:
                work = await self._queue.take()
            except BusUnavailable:
                failed += 1
                if failed == BUS_TRIES_MAX:
                    raise
                await asyncio.sleep(BUS_WAIT_S)
                continue
            failed = 0
            if work is not None:
                await self._take_up(work)

    async def stop(self) -> None:
        """Breaks off the run in hand and waits for that: it goes back into the queue."""
        self._stopping = True
        if self._computing is not None:
            with contextlib.suppress(Interrupted):
                await asyncio.shield(self._computing)

    async def _take_up(self, work: Work) -> None:
        try:
            job = codec.decode(BacktestJob, work.record.data, subject=work.record.subject)
        except DecodeError as error:
            await self._shell.quarantine(work.record, str(error), stream=topology.JOBS.name)
            await self._confirm(work)
            return
        if not await self._has_result(job):
            try:
                row = await self._row(job, work)
            except Interrupted:
                await self._queue.give_back(work)
                return
            await self._store(job, row)
        await self._confirm(work)

    async def _row(self, job: BacktestJob, work: Work) -> dict[str, Any]:
        """Its figures, or why there are none."""
        if work.deliveries > DELIVERIES_MAX:
            return {"params": job.params, "error": f"{DELIVERIES_MAX} workers died while they ran it"}
        self._share = 0.0
        async with self._told(job, work):
            self._computing = asyncio.ensure_future(asyncio.to_thread(self._compute, job))
            try:
                return await asyncio.shield(self._computing)
            finally:
                self._computing = None

    def _compute(self, job: BacktestJob) -> dict[str, Any]:
        try:
            return self._desk_of(job).run(job.params, self._on_share)
        except ValidationError as error:
            return {"params": job.params, "error": explain(error)}
        except UsageError as error:
            return {"params": job.params, "error": str(error)}
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - one run that breaks must not break the sweep, and its asker wants to know how
            return {"params": job.params, "error": f"{type(error).__name__}: {error}"}

    def _on_share(self, share: float) -> None:
        self._share = share
        if self._stopping:
            raise Interrupted

    def _desk_of(self, job: BacktestJob) -> Desk:
        if self._desk is None or self._desk[0] != job.sweep:
            asked = Job.model_validate_json(job.job)
            found = self._sources.digests(asked)
            if wrong := [path for path, digest in job.digests.items() if found.get(path) != digest]:
                msg = f"{', '.join(wrong)}: other bytes here ({self._name}) than where the sweep was asked for"
                raise UsageError(msg)
            self._desk = job.sweep, self._make_desk(asked, self._sources, job.runs)
        return self._desk[1]

    @contextlib.asynccontextmanager
    async def _told(self, job: BacktestJob, work: Work) -> AsyncIterator[None]:
        """While it computes, the queue and whoever looks are told."""
        telling = asyncio.create_task(self._tell(job, work))
        try:
            yield
        finally:
            telling.cancel()

    async def _tell(self, job: BacktestJob, work: Work) -> None:
        while True:
            await asyncio.sleep(TELL_PERIOD_S)
            progress = BacktestProgress(
                sweep=job.sweep,
                run=job.run,
                worker=self._name,
                percent=int(self._share * 100),
                ts_ns=self._shell.clock.wall_ns(),
            )
            subject = subjects.backtest_progress(job.sweep)
            with contextlib.suppress(BusUnavailable):
                await self._queue.still_working(work)
                await self._shell.bus.publish(subject, codec.encode(progress), codec.headers_for(progress))

    async def _has_result(self, job: BacktestJob) -> bool:
        subject = subjects.backtest_result(job.sweep, job.run)
        for _ in range(BUS_TRIES_MAX):
            with contextlib.suppress(BusUnavailable):
                return await self._shell.bus.last(topology.RESULTS.name, subject) is not None
            await asyncio.sleep(BUS_WAIT_S)
        raise BusUnavailable(f"{subject}: no answer in {BUS_TRIES_MAX} tries")

    async def _store(self, job: BacktestJob, row: dict[str, Any]) -> None:
        """Once: what another worker stored meanwhile stands."""
        result = BacktestResult(
            sweep=job.sweep,
            run=job.run,
            worker=self._name,
            row=orjson.dumps(row, default=str).decode(),
            ts_ns=self._shell.clock.wall_ns(),
        )
        subject = subjects.backtest_result(job.sweep, job.run)
        data, headers = codec.encode(result), codec.headers_for(result)
        for _ in range(BUS_TRIES_MAX):
            try:
                await self._shell.bus.append(subject, data, headers, expected_last=0)
            except (BusUnavailable, OutcomeUnknown):
                await asyncio.sleep(BUS_WAIT_S)
            except LostRace:
                return
            else:
                return
        raise BusUnavailable(f"{subject}: not stored in {BUS_TRIES_MAX} tries")

    async def _confirm(self, work: Work) -> None:
        """Without an answer it comes again, and is then found to have its result."""
        with contextlib.suppress(BusUnavailable):
            await self._queue.confirm(work)
