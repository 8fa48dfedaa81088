"""Commands of research: backtest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitwire.cli.commands.options import ConfigOption, OutputOption
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
