"""Runs a job: candles and strategies loaded, the engine run, its result as one document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pitwire.backtest.core.assembly import engine_of
from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.engine import Run
from pitwire.backtest.core.job import Job
from pitwire.backtest.core.lookahead import Checked, check_lookahead
from pitwire.backtest.core.metrics import equity_rows, metrics, trade_rows
from pitwire.backtest.core.sheet import sheet
from pitwire.backtest.ports import Sources
from pitwire.common.clock import Clock
from pitwire.common.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run with what it ran on."""

    job: Job
    candles: Sequence[Candles]
    run: Run
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        """What `pitwire backtest -o json` prints."""
        return {
            "metrics": metrics(self.run, self.candles, capital=self.job.capital),
            "trades": trade_rows(self.run),
            "equity": equity_rows(self.run, self.candles[0].step_ns),
            "bars": self.run.bars,
            "seconds": self.seconds,
        }

    @property
    def sheet(self) -> dict[str, Any]:
        """What its tear sheet shows."""
        title = ", ".join(each.name for each in self.job.strategies)
        return sheet(title, self.run, self.candles, capital=self.job.capital)


def run_job(job: Job, *, sources: Sources, clock: Clock, progress: Callable[[float], None] | None = None) -> Outcome:
    """Runs it once. `seconds` are those of the engine alone, without loading."""
    candles = sources.candles(job.data)
    engine = engine_of(job, candles, sources.strategy)
    started = clock.monotonic_ns()
    run = engine.run(progress)
    return Outcome(job, candles, run, (clock.monotonic_ns() - started) / NS_PER_S)


def prove_no_lookahead(outcome: Outcome, sources: Sources) -> Checked:
    """Runs the job again and again with less and less of the future."""

    def again(candles: Sequence[Candles]) -> Run:
        return engine_of(outcome.job, candles, sources.strategy).run()

    return check_lookahead(outcome.candles, outcome.run, again)
