"""`pitwire pnl`: what each strategy and each account made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pitwire.cli.database import database_of
from pitwire.cli.discovery import find_running
from pitwire.cli.output import Reply
from pitwire.cli.views.shapes import rows_table, where

BY_STRATEGY: Final = """
select account, strategy, round(sum(realised_pnl), 8) as realised_pnl,
  round(sum(case when quantity = 0 then 0 else quantity * mark_price - cost end), 8) as unrealised_pnl,
  round(sum(fees), 8) as fees,
  round(sum(realised_pnl) + sum(case when quantity = 0 then 0 else quantity * mark_price - cost end) - sum(fees), 8)
    as net_pnl,
  sum(fill_count)::bigint as fills
from positions left join marks using (account, instrument_id)
{where} group by account, strategy order by account, strategy
"""
ACCOUNTS: Final = """
select distinct on (account) account, quote, equity, cash, positions_value, capital,
  round(realised_pnl, 8) as realised_pnl, round(unrealised_pnl, 8) as unrealised_pnl, round(fees, 8) as fees,
  round(realised_pnl + unrealised_pnl - fees, 8) as net_pnl,
  start_of_day_equity, round(equity - start_of_day_equity, 8) as daily_pnl, peak_equity,
  round(drawdown_percent, 6) as drawdown_percent, market_at
from equity {where} order by account, oms_sequence desc
"""
STRATEGY_COLUMNS: Final = ("account", "strategy", "realised_pnl", "unrealised_pnl", "fees", "net_pnl", "fills")
ACCOUNT_COLUMNS: Final = (
    "account", "quote", "equity", "cash", "positions_value", "net_pnl", "daily_pnl", "peak_equity", "drawdown_percent",
)  # fmt: skip
NOT_YET: Final = "nothing yet: the first row comes with the first order"


def show_pnl(data_dir: Path, *, account: str) -> Reply:
    """Realised and unrealised are before fees; net = realised + unrealised - fees. Deposits are never profit."""
    clause, parameters = where({"account": account})
    with database_of(find_running(data_dir)) as database:
        strategies = database.rows(BY_STRATEGY.format(where=clause), parameters)
        accounts = database.rows(ACCOUNTS.format(where=clause), parameters)
    tables = (
        rows_table(
            "strategies (* = the account)", STRATEGY_COLUMNS, strategies, empty=NOT_YET, right=STRATEGY_COLUMNS[2:]
        ),
        rows_table("accounts", ACCOUNT_COLUMNS, accounts, empty=NOT_YET, right=ACCOUNT_COLUMNS[2:]),
    )
    return Reply({"strategies": strategies, "accounts": accounts}, tables)
