"""Reads the rows that a batch must know, inside its transaction: one query a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg import sql

from pitwire.persistence.core.entries import Entry
from pitwire.persistence.core.journal_rows import AccountRow
from pitwire.persistence.core.needs import Found, Needs
from pitwire.persistence.core.operations_rows import CommandRow, HaltRow, StrategyRow
from pitwire.persistence.core.tables import OF_ROW
from pitwire.persistence.core.trading_rows import BalanceRow, FillRow, OrderRow, PositionRow

R = TypeVar("R")

ENTRIES_MAX: Final = 500
"""Stored records of a stopped account that are folded at once."""

_STORED: Final = """
SELECT oms_sequence, journal_records.subject, coalesce(schema_header, kind),
    coalesce(quarantined_records.data, convert_to(payload::text, 'UTF8'))
FROM journal_records JOIN accounts USING (account)
LEFT JOIN quarantined_records ON stream = 'OMS' AND sequence = oms_sequence
WHERE journal_records.account = %s AND oms_sequence > %s
    AND oms_sequence >= coalesce(stopped_sequence, greatest(ledger_sequence, exec_sequence) + 1)
ORDER BY oms_sequence LIMIT %s
"""
_UNCOVERED: Final = """
SELECT {columns} FROM fills JOIN accounts USING (account)
WHERE fills.account = ANY(%s) AND fills.oms_sequence > accounts.covered_sequence
ORDER BY fills.oms_sequence, fills.entry_no
"""


def load(connection: psycopg.Connection[Any], needs: Needs) -> Found:
    """Everything in `needs` that is there."""
    accounts = list(needs.accounts)
    return Found(
        accounts=_rows(connection, AccountRow, ("account",), [(name,) for name in accounts]),
        orders=_rows(connection, OrderRow, ("account", "client_order_id"), needs.orders),
        trades=_rows(
            connection,
            FillRow,
            ("venue", "venue_account", "instrument_id", "trade_id"),
            needs.trades,
            order_by="oms_sequence, entry_no",
        ),
        uncovered=_uncovered(connection, accounts),
        positions=_rows(connection, PositionRow, ("account", "instrument_id"), needs.positions),
        balances=_rows(connection, BalanceRow, ("account",), [(name,) for name in accounts]),
        halts=_rows(connection, HaltRow, ("halt_id",), [(name,) for name in needs.halts]),
        strategies=_rows(connection, StrategyRow, ("account", "strategy"), needs.strategies),
        commands=_rows(connection, CommandRow, ("command_id",), [(name,) for name in needs.commands]),
    )


def stored_entries(connection: psycopg.Connection[Any], account: str, after: int) -> list[Entry]:
    """The next records of a stopped account from the journal copy; the schema of a readable one is its kind alone."""
    found = connection.execute(_STORED, (account, after, ENTRIES_MAX)).fetchall()
    return [Entry(sequence, subject, schema, bytes(data)) for sequence, subject, schema, data in found]


def _uncovered(connection: psycopg.Connection[Any], accounts: Sequence[str]) -> list[FillRow]:
    if not accounts:
        return []
    columns = sql.SQL(", ").join(sql.Identifier("fills", name) for name in FillRow._fields)
    cursor = connection.execute(sql.SQL(_UNCOVERED).format(columns=columns), (list(accounts),))
    return [FillRow._make(row) for row in cursor]


def _rows(
    connection: psycopg.Connection[Any],
    row_type: type[R],
    by: tuple[str, ...],
    keys: Collection[tuple[str, ...]],
    *,
    order_by: LiteralString = "",
) -> list[R]:
    """Rows whose columns `by` equal one of `keys`."""
    if not keys:
        return []
    table = OF_ROW[row_type]
    statement = sql.SQL("SELECT {columns} FROM {table} WHERE ({by}) IN (SELECT * FROM unnest({arrays}))").format(
        columns=sql.SQL(", ").join(sql.Identifier(name) for name in table.columns),
        table=sql.Identifier(table.name),
        by=sql.SQL(", ").join(sql.Identifier(name) for name in by),
        arrays=sql.SQL(", ").join([sql.SQL("%s::text[]")] * len(by)),
    )
    if order_by:
        statement += sql.SQL(" ORDER BY " + order_by)
    columns = [list(column) for column in zip(*keys, strict=True)]
    return [row_type(*row) for row in connection.execute(statement, columns)]
