"""Many runs on all cores of this machine, and the file that remembers which of them are done."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import orjson

from pitwire.backtest.adapters.files import Files
from pitwire.backtest.core.assembly import engine_of
from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.job import Job
from pitwire.backtest.core.metrics import metrics
from pitwire.backtest.core.sweep import Params, key_of
from pitwire.common.errors import OutcomeUnknown, UsageError

CHUNK: Final = 1
"""Runs handed to a worker at once: they take seconds, so handing over costs nothing and no core waits at the end."""


@dataclass
class Bench:
    """One worker's desk: the candles are read once, every run begins from nothing."""

    job: Job
    sources: Files

    @cached_property
    def candles(self) -> list[Candles]:
        return self.sources.candles(self.job.data)

    def run(self, params: Params) -> dict[str, Any]:
        """The row of one parameter set: its figures, or why it cannot be run."""
        strategy = self.job.strategies[0]
        merged = strategy.model_copy(update={"params": {**strategy.params, **params}})
        job = self.job.model_copy(update={"strategies": (merged,)})
        try:
            engine = engine_of(job, self.candles, self.sources.strategy)
        except UsageError as refused:
            return {"params": params, "error": str(refused)}
        run = engine.run()
        return {"params": params, "bars": run.bars, "metrics": metrics(run, self.candles, capital=job.capital)}


_BENCH: list[Bench] = []


def _begin(job: Job, sources: Files) -> None:
    _BENCH[:] = [Bench(job, sources)]


def _work(params: Params) -> dict[str, Any]:
    return _BENCH[0].run(params)


def run_all(job: Job, sources: Files, todo: Sequence[Params], *, workers: int) -> Iterator[dict[str, Any]]:
    """The rows in the order of `todo`, each as soon as it and those before it are there.

    Raises:
        OutcomeUnknown: a worker was killed; what was given out before stands.
    """
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(job, sources)) as pool:
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
