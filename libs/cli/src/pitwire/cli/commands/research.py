"""Commands of research: backtest, sweep, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitwire.cli.commands.options import AccountOption, ConfigOption, DataDirOption, OutputOption
from pitwire.cli.output import Format, Reply, finish


def backtest(
    *,
    strategy: Annotated[
        list[str],
        typer.Option("--strategy", "-s", help="Shipped name or path/to/file.py:Class; several run in one account."),
    ],
    data: Annotated[
        list[str],
        typer.Option("--data", "-d", help="CSV(.gz) of candles, or BASE-QUOTE.venue=FILE; one per instrument."),
    ],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="name=value, or strategy.name=value where several run.")
    ] = None,
    capital: Annotated[str, typer.Option(help="Quote currency that the account begins with.")] = "100000",
    fees_bps: Annotated[str, typer.Option(help="Fee of every fill, in basis points of its value.")] = "10",
    maker_fees_bps: Annotated[str | None, typer.Option(help="Another fee for fills that waited in the book.")] = None,
    slippage_bps: Annotated[str, typer.Option(help="A taker's price is worse by so much.")] = "0",
    spread_bps: Annotated[str, typer.Option(help="Ask less bid; a taker pays half of it.")] = "0",
    impact_bps: Annotated[str, typer.Option(help="x sqrt(quantity / volume of the candle), for a taker.")] = "0",
    volume_share: Annotated[
        float | None, typer.Option(help="Share of a candle's volume that one order may take.", min=0.0001, max=1)
    ] = None,
    limit_fill: Annotated[
        str, typer.Option(help="When a resting limit order fills: `through` its price, or on its `touch`.")
    ] = "through",
    latency_ms: Annotated[int, typer.Option(help="From the decision to the venue.", min=0)] = 0,
    account: Annotated[
        str | None, typer.Option(help="Use the limits and the capital of this account of the configuration file.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the tear sheet: one HTML file that loads nothing.", metavar="FILE.html")
    ] = None,
    check_lookahead: Annotated[
        bool, typer.Option("--check-lookahead", help="Prove that no decision knew the future; exit code 1 if one did.")
    ] = False,
    config: ConfigOption = Path("pitwire.toml"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Run strategies over recorded candles: the runner, gate and books that trade live, in virtual time.

    With `-o json`: `{"metrics", "trades", "equity", "bars", "seconds"}`. A trade is one fill; equity has one
    [market time in ns, value] per candle close. Without --account limits are so wide that they never bind.
    """

    def work() -> Reply:
        from pitwire.cli.views.backtest import Asked, run_backtest

        fills = {
            "taker_bps": fees_bps,
            "maker_bps": maker_fees_bps or fees_bps,
            "slippage_bps": slippage_bps,
            "spread_bps": spread_bps,
            "impact_bps": impact_bps,
            "volume_share": volume_share,
            "limit_fill": limit_fill,
            "latency_ms": latency_ms,
        }
        asked = Asked(tuple(strategy), tuple(data), tuple(param or ()), capital, fills, account, config)
        return run_backtest(asked, report=report, check_lookahead=check_lookahead)

    finish(work, output)


def sweep(
    *,
    strategy: Annotated[str, typer.Option("--strategy", "-s", help="Shipped name or path/to/file.py:Class.")],
    data: Annotated[
        list[str],
        typer.Option("--data", "-d", help="CSV(.gz) of candles, or BASE-QUOTE.venue=FILE; one per instrument."),
    ],
    grid: Annotated[
        list[str], typer.Option("--grid", "-g", help="name=5,10,20 or name=first:last:step; every combination is run.")
    ],
    random: Annotated[int | None, typer.Option(help="Only so many combinations, drawn, each once.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 1,
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="name=value, the same in every run.")] = None,
    by: Annotated[str, typer.Option(help="The figure that ranks the runs, highest first.")] = "sharpe",
    capital: Annotated[str, typer.Option(help="Quote currency that the account begins with.")] = "100000",
    fees_bps: Annotated[str, typer.Option(help="Fee of every fill, in basis points of its value.")] = "10",
    slippage_bps: Annotated[str, typer.Option(help="A taker's price is worse by so much.")] = "0",
    workers: Annotated[
        str | None, typer.Option(help="Processes of this command (default: one per core), or `bus`: those on the bus.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Keep finished runs here; the same command goes on where it was killed.")
    ] = None,
    config: ConfigOption = Path("pitwire.toml"),
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Run a strategy with many parameter sets on all cores, and rank them.

    With `--workers bus` the runs wait in a queue on the bus of the running system until processes of
    `python -m pitwire.backtest` take them, on as many machines as there are, each with the same files under the same
    paths. A killed worker's run goes to another; a killed sweep goes on by the same command with the same `--results`.

    With `-o json`: `{"runs", "by", "bars", "seconds"}`, best run first, each with its `params` and `metrics`, or with
    the `error` that says why these parameters do not go together.
    """

    def work() -> Reply:
        from pitwire.cli.views.backtest import Asked
        from pitwire.cli.views.sweep import Space, run_sweep, workers_of

        fills = {"taker_bps": fees_bps, "maker_bps": fees_bps, "slippage_bps": slippage_bps}
        asked = Asked((strategy,), tuple(data), tuple(param or ()), capital, fills, None, config)
        count, on_bus = workers_of(workers)
        return run_sweep(asked, Space(tuple(grid), random, seed, by, results, count, data_dir if on_bus else None))

    finish(work, output)


def compare(
    *,
    account: AccountOption = "main",
    spread_bps: Annotated[str, typer.Option(help="Assumed spread: a taker pays half.")] = "0",
    slippage_bps: Annotated[str, typer.Option(help="Assumed: a taker's price is worse by so much.")] = "0",
    fees_bps: Annotated[str | None, typer.Option(help="Assumed fee; default: the venue's own.")] = None,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Set the orders of the running system beside a backtest of the candles it saw, and explain each difference.

    In time (from the close that was decided on to the first fill), price and fee; and what only one of the two did.
    """

    def work() -> Reply:
        from pitwire.cli.views.compared import compare_running

        assumed = {"spread_bps": spread_bps, "slippage_bps": slippage_bps}
        fees = {} if fees_bps is None else {"taker_bps": fees_bps, "maker_bps": fees_bps}
        return compare_running(data_dir, account, assumed | fees)

    finish(work, output)
