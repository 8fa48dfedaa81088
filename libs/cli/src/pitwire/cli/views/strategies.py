"""`pitwire strategies`: what is configured, what it did, what it said last."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pitwire.cli.database import Database, database_of
from pitwire.cli.discovery import find_running
from pitwire.cli.output import Reply
from pitwire.cli.run.numbers import read_numbers
from pitwire.cli.views.shapes import rows_table
from pitwire.common.config import PitwireConfig, load_config

LAST_SAID: Final = """
select distinct on (strategy, instrument_id) strategy, instrument_id, signal, reason, event_at
from decision_traces order by strategy, instrument_id, decided_ns desc, traces_sequence desc
"""
PAUSED: Final = "select account, strategy, pause_reason from strategies where paused"
COLUMNS: Final = (
    "strategy", "account", "state", "capital", "orders", "fills", "denials", "realised_pnl", "fees", "position",
)  # fmt: skip
SAID: Final = ("strategy", "instrument_id", "event_at", "signal", "reason")
NUMBERS: Final = frozenset({"capital", "orders", "fills", "denials", "realised_pnl", "fees"})


def show_strategies(data_dir: Path) -> Reply:
    """Every strategy of the configuration, also those that have not done anything yet."""
    running = find_running(data_dir)
    config = load_config(running.config)
    with database_of(running) as database:
        rows = _rows(database, config)
        said = database.rows(LAST_SAID)
    for row in rows:
        row["last_said"] = [line for line in said if line["strategy"] == row["strategy"]]
    shown = [row | {"position": _held(row["position"])} for row in rows]
    tables = (
        rows_table("", COLUMNS, shown, empty="no strategy is configured: add [strategies.<name>]", right=NUMBERS),
        rows_table("last words", SAID, said, empty="no strategy has seen a candle yet"),
    )
    return Reply(rows, tables)


def _rows(database: Database, config: PitwireConfig) -> list[dict[str, Any]]:
    numbers = read_numbers(database, tuple(config.strategies))
    paused = {(row["account"], row["strategy"]): row["pause_reason"] for row in database.rows(PAUSED)}
    found: list[dict[str, Any]] = []
    for name, strategy in config.strategies.items():
        reason = paused.get((strategy.account, name))
        part = numbers.strategies[name]
        found.append(
            {
                "strategy": name,
                "type": strategy.type,
                "account": strategy.account,
                "state": "running" if reason is None else f"paused: {reason}",
                "capital": strategy.capital,
                "instruments": list(strategy.instruments),
                **part.document(),
            }
        )
    return found


def _held(position: dict[str, Any]) -> str:
    return "  ".join(f"{instrument} {quantity.normalize():f}" for instrument, quantity in position.items() if quantity)
