"""Limits beside what is used of them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from pitwire.cli.views.limits import FIGURES, daily_loss_percent, limits_document
from pitwire.common.config import load_config
from pitwire.common.schemas.control import RiskMetrics
from pitwire.common.schemas.limits import AccountLimits

ACCOUNT = load_config(Path(__file__).parents[4] / "pitwire.toml").accounts["main"]


def metrics(daily_pnl: str) -> RiskMetrics:
    return RiskMetrics(
        account="main",
        equity=Decimal(98000),
        cash=Decimal(98000),
        start_of_day_equity=Decimal(100000),
        peak_equity=Decimal(100000),
        daily_pnl=Decimal(daily_pnl),
        daily_loss_remaining=Decimal(1000),
        drawdown_percent=Decimal(2),
        drawdown_max_percent=Decimal(10),
        open_positions=1,
        working_orders=0,
        trading_state="ACTIVE",
        oms_sequence=1,
        ts_market_ns=1,
        ts_ns=1,
    )


def test_a_loss_counts_in_percent_of_the_day_begin_and_a_profit_is_no_loss() -> None:
    assert daily_loss_percent(metrics("-2000")) == 2
    assert daily_loss_percent(metrics("2000")) == 0


def test_without_metrics_the_limits_stand_and_nothing_is_guessed() -> None:
    document = limits_document("main", ACCOUNT, None, None)
    assert document["source"] == "configuration"
    assert {row["observed"] for row in document["limits"]} == {None}
    assert {row["name"] for row in document["limits"]} < set(AccountLimits.model_fields)


def test_the_figures_of_the_account_stand_beside_its_limits() -> None:
    document = limits_document("main", ACCOUNT, None, metrics("-2000"))
    shown = {name: int(document[name]) for name in FIGURES}
    assert shown == {
        "equity": 98_000, "cash": 98_000, "start_of_day_equity": 100_000, "peak_equity": 100_000,
        "daily_pnl": -2_000, "daily_loss_remaining": 1_000,
    }  # fmt: skip
    unknown = limits_document("main", ACCOUNT, None, None)
    assert {unknown[name] for name in FIGURES} == {None}


def test_the_ledger_wins_over_the_configuration() -> None:
    applied = AccountLimits.model_validate(ACCOUNT.limits.model_dump() | {"limits_version": 2, "open_positions_max": 1})
    document = limits_document("main", ACCOUNT, applied, metrics("0"))
    rows = {row["name"]: row for row in document["limits"]}
    assert (document["source"], document["limits_version"]) == ("ledger", 2)
    assert (rows["open_positions_max"]["limit"], rows["open_positions_max"]["observed"]) == (1, 1)
