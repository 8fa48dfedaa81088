"""Where the runs of one sweep are done, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pitwire.backtest.core.assembly import engine_of, why_not_compiled
from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.engine import Run, times_of
from pitwire.backtest.core.job import Job, StrategyJob
from pitwire.backtest.core.metrics import Benchmark, metrics
from pitwire.backtest.core.sweep import Params
from pitwire.backtest.ports import Sources
from pitwire.common.errors import UsageError

if TYPE_CHECKING:
    from pitwire.backtest.core.fast import FastPath

COMPILED_FROM: Final = 500_000
"""Candles times runs of a sweep; for fewer the compiler takes longer than the engine."""


@dataclass
class Bench:
    """One worker's desk: the candles are read once, every run begins from nothing. `runs` are those of all workers."""

    job: Job
    sources: Sources
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

    def run(self, params: Params, progress: Callable[[float], None] | None = None) -> dict[str, Any]:
        """The row of one parameter set: its figures, or why it cannot be run. `progress` is told the share done."""
        strategy = self.job.strategies[0]
        merged = strategy.model_copy(update={"params": {**strategy.params, **params}})
        job = self.job.model_copy(update={"strategies": (merged,)})
        try:
            run = self._compiled(merged)
            path = "events" if run is None else "arrays"
            run = run or engine_of(job, self.candles, self.sources.strategy).run(progress)
        except UsageError as refused:
            return {"params": params, "error": str(refused)}
        figures = metrics(run, self.candles, capital=job.capital, benchmark=self.benchmark)
        return {"params": params, "bars": run.bars, "path": path, "metrics": figures}

    def _compiled(self, strategy: StrategyJob) -> Run | None:
        if self.fast is None or strategy.capital is not None:
            return None
        arrays = getattr(self.sources.strategy(strategy), "arrays", None)
        return None if arrays is None else self.fast.run(arrays(), strategy.name)
