"""`pitwire sweep`: many parameter sets of one strategy, best first."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pitwire.backtest.adapters.files import Files
from pitwire.backtest.adapters.pool import Results, run_all
from pitwire.backtest.core.sweep import Params, drawn, grid, key_of, values_of
from pitwire.cli.output import Column, Reply, Table
from pitwire.cli.views.backtest import Asked, job_of, progress_bar
from pitwire.common.clock import SystemClock
from pitwire.common.errors import UsageError
from pitwire.common.units import NS_PER_S

SHOWN: Final = ("total_return_percent", "sharpe", "max_drawdown_percent", "trades", "win_rate_percent", "fees")
ROWS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Space:
    """Which parameter sets, how many of them, and where finished ones are kept."""

    grid: tuple[str, ...]
    random: int | None
    seed: int
    by: str
    results: Path | None
    workers: int | None


def run_sweep(asked: Asked, space: Space) -> Reply:
    """Runs what is not in the results yet, and ranks all of them."""
    if len(asked.strategies) != 1:
        msg = "a sweep varies one strategy; give --strategy once"
        raise UsageError(msg)
    todo = _sets(space)
    job = job_of(asked)
    with tempfile.TemporaryDirectory() as folder:
        results = Results(space.results or Path(folder) / "results.jsonl")
        try:
            seconds, bars = _run(asked, space, job, todo, results)
        finally:
            results.close()
    rows = [results.rows[key_of(params)] for params in todo]
    ranked = sorted(rows, key=lambda row: _rank(row, space.by), reverse=True)
    document = {"runs": ranked, "by": space.by, "bars": bars, "seconds": seconds}
    return Reply(document, (_table(ranked, space), f"{len(rows)} runs, {bars} candles in {seconds:.2f} s"))


def _run(asked: Asked, space: Space, job: Any, todo: list[Params], results: Results) -> tuple[float, int]:
    clock, bar = SystemClock(), progress_bar()
    missing = [params for params in todo if key_of(params) not in results.rows]
    sources = Files((Path.cwd(), asked.config.resolve().parent))
    started, bars = clock.monotonic_ns(), 0
    workers = space.workers or os.cpu_count() or 1
    for count, row in enumerate(run_all(job, sources, missing, workers=min(workers, max(len(missing), 1)))):
        results.add(row)
        bars += row.get("bars", 0)
        if bar is not None:
            bar((count + 1) / len(missing))
    return (clock.monotonic_ns() - started) / NS_PER_S, bars


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
