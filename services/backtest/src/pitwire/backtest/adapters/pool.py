"""Many runs on all cores of this machine, and the file that remembers which of them are done."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from pitwire.backtest.adapters.files import Files
from pitwire.backtest.core.assembly import engine_of, why_not_compiled
from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.engine import Run, times_of
from pitwire.backtest.core.job import Job, StrategyJob
from pitwire.backtest.core.metrics import Benchmark, metrics
from pitwire.backtest.core.sweep import Params, key_of
from pitwire.common.errors import OutcomeUnknown, UsageError

if TYPE_CHECKING:
    from pitwire.backtest.core.fast import FastPath

CHUNK: Final = 1
"""Runs handed to a worker at once: they take seconds, so handing over costs nothing and no core waits at the end."""

COMPILED_FROM: Final = 500_000
"""Candles times runs of a sweep; for fewer the compiler takes longer than the engine."""


@dataclass
class Bench:
    """One worker's desk: the candles are read once, every run begins from nothing. `runs` are those of all workers."""

    job: Job
    sources: Files
    runs: int

    @cached_property
    def candles(self) -> list[Candles]:
        return self.sources.candles(self.job.data)

    @cached_property
    def benchmark(self) -> Benchmark:
        return Benchmark.of(times_of(self.candles), self.candles, self.job.capital)

    @cached_property
    def fast(self) -> FastPath | None:
        """The compiled path, where the job is one for it, long enough, and the compiler (the extra `fast`) is there."""
        if why_not_compiled(self.job, self.candles) or self.runs * len(self.candles[0]) < COMPILED_FROM:
            return None
        try:
            from pitwire.backtest.core.fast import FastPath  # noqa: PLC0415 - an extra, and slow to import

            return FastPath(self.candles[0], self.job.fills, self.job.capital)
        except (ImportError, ValueError):
            return None

    def run(self, params: Params) -> dict[str, Any]:
        """The row of one parameter set: its figures, or why it cannot be run."""
        strategy = self.job.strategies[0]
        merged = strategy.model_copy(update={"params": {**strategy.params, **params}})
        job = self.job.model_copy(update={"strategies": (merged,)})
        try:
            run = self._compiled(merged)
            path = "events" if run is None else "arrays"
            run = run or engine_of(job, self.candles, self.sources.strategy).run()
        except UsageError as refused:
            return {"params": params, "error": str(refused)}
        figures = metrics(run, self.candles, capital=job.capital, benchmark=self.benchmark)
        return {"params": params, "bars": run.bars, "path": path, "metrics": figures}

    def _compiled(self, strategy: StrategyJob) -> Run | None:
        if self.fast is None or strategy.capital is not None:
            return None
        arrays = getattr(self.sources.strategy(strategy), "arrays", None)
        return None if arrays is None else self.fast.run(arrays(), strategy.name)


_BENCH: list[Bench] = []


def _begin(job: Job, sources: Files, runs: int) -> None:
    _BENCH[:] = [Bench(job, sources, runs)]


def _work(params: Params) -> dict[str, Any]:
    return _BENCH[0].run(params)


def run_all(job: Job, sources: Files, todo: Sequence[Params], *, workers: int) -> Iterator[dict[str, Any]]:
    """The rows in the order of `todo`, each as soon as it and those before it are there.

    Raises:
        OutcomeUnknown: a worker was killed; what was given out before stands.
    """
    context = multiprocessing.get_context("spawn")
    try:
        desk = job, sources, len(todo)
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=desk) as pool:
            yield from pool.map(_work, todo, chunksize=CHUNK)
    except BrokenProcessPool:
        msg = "a worker of the sweep died (out of memory?); run it again with the same --results to go on"
        raise OutcomeUnknown(msg) from None


class Results:
    """One JSON line per finished run, written before the next is taken: a killed sweep goes on where it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: dict[str, Mapping[str, Any]] = {}
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            if not line.endswith(b"\n"):
                break
            row = self._row(line)
            self.rows[key_of(row["params"])] = row
            whole += len(line)
        self._file = path.open("ab")
        self._file.truncate(whole)

    def _row(self, line: bytes) -> dict[str, Any]:
        try:
            row = orjson.loads(line)
            key_of(row["params"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            msg = f"--results {self._path}: not the results of a sweep; name another file"
            raise UsageError(msg) from None
        found: dict[str, Any] = row
        return found

    def add(self, row: Mapping[str, Any]) -> None:
        self._file.write(orjson.dumps(row, default=str) + b"\n")
        self._file.flush()
        self.rows[key_of(row["params"])] = row

    def close(self) -> None:
        self._file.close()
