"""The `pitwire` command: one list of commands; what a command needs is imported when it runs."""

from __future__ import annotations

from typing import Any

import typer

from pitwire.cli.commands import look, operate, recordings, research, run, tools

app = typer.Typer(
    name="pitwire",
    help="Trade with small services on a bus: start, watch, limit, halt, verify.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

CONTEXT: dict[Any, dict[str, bool]] = {operate.order: {"ignore_unknown_options": True}}
"""`order BUY -1` is told what is wrong with the quantity, not that -1 is no option."""

for panel in (
    (run.up, run.venue),
    (look.status, look.positions, look.orders, look.fills, look.pnl, look.strategies, look.limits, look.why),
    (operate.order, operate.cancel, operate.flatten, operate.pause, operate.capital),
    (operate.halt, operate.resume, operate.reconcile),
    (research.backtest, research.sweep, research.compare),
    (recordings.record, recordings.replay),
    (tools.verify, tools.logs, tools.doctor, tools.docs),
):
    for command in panel:
        app.command(context_settings=CONTEXT.get(command))(command)
app.add_typer(recordings.history, name="history")
app.add_typer(tools.golive, name="golive")
app.add_typer(tools.topology, name="topology")
