"""`pitwire backtest`: from its words to a job, and from its result to a page for people."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from pitwire.backtest.adapters.files import Files
from pitwire.backtest.adapters.html_report import write_report
from pitwire.backtest.core.job import Job
from pitwire.backtest.core.lookahead import Checked
from pitwire.backtest.handlers.running import prove_no_lookahead, run_job
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.output import Column, Reply, Table
from pitwire.cli.views.shapes import figure
from pitwire.common.clock import SystemClock
from pitwire.common.config import explain, load_config
from pitwire.common.errors import UsageError

BAR_WIDTH: Final = 40
TRADES_SHOWN: Final = 10
SHOWN: Final = (
    "start", "end", "final_equity", "total_return_percent", "cagr_percent", "volatility_percent", "sharpe", "sortino",
    "calmar", "omega", "max_drawdown_percent", "longest_drawdown_days", "value_at_risk_percent", "skew", "kurtosis",
    "benchmark_return_percent", "alpha", "beta", "exposure_percent", "turnover", "fees", "fills", "trades",
    "win_rate_percent", "profit_factor", "expectancy", "longest_losing_streak", "average_trade_hours", "denials",
    "limit_breaches", "alarms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of the command."""

    strategies: tuple[str, ...]
    data: tuple[str, ...]
    params: tuple[str, ...]
    capital: str
    fills: Mapping[str, Any]
    account: str | None
    config: Path


def run_backtest(asked: Asked, *, report: Path | None = None, check_lookahead: bool = False) -> Reply:
    """Runs it, with a bar of progress at a terminal."""
    job = job_of(asked)
    sources = Files((Path.cwd(), asked.config.resolve().parent))
    outcome = run_job(job, sources=sources, clock=SystemClock(), progress=progress_bar())
    if check_lookahead:
        return _checked(prove_no_lookahead(outcome, sources))
    if report is not None:
        write_report(report, [outcome.sheet])
    document = outcome.document
    figures = document["metrics"]
    rows = tuple((name, _shown(figures[name])) for name in SHOWN)
    return Reply(
        document,
        (
            Table("", (Column("figure"), Column("value", right=True)), rows, ""),
            _last_trades(document["trades"]),
            f"{document['bars']} candles in {document['seconds']:.2f} s",
        ),
    )


def job_of(asked: Asked) -> Job:
    """The job that the words mean; `UsageError` names the word that is wrong."""
    names = [_name_of(kind) for kind in asked.strategies]
    names = [name if names.count(name) == 1 else f"{name}_{place}" for place, name in enumerate(names)]
    params = _params_of(asked.params, names)
    raw: dict[str, Any] = {
        "strategies": [
            {"name": name, "type": kind, "params": params[name]}
            for name, kind in zip(names, asked.strategies, strict=True)
        ],
        "data": asked.data,
        "capital": asked.capital,
        "fills": {name: value for name, value in asked.fills.items() if value is not None},
    }
    if asked.account is not None:
        accounts = load_config(asked.config).accounts
        found = accounts.get(asked.account)
        if found is None:
            msg = f"--account {asked.account}: not in {asked.config}; it has {', '.join(accounts) or 'none'}"
            raise UsageError(msg)
        raw |= {"limits": found.limits.model_dump(), "capital": found.capital.get(found.quote, asked.capital)}
    try:
        return Job.model_validate(raw)
    except ValidationError as error:
        raise UsageError(explain(error)) from None


def _name_of(kind: str) -> str:
    """`momentum`, or the class of `my.py:MyStrategy`."""
    return kind.rpartition(":")[2][:24]


def _params_of(words: tuple[str, ...], names: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for word in words:
        key, equals, value = word.partition("=")
        owner, dot, name = key.rpartition(".")
        if not equals or not name or (dot and owner not in found):
            known = f"; strategies here: {', '.join(names)}" if dot else ""
            msg = f"--param {word}: expected name=value or strategy.name=value{known}"
            raise UsageError(msg)
        for each in [owner] if dot else names:
            found[each][name] = value
    return found


def _checked(done: Checked) -> Reply:
    document = {
        "cuts": done.cuts,
        "decisions": done.decisions,
        "differences": [{"cut_ns": each.cut_ns, "difference": each.text} for each in done.differences],
    }
    verdict = f"{done.decisions} decisions over {done.cuts} cuts of the data: {len(done.differences)} differ"
    lines = tuple(f"cut at {each.cut_ns}: {each.text}" for each in done.differences)
    return Reply(document, (verdict, *lines), ExitCode.NO if done.differences else ExitCode.OK)


def _last_trades(trades: list[Mapping[str, Any]]) -> Table:
    names = ("time", "strategy", "instrument_id", "side", "quantity", "price", "fee", "realised_pnl")
    rounded = ("fee", "realised_pnl")
    rows = tuple(
        tuple(figure(round(Decimal(trade[name]), 8)) if name in rounded else str(trade[name]) for name in names)
        for trade in trades[-TRADES_SHOWN:]
    )
    columns = tuple(Column(name, right=name in names[4:]) for name in names)
    return Table(f"last {len(rows)} of {len(trades)} fills", columns, rows, "no fills")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float | Decimal):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "none"
    return "; ".join(value) or "none" if isinstance(value, list) else str(value)


class _Bar:
    """A line on standard error that is drawn over itself."""

    def __init__(self) -> None:
        self._drawn = False

    def __call__(self, share: float) -> None:
        if share or self._drawn:
            self._drawn = True
            done = round(share * BAR_WIDTH)
            sys.stderr.write(f"\r[{'#' * done}{'.' * (BAR_WIDTH - done)}] {share:4.0%}" + ("\n" if share >= 1 else ""))
            sys.stderr.flush()


def progress_bar() -> _Bar | None:
    """A bar of progress where a person looks on."""
    return _Bar() if sys.stderr.isatty() else None
