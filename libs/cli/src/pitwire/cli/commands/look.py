"""Commands that only look: status, positions, orders, fills, pnl, strategies, limits, why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitwire.cli.commands.options import AccountOption, DataDirOption, LimitOption, OutputOption, ReasonOption
from pitwire.cli.output import Format, Reply, finish

AccountFilter = Annotated[str, typer.Option("--account", "-a", help="Only this account.")]
StrategyFilter = Annotated[str, typer.Option("--strategy", "-s", help="Only this strategy.")]
InstrumentFilter = Annotated[str, typer.Option("--instrument", "-i", help="Only this instrument, BTC-USDT.sim.")]


def status(*, data_dir: DataDirOption = Path(".pitwire"), output: OutputOption = Format.TEXT) -> None:
    """Is everything alive, ready and up to date? Which halts hold?

    Exit code 1 when a service is silent or not ready, or the database does not answer.
    """

    def work() -> Reply:
        from pitwire.cli.views.status import show_status

        return show_status(data_dir)

    finish(work, output)


def positions(
    *,
    account: AccountFilter = "",
    strategy: StrategyFilter = "",
    everything: Annotated[bool, typer.Option("--all", help="Flat ones as well.")] = False,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """What each strategy holds, valued at the newest mark."""

    def work() -> Reply:
        from pitwire.cli.views.book import show_positions

        return show_positions(data_dir, account=account, strategy=strategy, everything=everything)

    finish(work, output)


def orders(
    *,
    account: AccountFilter = "",
    strategy: StrategyFilter = "",
    instrument: InstrumentFilter = "",
    working: Annotated[bool, typer.Option("--working", "-w", help="Only those that can still be filled.")] = False,
    limit: LimitOption = 50,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Orders, newest first."""

    def work() -> Reply:
        from pitwire.cli.views.book import Filters, show_orders

        return show_orders(data_dir, Filters(account, strategy, instrument), working=working, limit=limit)

    finish(work, output)


def fills(
    *,
    account: AccountFilter = "",
    strategy: StrategyFilter = "",
    instrument: InstrumentFilter = "",
    limit: LimitOption = 50,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Fills, newest first."""

    def work() -> Reply:
        from pitwire.cli.views.book import Filters, show_fills

        return show_fills(data_dir, Filters(account, strategy, instrument), limit=limit)

    finish(work, output)


def pnl(
    *,
    account: AccountFilter = "",
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Profit and loss: realised, unrealised and fees per strategy, and the equity of each account."""

    def work() -> Reply:
        from pitwire.cli.views.pnl import show_pnl

        return show_pnl(data_dir, account=account)

    finish(work, output)


def strategies(*, data_dir: DataDirOption = Path(".pitwire"), output: OutputOption = Format.TEXT) -> None:
    """Every configured strategy: what it did, what it holds, what it said last."""

    def work() -> Reply:
        from pitwire.cli.views.strategies import show_strategies

        return show_strategies(data_dir)

    finish(work, output)


def limits(
    *,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change one, as in order_value_max=5000; may be repeated.")
    ] = None,
    account: AccountOption = "main",
    reason: ReasonOption = "no reason given",
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """The limits of each account, and how far it is from each; or, with --set, change some of one account.

    Exit code 1 when an account is reducing or halted, or when a change is refused.
    """

    def work() -> Reply:
        from pitwire.cli.views.limits import show_limits
        from pitwire.cli.views.operating import set_limits

        if changes:
            return set_limits(data_dir, account=account, reason=reason, changes=tuple(changes))
        return show_limits(data_dir)

    finish(work, output)


def why(
    strategy: Annotated[str, typer.Argument(help="The strategy.")],
    *,
    at: Annotated[
        str, typer.Option(help="Market time, ISO 8601: the last evaluation up to then.", metavar="TIME")
    ] = "",
    instrument: InstrumentFilter = "",
    limit: LimitOption = 1,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Why a strategy did or did not trade: its values, the gate's verdict, the order and its fills."""

    def work() -> Reply:
        from pitwire.cli.views.why import show_why

        return show_why(data_dir, strategy, at=at, instrument=instrument, limit=limit)

    finish(work, output)
