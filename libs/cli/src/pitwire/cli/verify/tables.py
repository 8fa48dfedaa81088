"""One consistent picture of PostgreSQL: every table that is judged, read in one read-only transaction."""

from __future__ import annotations

from typing import Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader

from pitwire.cli.addresses import plain_url
from pitwire.cli.database import CONNECT_TIMEOUT_S
from pitwire.cli.verify.evidence import Row, Tables
from pitwire.common.errors import StoreUnavailable

STATEMENT_TIMEOUT_MS: Final = 120_000
READ: Final[dict[str, LiteralString]] = {
    "journal_cursor": "*",
    "journal_cursor_regressions": "*",
    "journal_records": "oms_sequence, sha256, "
    "encode(sha256(convert_to(payload::text, 'UTF8')), 'hex') AS payload_sha256",
    "quarantined_records": "stream, sequence, reason, released_at",
    "accounts": "*",
    "orders": "*",
    "fills": "*",
    "positions": "*",
    "position_history": "account, strategy, instrument_id, oms_sequence, entry_no, quantity, cost, average_price",
    "balances": "*",
    "equity": "*",
    "risk_decisions": "oms_sequence, verdict_no, account, strategy, intent_no, verdict, code, limit_value, observed, "
    "client_order_id, quantity, limit_price, reservation_asset, reservation_amount",
    "halts": "*",
    "resumes": "resume_id, oms_sequence, cleared",
    "limits": "*",
    "capital": "*",
    "instruments": "instrument_id, tick_size, lot_size, min_quantity, max_quantity, min_notional, defined_ns",
}
"""Table to columns."""

MONEY: Final = (
    "orders.quantity", "orders.limit_price", "orders.cum_quantity", "orders.cost", "fills.quantity", "fills.price",
    "fills.fee", "fills.notional", "fills.realised_pnl", "positions.quantity", "positions.cost",
    "positions.realised_pnl", "positions.fees", "balances.amount", "equity.equity", "equity.cash", "capital.amount",
    "risk_decisions.limit_value", "risk_decisions.observed", "limits.order_value_max", "marks.mark_price",
    "candles.open", "candles.high", "candles.low", "candles.close", "candles.volume",
)  # fmt: skip


def read_cursor(url: str) -> int:
    """How far the journal is stored now; 0 where nothing is."""
    with _connect(url) as connection:
        try:
            row = connection.execute("SELECT cursor FROM journal_cursor WHERE stream = 'OMS'").fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        except psycopg.Error as error:
            raise _unavailable(error) from None
    return int(row["cursor"]) if row else 0


def read_tables(url: str) -> Tables:
    """Everything in `READ`; `StoreUnavailable` when the database does not answer or has no tables yet."""
    with _connect(url) as connection:
        try:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            rows = {table: _rows(connection, table, columns) for table, columns in READ.items()}
            kinds = connection.execute(
                "SELECT table_name || '.' || column_name AS name, data_type AS kind FROM information_schema.columns "
                "WHERE table_schema = current_schema() AND table_name || '.' || column_name = ANY(%s)",
                (list(MONEY),),
            ).fetchall()
        except psycopg.errors.UndefinedTable:
            raise StoreUnavailable(
                "the tables are not there yet: is persistence running? see `pitwire status`"
            ) from None
        except psycopg.Error as error:
            raise _unavailable(error) from None
    return Tables(rows, {str(row["name"]): str(row["kind"]) for row in kinds})


def _rows(connection: psycopg.Connection[Row], table: str, columns: LiteralString) -> list[Row]:
    statement = sql.SQL("SELECT {} FROM {}").format(sql.SQL(columns), sql.Identifier(table))
    return connection.execute(statement).fetchall()


def _connect(url: str) -> psycopg.Connection[Row]:
    try:
        connection = psycopg.Connection[Row].connect(
            plain_url(url),
            connect_timeout=CONNECT_TIMEOUT_S,
            options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC",
            row_factory=dict_row,
        )
    except psycopg.Error as error:
        raise _unavailable(error) from None
    for kind in ("json", "jsonb"):
        connection.adapters.register_loader(kind, TextLoader)
    return connection


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"the database did not answer: {str(error).strip().partition(chr(10))[0]}")
