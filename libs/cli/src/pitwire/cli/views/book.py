"""`pitwire positions`, `orders` and `fills`: rows of PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pitwire.cli.database import database_of
from pitwire.cli.discovery import find_running
from pitwire.cli.output import Reply
from pitwire.cli.views.shapes import joined, rows_table, where

NO_TRADE_YET: Final = "`pitwire why <strategy>` says what it waits for"
WORKING: Final = "order_status in ('PENDING_NEW', 'NEW', 'PARTIALLY_FILLED', 'PENDING_CANCEL', 'UNKNOWN')"
ORDER_COLUMNS: Final = (
    "client_order_id", "account", "strategy", "instrument_id", "side", "order_type", "time_in_force", "quantity",
    "limit_price", "order_status", "cum_quantity", "average_price", "reason", "approved_at", "ended_at",
)  # fmt: skip
ORDER_TABLE: Final = (
    "approved_at", "client_order_id", "strategy", "instrument_id", "side", "order_type", "quantity", "limit_price",
    "order_status", "cum_quantity", "average_price",
)  # fmt: skip
FILL_COLUMNS: Final = (
    "executed_at", "account", "strategy", "instrument_id", "side", "quantity", "price", "notional", "fee",
    "fee_currency", "liquidity", "realised_pnl", "trade_id", "entry_no", "client_order_id",
)  # fmt: skip
FILL_TABLE: Final = (
    "executed_at", "strategy", "instrument_id", "side", "quantity", "price", "fee", "fee_currency", "liquidity",
    "realised_pnl", "client_order_id",
)  # fmt: skip
POSITION_COLUMNS: Final = (
    "account", "strategy", "instrument_id", "quantity", "average_price", "mark_price", "value", "unrealised_pnl",
    "realised_pnl", "fees", "fill_count",
)  # fmt: skip
NUMBERS: Final = frozenset({
    "quantity", "limit_price", "cum_quantity", "average_price", "price", "notional", "fee", "realised_pnl",
    "mark_price", "value", "unrealised_pnl", "fees", "fill_count",
})  # fmt: skip
POSITIONS: Final = """
select account, strategy, instrument_id, quantity, round(average_price, 8) as average_price, mark_price,
  round(quantity * mark_price, 8) as value, round(quantity * mark_price - cost, 8) as unrealised_pnl,
  round(realised_pnl, 8) as realised_pnl, round(fees, 8) as fees, fill_count
from positions left join marks using (account, instrument_id)
{where} order by account, strategy, instrument_id
"""
ORDERS: Final = """
select client_order_id, account, strategy, instrument_id, side, order_type, time_in_force, quantity, limit_price,
  order_status, cum_quantity, round(average_price, 8) as average_price, reason, approved_at, ended_at
from orders {where} order by greatest(decision_sequence, oms_sequence) desc limit %(limit)s
"""
FILLS: Final = """
select executed_at, account, strategy, instrument_id, side, quantity, price, notional, fee, fee_currency, liquidity,
  round(realised_pnl, 8) as realised_pnl, trade_id, entry_no, client_order_id
from fills {where} order by oms_sequence desc, entry_no desc limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows; empty = all."""

    account: str = ""
    strategy: str = ""
    instrument: str = ""

    def conditions(self) -> dict[str, Any]:
        return {"account": self.account, "strategy": self.strategy, "instrument_id": self.instrument}


def show_positions(data_dir: Path, *, account: str, strategy: str, everything: bool) -> Reply:
    """Sub-ledgers and, as strategy `*`, the account's net."""
    clause, parameters = where({"account": account, "strategy": strategy})
    if not everything:
        clause = joined(clause, "quantity <> 0")
    with database_of(find_running(data_dir)) as database:
        rows = database.rows(POSITIONS.format(where=clause), parameters)
    empty = f"nothing is held; {NO_TRADE_YET}"
    table = rows_table("positions (* = net of the account)", POSITION_COLUMNS, rows, empty=empty, right=NUMBERS)
    return Reply(list(rows), (table,))


def show_orders(data_dir: Path, filters: Filters, *, working: bool, limit: int) -> Reply:
    """Newest first by their last event."""
    clause, parameters = where(filters.conditions())
    if working:
        clause = joined(clause, WORKING)
    with database_of(find_running(data_dir)) as database:
        rows = database.rows(ORDERS.format(where=clause), parameters | {"limit": limit})
    empty = "no order works" if working else f"no order yet; {NO_TRADE_YET}"
    return Reply(list(rows), (rows_table("", ORDER_TABLE, rows, empty=empty, right=NUMBERS),))


def show_fills(data_dir: Path, filters: Filters, *, limit: int) -> Reply:
    """Newest first; reversals are rows of their own."""
    clause, parameters = where(filters.conditions())
    with database_of(find_running(data_dir)) as database:
        rows = database.rows(FILLS.format(where=clause), parameters | {"limit": limit})
    empty = f"no fill yet; {NO_TRADE_YET}"
    return Reply(list(rows), (rows_table("", FILL_TABLE, rows, empty=empty, right=NUMBERS),))
