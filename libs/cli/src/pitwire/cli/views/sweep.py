"""`pitwire sweep`: many parameter sets of one strategy, best first."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pitwire.backtest.adapters.files import Files
from pitwire.backtest.adapters.pool import run_all
from pitwire.backtest.adapters.results import Results
from pitwire.backtest.core.sweep import Params, drawn, grid, key_of, values_of
from pitwire.backtest.handlers.submitting import Sweep, job_hash
from pitwire.cli.discovery import find_running
from pitwire.cli.output import Column, Reply, Table
from pitwire.cli.views.backtest import Asked, job_of, progress_bar
from pitwire.cli.views.bus_sweep import run_on_bus
from pitwire.common.clock import SystemClock
from pitwire.common.errors import UsageError
from pitwire.common.units import NS_PER_S

SHOWN: Final = ("total_return_percent", "sharpe", "max_drawdown_percent", "trades", "win_rate_percent", "fees")
ROWS_SHOWN: Final = 20
WORKERS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Space:
    """Which parameter sets, how many of them, and where finished ones are kept."""

    grid: tuple[str, ...]
    random: int | None
    seed: int
    by: str
    results: Path | None
    workers: int | None
    """None: one per core."""

    on_bus: Path | None = None
    """The data folder of the running system whose bus has the workers; None: they are processes of this command."""


def workers_of(word: str | None) -> tuple[int | None, bool]:
    """How many processes (None: one per core), and whether it is those on the bus instead.

    Raises:
        UsageError: neither a number from 1 to `WORKERS_MAX` nor `bus`.
    """
    if word is None or word == "bus":
        return None, word is not None
    if not word.isdecimal() or not 1 <= int(word) <= WORKERS_MAX:
        msg = f"--workers {word}: expected a number from 1 to {WORKERS_MAX}, or bus"
        raise UsageError(msg)
    return int(word), False


def run_sweep(asked: Asked, space: Space) -> Reply:
    """Runs what is not in the results yet, and ranks all of them."""
    if len(asked.strategies) != 1:
        msg = "a sweep varies one strategy; give --strategy once"
        raise UsageError(msg)
    todo, clock = _sets(space), SystemClock()
    sources = Files((Path.cwd(), asked.config.resolve().parent))
    job = sources.located(job_of(asked))
    digests = sources.digests(job)
    with tempfile.TemporaryDirectory() as folder:
        results = Results(space.results or Path(folder) / "results.jsonl", job=job_hash(job, digests))
        missing = [params for params in todo if key_of(params) not in results.rows]
        done, started = Done(results, len(missing), progress_bar()), clock.monotonic_ns()
        try:
            if space.on_bus is not None:
                sweep = Sweep(results.sweep, job, digests)
                run_on_bus(find_running(space.on_bus), sweep, missing, done.take)
            else:
                workers = min(space.workers or os.cpu_count() or 1, max(len(missing), 1))
                for row in run_all(job, sources, missing, workers=workers):
                    done.take(row)
        finally:
            results.close()
    seconds = (clock.monotonic_ns() - started) / NS_PER_S
    rows = [results.rows[key_of(params)] for params in todo]
    ranked = sorted(rows, key=lambda row: _rank(row, space.by), reverse=True)
    document = {"runs": ranked, "by": space.by, "bars": done.bars, "seconds": seconds}
    return Reply(document, (_table(ranked, space), f"{len(rows)} runs, {done.bars} candles in {seconds:.2f} s"))


class Done:
    """What is finished so far: written down, counted, shown."""

    def __init__(self, results: Results, expected: int, bar: Callable[[float], None] | None) -> None:
        self._results = results
        self._expected = expected
        self._bar = bar
        self._count = 0
        self.bars = 0

    def take(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        self._results.add(row)
        self._count += 1
        self.bars += row.get("bars", 0)
        if self._bar is not None:
            self._bar(self._count / self._expected)


def _sets(space: Space) -> list[Params]:
    found: dict[str, tuple[str, ...]] = {}
    for word in space.grid:
        name, equals, values = word.partition("=")
        if not equals or not name or name in found:
            msg = f"--grid {word}: expected name=5,10,20 or name=first:last:step, each name once"
            raise UsageError(msg)
        found[name] = values_of(values)
    return grid(found) if space.random is None else drawn(found, space.random, seed=space.seed)


def _rank(row: Mapping[str, Any], by: str) -> tuple[bool, float]:
    """Runs without the figure, or that could not be run, come last."""
    value = row.get("metrics", {}).get(by)
    return value is not None, float(value or 0)


def _table(ranked: list[Mapping[str, Any]], space: Space) -> Table:
    names = list(dict.fromkeys((space.by, *SHOWN)))
    rows = [
        (
            " ".join(f"{name}={value}" for name, value in row["params"].items()),
            *(f"{float(found[name] or 0):,.4g}" if (found := row.get("metrics")) else "-" for name in names),
            row.get("error", ""),
        )
        for row in ranked[:ROWS_SHOWN]
    ]
    columns = (Column("parameters"), *(Column(name, right=True) for name in names), Column("not run because"))
    return Table(f"best {len(rows)} of {len(ranked)} by {space.by}", columns, tuple(rows), "no runs")
