"""`pitwire limits`: what each account may do, what it uses of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pitwire.cli.database import database_of
from pitwire.cli.discovery import Running, find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.operator import Operator
from pitwire.cli.output import Column, Reply, Table
from pitwire.cli.run.summary import money
from pitwire.common.clock import SystemClock
from pitwire.common.config import AccountConfig, load_config
from pitwire.common.enums import TradingState
from pitwire.common.errors import TransientError
from pitwire.common.schemas.control import RiskMetrics
from pitwire.common.schemas.limits import AccountLimits

FIGURES: Final = ("equity", "cash", "start_of_day_equity", "peak_equity", "daily_pnl", "daily_loss_remaining")
"""What the account stands at, of the newest risk metrics; null where nobody has reported yet."""

PER_ORDER: Final = (
    "price_collar_percent",
    "orders_per_minute_max",
    "concentration_max_percent",
    "strategy_exposure_max_percent",
    "mark_age_max_ms",
)
"""Limits that are looked at with each order; there is no figure of the account beside them."""

APPLIED: Final = "select distinct on (account) * from limits order by account, oms_sequence desc"


def show_limits(data_dir: Path) -> Reply:
    """The limits of the configuration beside the newest risk metrics."""
    running = find_running(data_dir)
    config = load_config(running.config)

    async def ask() -> tuple[RiskMetrics, ...]:
        async with await Operator.connect(running, SystemClock()) as operator:
            return await operator.risk_metrics()

    metrics = {found.account: found for found in asyncio.run(ask())}
    applied = _applied(running)
    documents = [
        limits_document(name, account, applied.get(name), metrics.get(name))
        for name, account in config.accounts.items()
    ]
    restricted = any(found.trading_state != TradingState.ACTIVE for found in metrics.values())
    parts = tuple(_table(document) for document in documents)
    return Reply(documents, parts, ExitCode.NO if restricted else ExitCode.OK)


def limits_document(
    name: str, account: AccountConfig, applied: AccountLimits | None, metrics: RiskMetrics | None
) -> dict[str, Any]:
    """Limit by limit with what is observed; `observed` is null where nobody has reported yet.

    `applied` is what the ledger says, which commands may have changed; without it the configuration is shown.
    """
    limits = applied or account.limits
    rows: list[dict[str, Any]] = [
        _limit("order_value_max", limits.order_value_max, None),
        _limit("position_value_max", limits.position_value_max, None),
        _limit("open_positions_max", limits.open_positions_max, metrics and metrics.open_positions),
        _limit("daily_loss_max_percent", limits.daily_loss_max_percent, metrics and daily_loss_percent(metrics)),
        _limit("drawdown_max_percent", limits.drawdown_max_percent, metrics and metrics.drawdown_percent),
        *(_limit(name, getattr(limits, name), None) for name in PER_ORDER),
    ]
    return {
        "account": name,
        "quote": account.quote,
        "limits_version": limits.limits_version,
        "source": "ledger" if applied else "configuration",
        "trading_state": metrics.trading_state if metrics else None,
        **{name: getattr(metrics, name, None) for name in FIGURES},
        "limits": rows,
        "instruments_allowed": list(limits.instruments_allowed),
        "instruments_restricted": list(limits.instruments_restricted),
    }


def _applied(running: Running) -> dict[str, AccountLimits]:
    """The newest limits of each account in the ledger, as the database has them; empty when it is away."""
    try:
        with database_of(running) as database:
            rows = database.rows(APPLIED)
    except TransientError:
        return {}
    plain = ({key: str(value) if isinstance(value, Decimal) else value for key, value in row.items()} for row in rows)
    return {row["account"]: AccountLimits.model_validate(row) for row in plain}


def daily_loss_percent(metrics: RiskMetrics) -> Any:
    """Today's loss in percent of the equity the day began with; a profit is no loss."""
    if not metrics.start_of_day_equity:
        return None
    return max(-metrics.daily_pnl, type(metrics.daily_pnl)(0)) / metrics.start_of_day_equity * 100


def _limit(name: str, limit: Any, observed: Any) -> dict[str, Any]:
    return {"name": name, "limit": limit, "observed": observed}


def _table(document: dict[str, Any]) -> Table:
    state = document["trading_state"] or "not reported yet"
    equity = f"equity {money(document['equity'])} {document['quote']}"
    origin = f"limits version {document['limits_version']} of the {document['source']}"
    title = f"account {document['account']}: {state}, {equity}; {origin}"
    rows = tuple(
        (row["name"], _text(row["limit"]), "-" if row["observed"] is None else _text(row["observed"]))
        for row in document["limits"]
    )
    allowed = ", ".join(document["instruments_allowed"])
    rows += (("instruments_allowed", allowed, "-"),)
    rows += tuple((name, "", "-" if document[name] is None else money(document[name])) for name in FIGURES)
    return Table(title, (Column("limit"), Column("at most", right=True), Column("now", right=True)), rows, "")


def _text(value: Any) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".") if hasattr(value, "quantize") else str(value)
